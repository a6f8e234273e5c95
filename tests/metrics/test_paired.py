"""The exact paired test and the mean of a stratified sample, compared with SciPy and by hand."""

import numpy as np
import pytest
from scipy.stats import binomtest

from geoseg.metrics import sign_test, stratified_mean


@pytest.mark.parametrize(
    ("first", "second"),
    [(0, 0), (1, 0), (5, 5), (3, 14), (14, 3), (40, 61), (900, 1100)],
)
def test_it_is_the_binomial_test_of_scipy(first, second):
    expected = binomtest(first, first + second).pvalue if first + second else 1
    assert sign_test(first, second) == pytest.approx(expected, rel=1e-9)


def test_negative_counts_are_refused():
    with pytest.raises(ValueError, match="counts are -1 and 3, they must"):
        sign_test(-1, 3)


def test_a_mean_by_hand():
    """Strata of 50 % and 30 % of the area; nothing is known to happen in the other 20 %."""
    values, strata = np.array([1, 1, 0, 0, 1.0, 0, 0, 0]), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    mean, error = stratified_mean(values, strata, np.array([0.5, 0.3]))
    assert mean == pytest.approx(0.5 * 0.5 + 0.3 * 0.25)
    expected = 0.5**2 * (1 / 3) / 4 + 0.3**2 * 0.25 / 4
    assert error == pytest.approx(expected**0.5)


def test_a_single_sample_has_no_variance():
    mean, error = stratified_mean(np.array([1.0]), np.array([1]), np.array([0, 1.0]))
    assert mean == 1
    assert np.isnan(error)
