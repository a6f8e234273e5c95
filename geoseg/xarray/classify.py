"""Classify a DataArray: at once, or lazily, block by block, if its pixels are a Dask array."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np

from geoseg.classification import (
    ArrayRun,
    array_scene,
    classify_array,
    load_model,
    plan_array,
)
from geoseg.classification.settings import ClassifySettings, Execution
from geoseg.errors import RunError, check_type
from geoseg.model import DEFAULT, AnyModel, Model
from geoseg.raster import Scene
from geoseg.xarray.describe import MapAttributes, as_xarray
from geoseg.xarray.layout import as_bands_rows_cols, read_layout
from geoseg.xarray.lazy import classify_blocks

if TYPE_CHECKING:
    import xarray

log = logging.getLogger("geoseg")


@overload
def classify(
    data: "xarray.DataArray",
    *,
    model: Model | str | Path = ...,
    confidence: Literal[False] = ...,
    settings: ClassifySettings = ...,
    execution: Execution = ...,
    band_dim: str = ...,
    crs: object = ...,
) -> "xarray.DataArray": ...


@overload
def classify(
    data: "xarray.DataArray",
    *,
    model: Model | str | Path = ...,
    confidence: Literal[True],
    settings: ClassifySettings = ...,
    execution: Execution = ...,
    band_dim: str = ...,
    crs: object = ...,
) -> "xarray.Dataset": ...


def classify(
    data: "xarray.DataArray",
    *,
    model: Model | str | Path = DEFAULT,
    confidence: bool = False,
    settings: ClassifySettings = ClassifySettings(),
    execution: Execution = Execution(),
    band_dim: str = "band",
    crs: object = None,
) -> "xarray.DataArray | xarray.Dataset":
    """Classify an array of xarray.

    If its pixels are a Dask array, the result is lazy: pixels are read only when the result is
    computed, block by block, on any scheduler. The workers of the scheduler must be able to read
    the model file, and must have the same versions of geoseg and of the engine. Blocks of the
    result are the chunks of the array: smaller ones than 512 px a side are merged where they have
    neighbours, and larger ones than 2048 px are split.

    Law: the labels and the confidence are those that `geoseg.classify` writes for a GeoTIFF with
    the same pixels, on the same engine and device, byte for byte, whatever the chunks are.

    Args:
        data: dimensions of bands, rows ("y", "latitude" or "lat") and columns ("x", "longitude" or
            "lon"), in any order; integers or floats. A pixel is invalid if a band is NaN, or if all
            bands have the nodata value: that of the settings, or the attribute ``_FillValue``,
            ``nodata`` or ``missing_value``. Bands are found by their names if the coordinate of the
            bands has texts, or the attribute ``long_name`` lists them.
        model: see `geoseg.classify`.
        confidence: whether to return the confidence too.
        settings: what determines the map; ``crs``, ``cleaning`` and ``creation_options`` are for
            files. ``grid`` must be that of the array, and ``bbox`` None: cut the result instead.
        execution: see `geoseg.classify_array`; engine and device "auto" are chosen
            in the process that calls this function.
        band_dim: name of the dimension of the bands.
        crs: CRS in any form that pyproj reads; None for that of the grid mapping
            (``spatial_ref``) or of the attribute ``crs``.

    Returns:
        Labels (rows, columns), uint8, 255 = no data, with the coordinates of the array, and in
        their attributes the classes (``flag_values``, ``flag_meanings``, ``flag_colors``,
        ``class_names``) and the hash of the model. With confidence, a Dataset of "labels" and
        "confidence" (rows, columns), uint8, score of the best class, 1..255, 0 = no data.

    Raises:
        SceneError: if the array does not fit the model, or its coordinates are not regular.
        RunError: if a setting is for maps in files only, or does not fit the array or the model.
        GeosegError: if xarray is not installed, or as `geoseg.classify_array` does.
    """
    array = as_bands_rows_cols(data, band_dim)
    check_type("settings", settings, ClassifySettings)
    for name, given in (("bbox", settings.bbox), ("grid", settings.grid == "model")):
        if given:
            raise RunError(
                f"{name} is not for arrays of xarray, whose map has their coordinates, leave it "
                "out, and cut or resample the map (.sel, .interp)"
            )
    layout = read_layout(array, crs)
    names = ("labels", "confidence") if confidence else ("labels",)
    if array.chunks is None:
        done = classify_array(
            array.values, transform=layout.transform, crs=layout.crs, nodata=layout.nodata,
            band_names=layout.band_names, model=model, confidence=confidence, settings=settings,
            execution=execution,
        )  # fmt: skip
        planes: Sequence[Any] = [getattr(done, name) for name in names]
        attributes = MapAttributes(done.legend, done.model_hash, done.crs)
    else:
        scene = array_scene(
            array.shape, array.dtype, transform=layout.transform, crs=layout.crs,
            nodata=layout.nodata, band_names=layout.band_names,
        )  # fmt: skip
        run = _plan(scene, load_model(model, settings), settings, execution, confidence)
        planes = classify_blocks(run, array.data, names)
        attributes = MapAttributes(run.job.legend, run.job.model_hash, run.job.scene.crs)
    return as_xarray(array, dict(zip(names, planes, strict=True)), attributes)


def _plan(
    scene: Scene,
    model: AnyModel,
    settings: ClassifySettings,
    execution: Execution,
    confidence: bool,
) -> ArrayRun:
    """Plan a run without reading a pixel."""
    run, warnings = plan_array(
        scene, model, settings, execution, lambda whole: np.empty((len(whole.bands), 0)),
        confidence=confidence,
    )  # fmt: skip
    for warning in warnings:
        log.warning(warning)
    if model.dtype not in (None, scene.dtype):
        log.warning(
            "%s has %s pixels and is lazy, so their range is not compared with the %s pixels that "
            "the model was trained on, check that it is the same",
            scene.path, scene.dtype, model.dtype,
        )  # fmt: skip
    return run
