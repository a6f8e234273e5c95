"""A stratified random sample of a map, to collect a reference."""

from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj.exceptions import ProjError

from geoseg.errors import EvaluateError, check_type, count_of
from geoseg.evaluation.assessment import HECTARE_M2
from geoseg.evaluation.points import STRATUM_FIELD
from geoseg.evaluation.sampling.census import ClassCensus, count_classes
from geoseg.evaluation.sampling.settings import SampleSettings
from geoseg.evaluation.window_counts import WindowComparison
from geoseg.files import check_file_name, check_not_there, layer_name
from geoseg.geodesy import apply_affine
from geoseg.labels import IgnoreSpec, open_map, without_ignored
from geoseg.legend import Legend, as_legend
from geoseg.metrics import allocate, allocate_for_error
from geoseg.styles.qgis import form_qml
from geoseg.vectors import write_geopackage

_STANDARD_ERROR = 0.02
"""Standard error of the overall accuracy where the settings give neither it nor a size."""


@dataclass(frozen=True, slots=True)
class SampledStratum:
    """A class of the map, and the points drawn from it."""

    name: str
    pixels: int
    area_ha: float
    points: int


@dataclass(frozen=True, slots=True)
class SampleReport:
    """The points of a sample, in all and by class."""

    points: int
    strata: tuple[SampledStratum, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return {"points": self.points, "strata": [asdict(stratum) for stratum in self.strata]}


def sample(
    lulc: str | Path,
    out: str | Path,
    *,
    settings: SampleSettings = SampleSettings(),
    overwrite: bool = False,
) -> SampleReport:
    """Draw pixels of a class map at random within each class, to collect a reference.

    The points come in random order, with an empty field ``reference`` to fill in. QGIS opens them
    with a form that lists the classes and hides the class of the map.

    Args:
        lulc: class map with a CRS.
        out: GeoPackage to write, in the CRS of the map. If this is not tied to the earth, longitude
            and latitude are empty.
        settings: how many points to draw, and from which classes.
        overwrite: replace an existing file.

    Returns:
        The number of points, in all and by class.

    Raises:
        EvaluateError: if the map has no CRS, no pixel of a class or pixels of unknown area, or if
            the size is too small for the minimum per class.
        LabelError: if the classes of the map or those to be ignored are not known.
        OutputError: if the file exists, or cannot be written.
    """
    check_type("settings", settings, SampleSettings)
    out = Path(out)
    check_file_name(out, ".gpkg")
    check_not_there(out, overwrite=overwrite, inputs=[lulc])
    scene, mapped = open_map(str(lulc), as_legend(settings.legend), settings.ignore)
    IgnoreSpec.parse(settings.ignore).check_names({f"map {scene.path}": mapped.legend})
    if scene.crs is None:
        raise EvaluateError(
            f"map {scene.path} has no CRS, so that points have no coordinates, assign it with "
            "gdal_edit -a_srs"
        )
    choices = as_legend(settings.reference_legend)
    legend = without_ignored(mapped.legend, settings.ignore)
    census = count_classes(WindowComparison(scene, mapped), np.array(legend.values))
    if not census.total.any():
        raise EvaluateError(
            f"map {scene.path} has no pixel of a class to draw from, check the file with "
            "`geoseg info`"
        )
    if not np.isfinite(census.area_m2).all():
        raise EvaluateError(
            f"the areas of the pixels of map {scene.path} are unknown or differ within rows, "
            "warp it to a projected CRS (gdalwarp)"
        )
    sizes = _sample_sizes(census, legend, settings)
    points = _draw_points(census, legend, sizes, settings.seed)
    form = form_qml(choices or legend, [name for name in points.columns if name != "geometry"])
    write_geopackage(out, points, layer_name(out), form, "Reference classes to be filled in")
    columns = (census.total, census.area_m2 / HECTARE_M2, sizes)
    strata = zip(legend.names, *(column.tolist() for column in columns), strict=True)
    return SampleReport(int(sizes.sum()), tuple(SampledStratum(*row) for row in strata))


def _sample_sizes(
    census: ClassCensus, legend: Legend, settings: SampleSettings
) -> NDArray[np.int64]:
    """Return the points (classes,) of each class; 0 for a class without pixels."""
    mapped = census.total > 0
    pixels, shares = census.total[mapped], census.area_m2[mapped] / census.area_m2.sum()
    sizes, minimum = np.zeros(len(legend), np.int64), settings.min_per_class
    if settings.size is not None:
        _check_size(settings.size, minimum, pixels)
        sizes[mapped] = allocate(settings.size, shares, pixels, settings.allocation, minimum)
        return sizes
    by_class = {legend.value_of(name): share for name, share in settings.expected_by_class}
    accuracies = np.array([by_class.get(v, settings.expected) for v in legend.values])
    sizes[mapped] = allocate_for_error(
        settings.standard_error or _STANDARD_ERROR, shares, accuracies[mapped], pixels,
        settings.allocation, minimum,
    )  # fmt: skip
    return sizes


def _check_size(size: int, minimum: int, pixels: NDArray[np.int64]) -> None:
    """Refuse a size that is too small for the minimum per class; (classes,) pixels of each."""
    needed = int(np.minimum(pixels, minimum).sum())
    if size >= needed:
        return
    smaller = pixels[pixels < minimum]
    terms = []
    if len(smaller) < len(pixels):
        terms.append(f"{count_of(len(pixels) - len(smaller), 'class')} x {minimum}")
    if len(smaller):
        all_pixels = count_of(int(smaller.sum()), "pixel")
        terms.append(f"all {all_pixels} of {count_of(len(smaller), 'smaller class')}")
    raise EvaluateError(
        f"a sample of {count_of(size, 'point')} is too small for the minimum of {minimum} per "
        f"class ({' + '.join(terms)} = {needed}), raise the size to {needed} or lower the minimum "
        f"per class to {size // len(pixels)}"
    )


def _draw_points(census: ClassCensus, legend: Legend, sizes: NDArray[np.int64], seed: int) -> Any:  # noqa: ANN401 - a GeoDataFrame
    import geopandas

    rng, scene = np.random.default_rng(seed), census.comparison.scene
    pixels, names, probabilities = [], list[str](), []
    for index, (name, size) in enumerate(zip(legend.names, sizes.tolist(), strict=True)):
        if size:
            drawn = census.draw(index, size, rng)
            pixels.append(drawn)
            names += [name] * size
            areas = census.comparison.row_pixel_areas[drawn[0]]
            drawn_whole = size == census.total[index]
            probabilities.append(
                np.ones(size) if drawn_whole else size * areas / census.area_m2[index]
            )
    rows, cols = np.concatenate(pixels, axis=1) + 0.5
    x, y = apply_affine(scene.affine, cols, rows)
    points = geopandas.points_from_xy(x, y, crs=scene.crs)
    longitude = latitude = np.full(len(x), np.nan)
    with suppress(ProjError):  # the CRS is not tied to the earth, such as that of a site
        lon_lat = points.to_crs("EPSG:4326")
        longitude, latitude = lon_lat.x, lon_lat.y
    frame = geopandas.GeoDataFrame(
        {
            "reference": np.full(len(x), None, object),
            "longitude": longitude,
            "latitude": latitude,
            STRATUM_FIELD: names,
            "inclusion_probability": np.concatenate(probabilities).clip(max=1),
        },
        geometry=points,
    )
    frame = frame.iloc[rng.permutation(len(frame))]
    frame.insert(0, "number", np.arange(1, len(frame) + 1))
    return frame
