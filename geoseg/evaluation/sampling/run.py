"""A stratified random sample of a map, for someone to say what is there."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoseg.errors import EvaluateError, check_list, check_type, count_of
from geoseg.evaluation.assessment import HECTARE_M2
from geoseg.evaluation.block_counts import BlockComparison
from geoseg.evaluation.estimation import MIN_RELIABLE_SAMPLES
from geoseg.evaluation.points import STRATUM
from geoseg.evaluation.sampling.census import ClassCensus, count_classes, locate_columns
from geoseg.evaluation.sampling.form import write_form
from geoseg.files import atomic_file, check_file_name, check_not_there
from geoseg.geodesy import apply_affine
from geoseg.labels import LabelSource, open_map, without_ignored
from geoseg.legend import Legend, as_legend
from geoseg.metrics import ALLOCATIONS, Allocation, allocate, sample_size
from geoseg.raster import Scene


@dataclass(frozen=True, slots=True)
class SampleSettings:
    """How many points to draw, and where.

    Raises:
        EvaluateError: if a number is out of range, or size and standard error are both given.
    """

    size: int | None = None
    """Number of points; None to compute it from the standard error."""
    standard_error: float | None = None
    """Standard error of the overall accuracy that the sample should reach, 0..1; None for 0.02,
    which gives a 95 % interval of about ± 4 percentage points. The sample is larger where the
    minimum per class needs more points."""
    expected: float = 0.8
    """Expected user's accuracy of each class, 0..1, from which the size is computed."""
    expected_of: tuple[tuple[str, float], ...] = ()
    """Class name and expected user's accuracy of classes that differ from ``expected``."""
    allocation: Allocation = "mixed"
    """Points per class: "proportional" to its area, "equal", or "mixed", the mean of both."""
    least: int = MIN_RELIABLE_SAMPLES
    """Minimum number of points per class; a class with fewer pixels is taken whole."""
    seed: int = 0
    """Random seed."""
    legend: Legend | str | Path | None = None
    """Classes of the map, or their file; None to take them from its palette and names."""
    ignore: tuple[str, ...] = ()
    """Names or values of classes from which no points are drawn."""

    def __post_init__(self) -> None:
        check_list("ignore", self.ignore)
        check_list("expected_of", self.expected_of)
        if self.size is not None and self.standard_error is not None:
            raise EvaluateError("the size follows from the standard error, give only one of them")
        if self.allocation not in ALLOCATIONS:
            raise EvaluateError(
                f"unknown allocation {self.allocation!r}, use one of {', '.join(ALLOCATIONS)}"
            )
        if (self.size is not None and self.size < 1) or self.least < 0:
            raise EvaluateError(
                f"a sample size of {self.size} with a minimum of {self.least} per class is not "
                "possible, give positive numbers"
            )
        shares = [self.expected, *(share for _, share in self.expected_of)]
        if not all(0 <= share <= 1 for share in shares):
            raise EvaluateError("an expected accuracy is not in 0..1, give 0.8 for 80 %")
        if self.standard_error is not None and not 0 < self.standard_error < 1:
            raise EvaluateError(
                f"a standard error of {self.standard_error} is not in 0..1, give 0.02 for 2 %"
            )


DEFAULTS = SampleSettings()
_STANDARD_ERROR = 0.02


def sample(
    labels: str | Path,
    *,
    out: str | Path,
    settings: SampleSettings = DEFAULTS,
    overwrite: bool = False,
) -> dict[str, Any]:
    """Draw pixels of a label map at random within each class, for collecting a reference.

    The points come in random order, with an empty field ``reference`` to be filled in; in QGIS the
    form offers the classes, and does not show what the map says.

    Args:
        labels: label map with a CRS.
        out: GeoPackage to write, in the CRS of the map.
        settings: how many, and where.
        overwrite: replace an existing file.

    Returns:
        Key points: how many; key strata: a list of name, pixels, area_ha and points.

    Raises:
        EvaluateError: if the map has no CRS or no pixel of a class, or if the size is too small
            for the minimum per class.
        LabelError: if its classes are not known.
        OutputError: if the file exists, or cannot be written.
    """
    check_type("settings", settings, SampleSettings)
    out = Path(out)
    check_file_name(out, ".gpkg")
    check_not_there(out, overwrite=overwrite)
    scene, mapped = open_map(str(labels), as_legend(settings.legend), settings.ignore)
    if scene.crs is None:
        raise EvaluateError(
            f"labels {scene.path} have no CRS, so that nobody would find the points, assign it "
            "with gdal_edit -a_srs"
        )
    legend = without_ignored(mapped.legend, settings.ignore)
    census = count_classes(BlockComparison(scene, mapped, None), np.array(legend.values))
    if not census.total.any():
        raise EvaluateError(f"labels {scene.path} have no pixel of a class to draw from")
    sizes = _sample_sizes(census, legend, settings)
    points = _draw_points(scene, mapped, legend, census, sizes, settings.seed)
    _write_points(out, points, legend)
    rows = zip(legend.names, census.total, census.area / HECTARE_M2, sizes, strict=True)
    return {
        "points": int(sizes.sum()),
        "strata": [
            {"name": name, "pixels": int(pixels), "area_ha": float(area), "points": int(n)}
            for name, pixels, area, n in rows
        ],
    }


def _sample_sizes(
    census: ClassCensus, legend: Legend, settings: SampleSettings
) -> NDArray[np.int64]:
    """(classes,) points of each class; none where the map has no pixel of it."""
    there = census.total > 0
    shares = census.area[there] / census.area.sum()
    total = settings.size
    if total is None:
        expected = {legend.value_of(name): share for name, share in settings.expected_of}
        accuracies = np.array([expected.get(v, settings.expected) for v in legend.values])
        error = settings.standard_error or _STANDARD_ERROR
        total = sample_size(shares, accuracies[there], error)
    else:
        _check_size(total, settings.least, census.total[there])
    sizes = np.zeros(len(legend), np.int64)
    sizes[there] = allocate(total, shares, census.total[there], settings.allocation, settings.least)
    return sizes


def _check_size(size: int, least: int, pixels: NDArray[np.int64]) -> None:
    """Refuse a size that is too small for the minimum per class.

    Args:
        size: number of points.
        least: minimum number of points per class.
        pixels: (classes,) pixels of the classes that occur.
    """
    needed = int(np.minimum(pixels, least).sum())
    if size >= needed:
        return
    smaller = pixels[pixels < least]
    terms = []
    if len(smaller) < len(pixels):
        terms.append(f"{count_of(len(pixels) - len(smaller), 'class')} x {least}")
    if len(smaller):
        every = count_of(int(smaller.sum()), "pixel")
        terms.append(f"all {every} of {count_of(len(smaller), 'smaller class')}")
    raise EvaluateError(
        f"a sample of {count_of(size, 'point')} is too small for the minimum of {least} per class "
        f"({' + '.join(terms)} = {needed}), raise the size to {needed} or lower the minimum per "
        f"class to {size // len(pixels)}"
    )


def _draw_points(
    scene: Scene,
    mapped: LabelSource,
    legend: Legend,
    census: ClassCensus,
    sizes: NDArray[np.int64],
    seed: int,
) -> Any:  # noqa: ANN401 - a GeoDataFrame
    import geopandas

    rng = np.random.default_rng(seed)
    places, names, chances = [], list[str](), []
    for number, (c, size) in enumerate(zip(legend.classes, sizes.tolist(), strict=True)):
        if size:
            drawn = census.draw(number, size, rng)
            cols = locate_columns(mapped, scene.width, c.value, drawn)
            places.append(np.stack([drawn[:, 0], cols], axis=1))
            names += [c.name] * size
            chances.append(size * census.cells[drawn[:, 0]] / census.area[number])
    rows, cols = np.concatenate(places).T + 0.5
    x, y = apply_affine(scene.affine, cols, rows)
    spots = geopandas.points_from_xy(x, y, crs=scene.crs)
    lon_lat = spots.to_crs("EPSG:4326")
    frame = geopandas.GeoDataFrame(
        {
            "reference": np.full(len(x), None, object),
            "longitude": lon_lat.x,
            "latitude": lon_lat.y,
            STRATUM: names,
            "inclusion_probability": np.concatenate(chances).clip(max=1),
        },
        geometry=spots,
    )
    frame = frame.iloc[rng.permutation(len(frame))]
    frame.insert(0, "number", np.arange(1, len(frame) + 1))
    return frame


def _write_points(out: Path, points: Any, legend: Legend) -> None:  # noqa: ANN401 - a GeoDataFrame
    # RuntimeError and ValueError are what pyogrio raises.
    with atomic_file(out, errors=(OSError, RuntimeError, ValueError)) as temporary:
        write_form(temporary, points, out.stem, legend)
