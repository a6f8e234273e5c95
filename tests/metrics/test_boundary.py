"""Boundary IoU against slow and plain references, with unlabelled pixels on both sides."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from geoseg.errors import EvaluateError
from geoseg.evaluation import EvaluateSettings, evaluate
from geoseg.metrics import BoundaryCounts, count_boundaries
from tests.support.assessments import LEGEND, PLACE, write_map
from tests.support.rasters import write_raster

NONE = 255
SEEDS = range(40)


def random_pair(seed: int, labelled: float) -> tuple[np.ndarray, np.ndarray]:
    """Two small maps of three classes in patches, each with unlabelled pixels in patches."""
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 24, 2)
    patch = int(rng.integers(1, 5))

    def side():
        coarse = rng.integers(0, 3, (height // patch + 1, width // patch + 1), dtype=np.uint8)
        values = np.kron(coarse, np.ones((patch, patch), np.uint8))[:height, :width]
        holes = np.kron(rng.random(coarse.shape) > labelled, np.ones((patch, patch), bool))
        return np.where(holes[:height, :width], NONE, values).astype(np.uint8)

    mapped, reference = side(), side()
    same = rng.random((height, width)) < 0.6
    return np.where(same & (reference != NONE), reference, mapped).astype(np.uint8), reference


def near_by_loops(values: np.ndarray, labelled: np.ndarray, distance: int) -> np.ndarray:
    """Where a labelled pixel has another class, or the end of the raster, near it."""
    height, width = values.shape
    near = np.zeros(values.shape, bool)
    steps = range(-distance, distance + 1)
    for row, col in np.argwhere(labelled).tolist():
        for other_row, other_col in ((row + i, col + j) for i in steps for j in steps):
            if not (0 <= other_row < height and 0 <= other_col < width):
                near[row, col] = True
            elif labelled[other_row, other_col]:
                near[row, col] |= bool(values[other_row, other_col] != values[row, col])
    return near


def near_by_erosion(values: np.ndarray, labelled: np.ndarray, distance: int) -> np.ndarray:
    """Each class without its erosion; unlabelled pixels never erode a class, the rim does."""
    near = np.zeros(values.shape, bool)
    for value in np.unique(values[labelled]):
        inner = binary_erosion(
            ~labelled | (values == value), np.ones((3, 3)), iterations=distance, border_value=0
        )
        near |= labelled & (values == value) & ~inner
    return near


def expected(mapped, reference, distance, near) -> np.ndarray:
    """Boundary IoU of values 0, 1 and 2, from a function that finds pixels near outlines."""
    labelled = (mapped != NONE) & (reference != NONE)
    sides = [(side, near(side, labelled, distance)) for side in (mapped, reference)]
    if not sides[1][1].any():
        return np.full(3, np.nan)
    scores = []
    for value in range(3):
        first, second = ((side == value) & where for side, where in sides)
        either = (first | second).sum()
        scores.append((first & second).sum() / either if either else np.nan)
    return np.array(scores)


@pytest.mark.parametrize("distance", [1, 2, 3, 5, 9])
@pytest.mark.parametrize("labelled", [1.0, 0.8, 0.4])
def test_it_is_what_plain_definitions_give(distance, labelled):
    for seed in SEEDS:
        mapped, reference = random_pair(seed, labelled)
        iou = count_boundaries(mapped, reference, distance, NONE).iou[:3]
        for near in (near_by_loops, near_by_erosion):
            by_definition = expected(mapped, reference, distance, near)
            assert iou == pytest.approx(by_definition, nan_ok=True), (seed, near.__name__)


def test_unlabelled_pixels_of_one_side_make_no_outline_on_the_other():
    """The two classes of the map meet where the reference is unlabelled: no outline is compared."""
    mapped = np.zeros((40, 40), np.uint8)
    mapped[:, 20:] = 1
    reference = mapped.copy()
    reference[:, 19:21] = NONE
    counts = count_boundaries(mapped, reference, 2, NONE)
    rim = np.ones((40, 19), bool)  # columns 0 to 18
    rim[2:-2, 2:] = False
    assert counts.both[:2].tolist() == counts.either[:2].tolist()
    assert counts.both[0] == rim.sum()  # column 18 is not near an outline
    assert counts.iou[:2].tolist() == [1, 1]


@pytest.mark.parametrize("distance", [1, 3])
def test_the_edge_of_the_raster_is_an_outline(distance):
    ones = np.ones((20, 20), np.uint8)
    counts = count_boundaries(ones, ones, distance, NONE)
    assert counts.both[1] == 400 - (20 - 2 * distance) ** 2
    assert counts.iou[1] == 1


@pytest.mark.parametrize("distance", [1, 2, 4])
def test_windows_with_halos_add_up_to_the_whole(distance):
    for seed in SEEDS:
        mapped, reference = random_pair(seed, 0.7)
        height, width = mapped.shape
        total = BoundaryCounts(np.zeros(256, np.int64), np.zeros(256, np.int64), 0)
        for row in range(0, height, 7):
            for col in range(0, width, 5):
                top, left = max(row - distance, 0), max(col - distance, 0)
                area = slice(top, row + 7 + distance), slice(left, col + 5 + distance)
                inside = (
                    slice(row - top, min(row + 7, height) - top),
                    slice(col - left, min(col + 5, width) - left),
                )
                total += count_boundaries(mapped[area], reference[area], distance, NONE, inside)
        whole = count_boundaries(mapped, reference, distance, NONE)
        assert np.array_equal(total.both, whole.both)
        assert np.array_equal(total.either, whole.either)
        assert total.in_reference == whole.in_reference


def test_a_distance_beyond_the_map_is_that_of_its_larger_side():
    """It needs no memory of its own: all pixels are near the edge."""
    mapped, reference = random_pair(7, 0.7)
    whole = count_boundaries(mapped, reference, max(mapped.shape), NONE)
    huge = count_boundaries(mapped, reference, 10**12, NONE)
    assert np.array_equal(huge.both, whole.both)
    assert np.array_equal(huge.either, whole.either)


@pytest.mark.parametrize("width", [0, -1, float("inf"), float("nan")])
def test_a_distance_must_be_a_number_above_0(width):
    with pytest.raises(EvaluateError, match="it must be a number above 0"):
        EvaluateSettings(boundary=width)


@pytest.mark.parametrize("rows", [1, 3, 8])
def test_strips_of_rows_do_not_show(monkeypatch, rows):
    mapped, reference = random_pair(7, 0.7)
    whole = count_boundaries(mapped, reference, 2, NONE)
    monkeypatch.setattr("geoseg.metrics.boundary._PIXELS_PER_BATCH", rows * mapped.shape[1])
    strips = count_boundaries(mapped, reference, 2, NONE)
    assert np.array_equal(strips.both, whole.both)
    assert np.array_equal(strips.either, whole.either)


def test_a_report_has_it_by_windows_of_the_file(tmp_path, monkeypatch):
    """Windows of 512 px of a map with unlabelled pixels on both sides, against the definition."""
    rng = np.random.default_rng(4)
    coarse = rng.integers(0, 3, (2, 70, 70), dtype=np.uint8)
    mapped, reference = (np.kron(side, np.ones((16, 16), np.uint8)) for side in coarse)
    mapped[rng.random(mapped.shape) < 0.1] = NONE
    reference[rng.random(mapped.shape) < 0.1] = NONE
    reference[:, 500:530] = NONE
    write_map(tmp_path / "map.tif", mapped)
    write_raster(tmp_path / "reference.tif", reference[None], transform=PLACE, nodata=NONE)
    monkeypatch.setattr("geoseg.evaluation.window_counts._PIXELS_PER_WINDOW", 512 * 512)
    report = evaluate(
        tmp_path / "map.tif", tmp_path / "reference.tif", out=tmp_path / "report",
        settings=EvaluateSettings(legend=LEGEND, boundary=60.0),
    ).to_dict()  # fmt: skip
    by_erosion = expected(mapped, reference, 2, near_by_erosion)
    assert report["boundary_iou"] == pytest.approx(by_erosion)
    page = (tmp_path / "report" / "report.html").read_text()
    assert "without a class in the map or in the reference is not counted and makes no" in page
