"""Maps of arrays of xarray, also of lazy ones of Dask.

    >>> from geoseg.xarray import classify
    >>> labels = classify(cube.isel(time=0), model="default")  # doctest: +SKIP

xarray itself is installed with ``geoseg[xarray]``.
"""

from geoseg.xarray.classify import classify

__all__ = ["classify"]
