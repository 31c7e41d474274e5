"""Welch, Benjamini–Hochberg and Wilson against SciPy and numbers worked by hand."""

import numpy as np
import pytest
from scipy.stats import ttest_ind_from_stats

from msviz.analyses.shared.statistics import discoveries, welch, wilson


def test_welch_is_scipys_in_every_cell() -> None:
    draw = np.random.default_rng(0)
    mean = draw.normal(0, 1, (2, 40))
    deviation = draw.gamma(2, 1, (2, 40))
    found = welch((mean[0], mean[1]), (deviation[0], deviation[1]), (9, 250))
    expected = ttest_ind_from_stats(mean[1], deviation[1], 250, mean[0], deviation[0], 9, equal_var=False)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-10)
    np.testing.assert_allclose(found.difference, mean[1] - mean[0])
    # The interval and the test agree: zero lies outside exactly where p is below 5 %.
    outside = (found.low > 0) | (found.high < 0)
    assert (outside == (found.p < 0.05)).all()
    assert 0 < outside.sum() < 40


def test_welch_worked_by_hand() -> None:
    # {1, 3} and {4, 6}: means 2 and 5, s²/n = 1 and 1, so t = 3 / sqrt(2) with (1 + 1)² / (1 + 1) = 2
    # degrees of freedom, where Student's distribution has a closed form: p = 1 - t / sqrt(2 + t²).
    deviation = np.array([2.0]) ** 0.5
    found = welch((np.array([2.0]), np.array([5.0])), (deviation, deviation), (2, 2))
    assert found.difference[0] == 3
    assert found.p[0] == pytest.approx(1 - 2.1213203 / 6.5**0.5)
    # The 97.5 % quantile at 2 degrees of freedom solves 0.95 = t / sqrt(2 + t²).
    quantile = 0.95 * (2 / (1 - 0.95**2)) ** 0.5
    assert found.high[0] - 3 == pytest.approx(quantile * 2**0.5)
    assert 3 - found.low[0] == pytest.approx(quantile * 2**0.5)


def test_a_group_of_one_row_has_no_test_and_cells_that_never_vary_no_difference() -> None:
    nan = np.array([np.nan])
    alone = welch((np.array([0.1]), np.array([0.9])), (nan, np.array([0.1])), (1, 50))
    assert np.isnan([alone.p[0], alone.low[0], alone.high[0]]).all()
    still = welch((np.array([0.5, 0.5]), np.array([0.5 + 1e-8, 0.6])), (np.zeros(2), np.zeros(2)), (40, 50))
    assert still.p.tolist() == [1.0, 0.0]


def test_discoveries_worked_by_hand_and_only_over_defined_cells() -> None:
    # Sorted p × m / rank with m = 4: .004, .04, .04 (= .03 × 4/3), .5; NaN stays out of the count.
    found = discoveries(np.array([[0.5, 0.001], [0.02, 0.03], [np.nan, np.nan]]))
    np.testing.assert_allclose(found[:2], [[0.5, 0.004], [0.04, 0.04]])
    assert np.isnan(found[2]).all()


def test_wilson_worked_by_hand() -> None:
    # 1 of 10: textbook interval 1.79 % to 40.42 %; 0 of 0 is not defined.
    low, high = wilson(np.array([1, 0]), np.array([10, 0]))
    assert low[0] == pytest.approx(0.01787, abs=1e-5)
    assert high[0] == pytest.approx(0.40415, abs=1e-5)
    assert np.isnan([low[1], high[1]]).all()
