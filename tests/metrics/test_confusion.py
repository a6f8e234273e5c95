"""The confusion matrix: an example by hand, and the laws."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from geoseg.metrics import Confusion, accuracy, class_row_counts

CLASSES = 4
IGNORE = 255

# Eight pixels, of which the last is not labelled; class 3 is nowhere.
MAPPED = np.array([0, 0, 0, 1, 1, 2, 0, 1], np.uint8)
REFERENCE = np.array([0, 0, 1, 1, 1, 1, 2, IGNORE], np.uint8)


def indices(n):
    return arrays(np.uint8, n, elements=st.sampled_from([*range(CLASSES), IGNORE]))


maps = st.integers(0, 40).flatmap(lambda n: st.tuples(indices(n), indices(n)))


@pytest.fixture
def worked():
    return Confusion.of(MAPPED, REFERENCE, CLASSES, IGNORE)


def test_rows_are_the_map_and_columns_the_reference(worked):
    assert worked.counts.tolist() == [[2, 1, 1, 0], [0, 2, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    assert worked.total == 7


def test_scores_of_the_worked_example(worked):
    assert worked.accuracy == pytest.approx(4 / 7)
    # Class 0: 2 hits, 4 mapped, 2 in the reference. Class 1: 2, 2, 4. Class 2: 0, 1, 1.
    assert worked.iou == pytest.approx([2 / 4, 2 / 4, 0, np.nan], nan_ok=True)
    users, producers = accuracy.users_accuracy, accuracy.producers_accuracy
    assert users(worked.counts) == pytest.approx([2 / 4, 2 / 2, 0 / 1, np.nan], nan_ok=True)
    assert producers(worked.counts) == pytest.approx([2 / 2, 2 / 4, 0 / 1, np.nan], nan_ok=True)


def test_a_class_that_is_nowhere_does_not_count_in_the_mean(worked):
    assert worked.mean_iou == pytest.approx((0.5 + 0.5 + 0) / 3)


def test_plain_data_is_json_with_none_for_nan(worked):
    data = json.loads(json.dumps(worked.to_dict(("a", "b", "c", "d")), allow_nan=False))
    assert data["pixels"] == 7
    assert data["classes"]["b"] == {
        "iou": 0.5,
        "users_accuracy": 1.0,
        "producers_accuracy": 0.5,
        "pixels": 4,
    }
    assert data["classes"]["d"]["iou"] is None
    assert data["confusion"][0] == [2, 1, 1, 0]


@settings(deadline=None, max_examples=50)
@given(maps, st.integers(0, 40))
def test_parts_add_up_to_the_whole(pair, cut):
    mapped, reference = pair
    whole = Confusion.of(mapped, reference, CLASSES, IGNORE)
    first = Confusion.of(mapped[:cut], reference[:cut], CLASSES, IGNORE)
    rest = Confusion.of(mapped[cut:], reference[cut:], CLASSES, IGNORE)
    assert np.array_equal((first + rest).counts, whole.counts)
    assert np.array_equal((Confusion.zeros(CLASSES) + whole).counts, whole.counts)


@settings(deadline=None, max_examples=50)
@given(maps)
def test_it_counts_what_a_loop_counts(pair):
    expected = np.zeros((CLASSES, CLASSES), int)
    for m, r in zip(*map(np.ndarray.tolist, pair), strict=True):
        if IGNORE not in (m, r):
            expected[m, r] += 1
    assert Confusion.of(*pair, CLASSES, IGNORE).counts.tolist() == expected.tolist()


@settings(deadline=None, max_examples=50)
@given(maps)
def test_scores_are_shares_or_nan(pair):
    counts = Confusion.of(*pair, CLASSES, IGNORE).counts
    for measure in (accuracy.iou, accuracy.users_accuracy, accuracy.producers_accuracy):
        scores = measure(counts)
        defined = scores[~np.isnan(scores)]
        assert ((defined >= 0) & (defined <= 1)).all()


def test_nothing_counted_is_nan_not_zero():
    empty = Confusion.zeros(CLASSES)
    assert np.isnan([empty.accuracy, empty.mean_iou]).all()
    assert np.isnan(empty.iou).all()


def test_a_perfect_map_scores_one():
    perfect = Confusion.of(REFERENCE, REFERENCE, CLASSES, IGNORE)
    assert perfect.accuracy == 1
    assert perfect.mean_iou == 1


def test_an_index_beyond_the_classes_is_refused_and_not_counted_as_another():
    with pytest.raises(ValueError, match="beyond the 4 classes"):
        Confusion.of(np.array([0], np.uint8), np.array([5], np.uint8), CLASSES, IGNORE)


def test_other_shapes_are_refused():
    with pytest.raises(ValueError, match="reference of"):
        Confusion.of(MAPPED, REFERENCE[:1], CLASSES, IGNORE)
    with pytest.raises(ValueError, match="not a square matrix"):
        Confusion(np.zeros((2, 3), np.int64))


@settings(deadline=None, max_examples=50)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 9)).flatmap(
        lambda shape: st.tuples(arrays(np.uint8, shape), arrays(bool, shape))
    ),
    st.lists(st.integers(0, 255), unique=True, max_size=5),
)
def test_class_row_counts_are_those_of_a_loop(labels_and_valid, values):
    labels, valid = labels_and_valid
    values = [*values, int(labels[0, 0])]
    expected = [[(row == value).sum() for value in values] for row in labels]
    assert class_row_counts(labels, values).tolist() == expected
    expected = [
        [(row[v] == i).sum() for i in range(256)] for row, v in zip(labels, valid, strict=True)
    ]
    assert class_row_counts(labels, valid=valid).tolist() == expected


@pytest.mark.parametrize("shape", [(300, 70), (0, 5), (5, 0)])
def test_class_row_counts_have_the_order_of_the_values(shape):
    labels = np.random.default_rng(0).integers(0, 4, shape, dtype=np.uint8)
    expected = np.stack([(labels == value).sum(1) for value in (2, 0, 7)], axis=1)
    assert np.array_equal(class_row_counts(labels, (2, 0, 7)), expected)
