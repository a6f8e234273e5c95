"""The worked examples of the literature, to six digits, and the same from other libraries."""

import numpy as np
import pytest
import sklearn.metrics
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.metrics import (
    ALLOCATIONS,
    Z95,
    Confusion,
    Reliability,
    accuracy,
    allocate,
    allocate_for_error,
    by_map_class,
    count_boundaries,
    estimate,
)
from tests.support.published_samples import OLOFSSON_2013, OLOFSSON_2014
from tests.support.torch_packages import import_or_skip

digits = {"rel": 0, "abs": 1e-6}
square = st.integers(2, 5).flatmap(
    lambda n: arrays(np.int64, (n, n), elements=st.integers(0, 1000))
)


def test_olofsson_2014_table_8():
    result = estimate(by_map_class(OLOFSSON_2014.counts), OLOFSSON_2014.area_ha)
    assert result.overall_accuracy == pytest.approx(0.946512, **digits)
    assert Z95 * result.overall_accuracy_se == pytest.approx(0.0184836, **digits)
    users, producers = result.users_accuracy, result.producers_accuracy
    assert users == pytest.approx([0.88, 0.733333, 0.927273, 0.963077], **digits)
    assert producers == pytest.approx([0.748661, 0.847156, 0.934509, 0.961609], **digits)
    within = pytest.approx([0.0740, 0.1008, 0.0397, 0.0205], abs=5e-5)
    assert Z95 * result.users_accuracy_se == within
    within = pytest.approx([0.2133, 0.2544, 0.0343, 0.0184], abs=5e-5)
    assert Z95 * result.producers_accuracy_se == within
    shares = [0.0235086, 0.0129846, 0.3175221, 0.6459846]
    assert result.shares.sum(0) == pytest.approx(shares, abs=5e-8)
    assert result.area_se == pytest.approx([3141.650, 1916.238, 7913.181, 8306.968], abs=1e-3)
    areas = [21157.76, 11686.15, 285769.93, 581386.15]
    assert result.area == pytest.approx(areas, abs=5e-3)
    within = [6157.63, 3755.83, 15509.84, 16281.66]
    assert Z95 * result.area_se == pytest.approx(within, abs=5e-3)


def test_olofsson_2013_example_1():
    pixels = np.array([22353, 1122543, 610228.0])
    result = estimate(by_map_class(OLOFSSON_2013), pixels)
    assert result.overall_accuracy == pytest.approx(0.944417, **digits)
    assert Z95 * result.overall_accuracy_se == pytest.approx(0.0219, abs=5e-5)
    assert result.users_accuracy == pytest.approx([0.97, 0.93, 0.97], **digits)
    assert result.producers_accuracy == pytest.approx([0.480631, 0.994189, 0.896926], **digits)
    within = pytest.approx([0.2245, 0.0113, 0.0412], abs=5e-5)
    assert Z95 * result.producers_accuracy_se == within
    assert result.area[0] == pytest.approx(45112.4, abs=0.05)
    assert result.area_se[0] == pytest.approx(10751.4, abs=0.05)
    assert Z95 * result.area_se[0] == pytest.approx(21072.8, abs=0.05)


def test_kappa_and_disagreement_of_olofsson_2014():
    counts = OLOFSSON_2014.counts
    assert accuracy.overall_accuracy(counts) == pytest.approx(0.9171875, **digits)
    assert accuracy.kappa(counts) == pytest.approx(0.869964, **digits)
    raw = accuracy.disagreement(counts)
    assert (raw.quantity, raw.allocation) == pytest.approx((0.0390625, 0.04375), **digits)
    assert (raw.exchange, raw.shift) == pytest.approx((0.040625, 0.003125), **digits)
    shares = estimate(by_map_class(counts), OLOFSSON_2014.area_ha).shares
    assert accuracy.kappa(shares) == pytest.approx(0.888814, **digits)
    weighted = accuracy.disagreement(shares)
    assert (weighted.quantity, weighted.allocation) == pytest.approx((0.004493, 0.048995), **digits)
    assert (weighted.exchange, weighted.shift) == pytest.approx((0.044492, 0.004503), abs=1.1e-6)


@pytest.mark.parametrize(
    ("counts", "quantity", "allocation"),
    [
        ([[40, 10], [10, 40]], 0, 0.2),
        ([[30, 0], [20, 50]], 0.2, 0),
        ([[45, 15], [5, 35]], 0.1, 0.1),
    ],
)
def test_three_maps_of_one_kappa_are_wrong_in_three_ways(counts, quantity, allocation):
    counts = np.array(counts)
    assert accuracy.overall_accuracy(counts) == pytest.approx(0.8)
    assert accuracy.kappa(counts) == pytest.approx(0.6)
    result = accuracy.disagreement(counts)
    assert (result.quantity, result.allocation) == pytest.approx((quantity, allocation))


@given(square)
def test_quantity_and_allocation_are_all_the_disagreement_there_is(counts):
    result = accuracy.disagreement(counts)
    wrong = 1 - accuracy.overall_accuracy(counts)
    assert result.quantity + result.allocation == pytest.approx(wrong, nan_ok=True)
    assert result.exchange + result.shift == pytest.approx(result.allocation, nan_ok=True)
    assert not result.exchange < 0
    assert not result.shift < -1e-12


@pytest.mark.parametrize(("distance", "both", "either"), [(1, 18, 54), (2, 48, 80), (3, 70, 98)])
def test_boundary_iou_of_a_square_and_the_same_one_pixel_on(distance, both, either):
    reference = np.zeros((20, 20), np.uint8)
    reference[5:15, 5:15] = 1
    moved = np.roll(reference, 1, 1)
    boundary = count_boundaries(moved, reference, distance, 255)
    assert (boundary.both[1], boundary.either[1]) == (both, either)
    assert Confusion.of(moved, reference, 2, 255).iou[1] == pytest.approx(90 / 110)


CONFIDENCE = np.array([0.97, 0.93, 0.88, 0.83, 0.78, 0.72, 0.66, 0.61, 0.57, 0.53])
HITS = np.array([1, 1, 1, 0, 1, 1, 0, 1, 0, 0])


@pytest.mark.parametrize(
    ("bins", "expected", "largest"), [(5, 0.194, 0.55), (10, 0.268, 0.55), (15, 0.292, 0.83)]
)
def test_calibration_errors(bins, expected, largest):
    reliability = Reliability.of(CONFIDENCE, HITS, bins=bins)
    assert reliability.expected_error == pytest.approx(expected, **digits)
    assert reliability.largest_error == pytest.approx(largest, **digits)


def test_a_sample_for_a_standard_error_of_one_percent():
    shares = np.array([0.02, 0.015, 0.32, 0.645])
    accuracies, room = np.array([0.7, 0.6, 0.9, 0.95]), np.full(4, 10**6)
    sizes = allocate_for_error(0.01, shares, accuracies, room, "proportional", 0)
    assert sizes.tolist() == [14, 10, 218, 440]
    variance = 0.084e-3 / 13 + 0.054e-3 / 9 + 9.216e-3 / 217 + 19.761e-3 / 439
    assert variance**0.5 == pytest.approx(0.01, abs=1e-5)
    sizes = allocate_for_error(0.01, shares, accuracies, room, "mixed", 50)
    assert sizes.tolist() == [105, 103, 222, 348]
    # One large class and many small ones: most points go to the large class.
    skewed, ones = np.array([0.91] + [0.01] * 9), np.ones(10)
    sizes = allocate_for_error(0.02, skewed, 0.8 * ones, np.full(10, 10**6), "mixed", 50)
    assert sizes.tolist() == [335, *[50] * 9]
    assert allocate_for_error(0.02, skewed, ones, np.full(10, 9), "equal", 0).sum() == 1
    assert (
        allocate_for_error(1e-200, skewed, 0.8 * ones, np.full(10, 9), "equal", 10**30).sum() == 90
    )
    assert allocate(641, shares, room, "proportional", 0).tolist() == [13, 10, 205, 413]
    assert allocate(641, shares, room, "proportional", 75).tolist() == [75, 75, 163, 328]
    assert allocate(641, shares, room, "equal", 50).tolist() == [161, 160, 160, 160]
    assert allocate(100, shares, room, "mixed", 50).tolist() == [50, 50, 50, 50]


@given(
    st.lists(st.integers(1, 10**7), min_size=1, max_size=8),
    st.integers(1, 2000),
    st.sampled_from(ALLOCATIONS),
    st.integers(0, 100),
)
def test_an_allocation_has_the_size_asked_for_and_no_stratum_too_few(pixels, total, how, minimum):
    room = np.array(pixels)
    sizes = allocate(total, room / room.sum(), room, how, minimum)
    assert (sizes >= np.minimum(minimum, room)).all()
    assert (sizes <= room).all()
    fewest = np.minimum(minimum, room).sum()
    assert sizes.sum() == min(max(total, fewest), room.sum())


def test_a_class_that_is_not_mapped_has_area_by_its_omissions():
    counts = np.array([[45, 3, 2], [1, 48, 1], [0, 0, 0]])
    result = estimate(by_map_class(counts), np.array([100.0, 200.0, 0.0]))
    assert result.area.sum() == pytest.approx(300)
    assert result.area[2] == pytest.approx(100 * 2 / 50 + 200 * 1 / 50)
    assert np.isnan(result.users_accuracy[2])
    assert result.producers_accuracy[2] == 0


def test_a_stratum_sampled_once_has_no_variance():
    counts = np.array([[9, 1, 0], [0, 1, 0], [1, 0, 9]])
    result = estimate(by_map_class(counts), np.array([1.0, 2.0, 3.0]))
    assert np.isfinite(result.overall_accuracy)
    assert np.isnan(result.overall_accuracy_se)
    assert np.isnan(result.area_se).all()
    assert np.isfinite(result.users_accuracy_se).tolist() == [True, False, True]


def test_an_area_without_a_point_cannot_be_estimated():
    with pytest.raises(ValueError, match="no point"):
        estimate(by_map_class(np.array([[5, 0], [0, 0]])), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="do not fit"):
        estimate(by_map_class(np.eye(2, dtype=int)), np.array([1.0, 1.0, 1.0]))


@given(st.integers(0, 2**32 - 1))
def test_strata_that_are_not_classes_give_what_simulation_gives(seed):
    """One stratum for all is a simple random sample, whose formulas are in every textbook."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 40, (1, 3, 3))
    total, hits = counts.sum(), np.trace(counts[0])
    result = estimate(counts, np.array([1.0]))
    share = hits / total
    assert result.overall_accuracy == pytest.approx(share)
    assert result.overall_accuracy_se**2 == pytest.approx(share * (1 - share) / (total - 1))
    users = counts[0].diagonal() / counts[0].sum(1)
    assert result.users_accuracy == pytest.approx(users)
    linear = users * (1 - users) / counts[0].sum(1) * total / (total - 1)
    assert result.users_accuracy_se**2 == pytest.approx(linear)


@pytest.fixture(scope="module")
def pairs():
    """10,000 pixels in 6 classes, of which one is nowhere; 70 % agree."""
    rng = np.random.default_rng(0)
    reference = rng.choice([0, 1, 2, 3, 5], 10_000, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    other = rng.choice([0, 1, 2, 3, 5], 10_000)
    return np.where(rng.random(10_000) < 0.7, reference, other), reference


def test_scikit_learn_says_the_same(pairs):
    mapped, reference = pairs
    counts = Confusion.of(mapped.astype(np.uint8), reference.astype(np.uint8), 6, 255).counts
    labels = [0, 1, 2, 3, 5]
    theirs = sklearn.metrics.confusion_matrix(mapped, reference, labels=range(6))
    assert np.array_equal(counts, theirs)
    kappa = sklearn.metrics.cohen_kappa_score(mapped, reference)
    assert accuracy.kappa(counts) == pytest.approx(kappa)
    share = sklearn.metrics.accuracy_score(reference, mapped)
    assert accuracy.overall_accuracy(counts) == pytest.approx(share)
    per_class = {"labels": labels, "average": None}
    for ours, their in (
        (accuracy.users_accuracy, sklearn.metrics.precision_score),
        (accuracy.producers_accuracy, sklearn.metrics.recall_score),
        (accuracy.f1, sklearn.metrics.f1_score),
        (accuracy.iou, sklearn.metrics.jaccard_score),
    ):
        assert ours(counts)[labels] == pytest.approx(their(reference, mapped, **per_class))
        assert np.isnan(ours(counts)[4])
    mean = sklearn.metrics.jaccard_score(reference, mapped, labels=labels, average="macro")
    assert accuracy.mean_iou(counts) == pytest.approx(mean)
    weighted = sklearn.metrics.jaccard_score(reference, mapped, labels=labels, average="weighted")
    assert accuracy.frequency_weighted_iou(counts) == pytest.approx(weighted)


def test_torchmetrics_says_the_same(pairs):
    theirs = import_or_skip("torchmetrics.functional.classification")
    mapped, reference = (torch.from_numpy(values) for values in pairs)
    counts = Confusion.of(*(v.astype(np.uint8) for v in pairs), 6, 255).counts
    table = theirs.multiclass_confusion_matrix(mapped, reference, 6)  # rows are the reference
    assert np.array_equal(counts, table.T.numpy())
    macro = theirs.multiclass_jaccard_index(mapped, reference, 6)
    assert accuracy.mean_iou(counts) == pytest.approx(float(macro))
    weighted = theirs.multiclass_jaccard_index(mapped, reference, 6, average="weighted")
    assert accuracy.frequency_weighted_iou(counts) == pytest.approx(float(weighted))
    kappa = theirs.multiclass_cohen_kappa(mapped, reference, 6)
    assert accuracy.kappa(counts) == pytest.approx(float(kappa))


@pytest.mark.parametrize("bins", [5, 10, 15])
def test_torchmetrics_finds_the_same_calibration_errors(bins):
    theirs = import_or_skip("torchmetrics.functional.classification")
    rng = np.random.default_rng(1)
    confidence = rng.random(5000)
    hits = rng.random(5000) < confidence**2
    ours = Reliability.of(confidence, hits, bins=bins)
    tensors = torch.from_numpy(confidence), torch.from_numpy(hits).long()
    for norm, value in (("l1", ours.expected_error), ("max", ours.largest_error)):
        their = theirs.binary_calibration_error(*tensors, n_bins=bins, norm=norm)
        assert value == pytest.approx(float(their), abs=1e-6)


values = arrays(
    np.uint8,
    st.tuples(st.integers(1, 9), st.integers(1, 9)),
    elements=st.sampled_from([0, 1, 2, 255]),
)


@given(values, st.integers(1, 4))
def test_a_boundary_is_the_class_without_its_erosion(labels, distance):
    """By the definition, pixel by pixel; what is ignored makes no outline, the end does."""
    from geoseg.metrics.boundary import near_outline

    near_mask = near_outline(labels, distance, 255)
    height, width = labels.shape
    for (row, col), value in np.ndenumerate(labels):
        if value == 255:
            continue
        near = labels[
            max(row - distance, 0) : row + distance + 1, max(col - distance, 0) : col + distance + 1
        ]
        beyond = min(row, col, height - 1 - row, width - 1 - col) < distance
        assert near_mask[row, col] == (beyond or bool(set(near.flat) - {value, 255}))


def test_patches_of_one_class_each_say_nothing_of_outlines():
    mapped = np.zeros((30, 30), np.uint8)
    mapped[:, 12:] = 1
    reference = np.full_like(mapped, 255)
    reference[4:9, 4:20] = 0
    reference[20:25, 14:24] = 1
    assert np.isnan(count_boundaries(mapped, reference, 2, 255).iou).all()
    reference[9:12, 4:20] = 1
    assert np.isfinite(count_boundaries(mapped, reference, 2, 255).iou[:2]).all()
