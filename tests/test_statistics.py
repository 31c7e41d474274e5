"""Every statistic against numbers worked by hand, its own definition, or SciPy's; and each stands once."""

import ast
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.stats.contingency import relative_risk

from msviz.statistics.auc import (
    Placements,
    delong_interval,
    delong_test,
    mean_placements,
    newcombe_interval,
    placements,
    ranking_auc,
    row_placements,
)
from msviz.statistics.comparison import (
    adjust_p_values,
    normal_p,
    normal_test,
    paired_test,
    student_half_width,
    student_p,
    welch_test,
)
from msviz.statistics.correlation import FIELLER, bonett_wright, correlation_interval, rank_correlation
from msviz.statistics.intervals import (
    Z,
    half_width,
    jackknife_std,
    log_rate_variance,
    mean_interval,
    smoothed_rate,
    standard_error,
    wilson_interval,
)

ROOT = Path(__file__).parents[1]


def test_z_is_the_quantile_and_half_a_width_is_its_standard_errors() -> None:
    assert stats.norm.ppf(0.975) == pytest.approx(Z, abs=1e-15)
    # Three deviations over nine draws are one standard error.
    np.testing.assert_allclose(half_width([3, 0, np.nan], [9, 4, 9]), [Z, 0, np.nan])
    assert standard_error(2 - Z / 2, 2 + Z / 2) == pytest.approx(0.5)


def test_the_interval_of_a_mean_worked_by_hand() -> None:
    # {1, 3}: mean 2, s² = 2, so that the standard error is 1.
    assert mean_interval(np.array([1.0, 3.0])) == pytest.approx((2, 2 - Z, 2 + Z))
    value, *bounds = mean_interval(np.array([4.0]))
    assert value == 4 and np.isnan(bounds).all()


def test_wilson_worked_by_hand_and_against_scipy() -> None:
    # 1 of 10: textbook interval 1.79 % to 40.42 %; 0 of 0 is not defined.
    low, high = wilson_interval(np.array([1, 0]), np.array([10, 0]))
    assert low[0] == pytest.approx(0.01787, abs=1e-5)
    assert high[0] == pytest.approx(0.40415, abs=1e-5)
    assert np.isnan([low[1], high[1]]).all()
    # The square of 90,000 rows is more than whole numbers of 32 bits hold.
    for clicks, rows in ((0, 7), (7, 7), (3, 8), (250, 90_000)):
        wanted = stats.binomtest(clicks, rows).proportion_ci(method="wilson")
        found = wilson_interval(np.array(clicks, np.int32), np.array(rows, np.int32))
        assert found == pytest.approx((wanted.low, wanted.high), abs=1e-12)


def test_one_click_and_one_miss_more() -> None:
    # No click in two rows: 1 of 4, and 3/16 over the four.
    rate, variance = smoothed_rate(np.array([0, 4]), np.array([2, 8]))
    assert rate.tolist() == [0.25, 0.5]
    np.testing.assert_allclose(variance, [3 / 64, 1 / 40])


def test_the_log_of_a_ratio_of_rates_is_katzs() -> None:
    error = np.sqrt(log_rate_variance(12, 90) + log_rate_variance(30, 400))
    log = np.log(12 / 90 * 400 / 30)
    wanted = relative_risk(12, 90, 30, 400).confidence_interval(0.95)
    assert np.exp([log - Z * error, log + Z * error]) == pytest.approx((wanted.low, wanted.high))
    # More events than rows vary as Poisson's; without events the log is unbounded, without rows nothing.
    found = log_rate_variance([20, 0, 0, 10], [5, 5, 0, 10])
    np.testing.assert_array_equal(found, [1 / 20, np.inf, np.nan, 0])


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    # 1, 2, 6 without one each: 4, 3.5, 1.5; squares around 3 add up to 3.5, times 2/3: s² / n = 7 / 3.
    without = np.array([4.0, 3.5, 1.5])
    assert jackknife_std(without) == pytest.approx((7 / 3) ** 0.5)
    # A part that does not count is no part; cells have parts of their own.
    table = np.stack([[*without, 99.0], [1.0, 3.0, np.nan, 5.0]], 1)
    used = np.stack([[True, True, True, False], [True, True, False, False]], 1)
    np.testing.assert_allclose(jackknife_std(table, used), [(7 / 3) ** 0.5, 1.0])
    assert np.isnan(jackknife_std(table)[1]) and np.isnan(jackknife_std(table, used & False)).all()


def test_fishers_interval_of_a_correlation() -> None:
    draw = np.random.default_rng(0)
    one = draw.normal(size=25)
    two = one + draw.normal(size=25)
    found = stats.pearsonr(one, two)
    wanted = found.confidence_interval(0.95)
    assert correlation_interval(found.statistic, 25) == pytest.approx((wanted.low, wanted.high))
    # Of ranks around 0 with 28 pairs: 1.03 / sqrt(25) on the scale of z; around 0.6 that scale is ln 2.
    assert correlation_interval(0, 28, FIELLER)[1] == pytest.approx(math.tanh(Z * 1.03 / 5))
    low, _ = correlation_interval(0.6, 28, bonett_wright(0.6))
    assert low == pytest.approx(math.tanh(math.log(2) - Z * math.sqrt(1.18 / 25)))
    assert np.isnan(correlation_interval(0.5, 3)).all()
    assert 0.9 < correlation_interval(1.0, 10)[0] < correlation_interval(1.0, 10)[1] < 1


def test_correlations_of_ranks_with_ties_are_scipys() -> None:
    draw = np.random.default_rng(1)
    one, two = draw.integers(0, 6, (2, 40))
    assert rank_correlation(one, two) == pytest.approx(stats.spearmanr(one, two).statistic)


def test_welch_is_scipys_in_every_cell() -> None:
    draw = np.random.default_rng(0)
    mean = draw.normal(0, 1, (2, 40))
    std = draw.gamma(2, 1, (2, 40))
    found = welch_test((mean[0], mean[1]), (std[0], std[1]), (9, 250))
    expected = stats.ttest_ind_from_stats(mean[1], std[1], 250, mean[0], std[0], 9, equal_var=False)
    np.testing.assert_allclose(found.p, expected.pvalue, rtol=1e-10)
    np.testing.assert_allclose(found.difference, mean[1] - mean[0])
    # The interval and the test agree: zero lies outside exactly where p is below 5 %.
    outside = (found.low > 0) | (found.high < 0)
    assert (outside == (found.p < 0.05)).all()
    assert 0 < outside.sum() < 40


def test_welch_worked_by_hand() -> None:
    # {1, 3} and {4, 6}: means 2 and 5, s²/n = 1 and 1, so t = 3 / sqrt(2) with (1 + 1)² / (1 + 1) = 2
    # degrees of freedom, where Student's distribution has a closed form: p = 1 - t / sqrt(2 + t²).
    std = np.array([2.0]) ** 0.5
    found = welch_test((np.array([2.0]), np.array([5.0])), (std, std), (2, 2))
    assert found.difference[0] == 3
    assert found.p[0] == pytest.approx(1 - 2.1213203 / 6.5**0.5)
    # The 97.5 % quantile at 2 degrees of freedom solves 0.95 = t / sqrt(2 + t²).
    quantile = 0.95 * (2 / (1 - 0.95**2)) ** 0.5
    assert found.high[0] - 3 == pytest.approx(quantile * 2**0.5)
    assert 3 - found.low[0] == pytest.approx(quantile * 2**0.5)


def test_a_group_of_one_row_has_no_test_and_cells_that_never_vary_no_difference() -> None:
    nan = np.array([np.nan])
    alone = welch_test((np.array([0.1]), np.array([0.9])), (nan, np.array([0.1])), (1, 50))
    assert np.isnan([alone.p[0], alone.low[0], alone.high[0]]).all()
    means = (np.array([0.5, 0.5]), np.array([0.5 + 1e-8, 0.6]))
    assert welch_test(means, (np.zeros(2), np.zeros(2)), (40, 50)).p.tolist() == [1.0, 0.0]


def test_p_values_of_z_and_t_worked_by_hand() -> None:
    np.testing.assert_allclose(normal_p([-Z, 3 * Z, 0], [1, 3, 2]), [0.05, 0.05, 1])
    # Where nothing varies, no difference is none and any is one; what is not known stays so.
    np.testing.assert_array_equal(normal_p([0, 0.1, 0, np.nan], [0, 0, np.nan, 1]), [1, 0, np.nan, np.nan])
    # With one degree of freedom (Cauchy) a t of 1 cuts off half; two have the closed form above.
    np.testing.assert_allclose(student_p([1, -1, 2], [1, 1, 2]), [0.5, 0.5, 1 - 2 / 6**0.5])
    assert student_half_width(2, 7) == pytest.approx(2 * stats.t.ppf(0.975, 7))


def test_a_paired_test_is_of_the_differences() -> None:
    # Differences 1, 1, 3, 3: mean 2, s² = 4/3, standard error sqrt(1/3).
    first = np.array([5.0, 7, 1, 0])
    found = paired_test(first, first + np.array([1, 1, 3, 3]))
    error = (1 / 3) ** 0.5
    assert (found.difference, found.low, found.high) == pytest.approx((2, 2 - Z * error, 2 + Z * error))
    assert found.p == pytest.approx(2 * stats.norm.sf(2 / error))
    assert np.isnan(paired_test(first[:1], first[:1]).difference)
    still = normal_test(0.5, 0.0)
    assert (still.low, still.high, still.p) == (0.5, 0.5, 0.0)


def test_false_discoveries_worked_by_hand_and_only_over_defined_cells() -> None:
    # p × m / rank with m = 4: .004, .08, .0413 and .5; the second is taken down by the third.
    found = adjust_p_values(np.array([[0.5, 0.001], [0.04, 0.031], [np.nan, np.nan]]))
    np.testing.assert_allclose(found[:2], [[0.5, 0.004], [0.04 * 4 / 3, 0.04 * 4 / 3]])
    assert np.isnan(found[2]).all()
    p = np.random.default_rng(0).random(200) ** 3
    np.testing.assert_allclose(adjust_p_values(p), stats.false_discovery_control(p))
    assert (adjust_p_values(p) != p * 200 / stats.rankdata(p)).any()
    assert np.isnan(adjust_p_values(np.full(3, np.nan))).all()


def test_delongs_variance_of_a_difference_by_its_own_definition() -> None:
    draw = np.random.default_rng(4)
    label = draw.integers(0, 2, 60)
    scores = [np.round(draw.normal(size=60) + label * shift, 1) for shift in (0.4, 0.9)]
    found = delong_test(*(part for s in scores if (part := placements(label, s))))
    components = []
    for s in scores:
        wins = np.array([[float(a > b) + 0.5 * float(a == b) for b in s[label == 0]] for a in s[label == 1]])
        components.append((wins.mean(1), wins.mean(0)))
    covariance = sum(
        np.cov([components[0][side], components[1][side]]) / len(components[0][side]) for side in (0, 1)
    )
    variance = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    means = [c[0].mean() for c in components]
    assert found.difference == pytest.approx(means[1] - means[0])
    assert (found.high - found.low) / 2 / Z == pytest.approx(variance**0.5)
    # One AUC alone: rows that share a score, counted together, say the same as row by row.
    one = placements(label, scores[0])
    assert one is not None
    assert one.auc == pytest.approx(means[0]) and one.variance == pytest.approx(covariance[0, 0])
    values = np.unique(scores[0])
    counts = [[int((scores[0][label == side] == value).sum()) for value in values] for side in (1, 0)]
    assert max(map(max, counts)) > 1  # ties there are
    half = Z * covariance[0, 0] ** 0.5
    assert delong_interval(*map(np.array, counts)) == pytest.approx(
        (means[0], means[0] - half, means[0] + half)
    )


def test_delong_by_hand_and_at_the_ends() -> None:
    # Clicks score 3, 2; others 1, 2.5: wins 1, 1 | 1, 0. The second run orders them perfectly.
    label = np.array([1, 1, 0, 0])
    first, second = placements(label, np.array([3, 2, 1, 2.5])), placements(label, np.array([4, 3, 1, 2]))
    assert first is not None and second is not None
    assert first.clicks.tolist() == [1, 0.5] and first.others.tolist() == [1, 0.5]
    found = delong_test(first, second)
    # Δ = ±(0, 0.5) on both sides: variance 0.125 / 2 + 0.125 / 2.
    assert found.difference == 0.25
    assert found.high - found.low == pytest.approx(2 * Z * 0.125**0.5)
    assert delong_test(first, first).p == 1
    assert placements(np.array([1, 0, 0]), np.arange(3)) is None
    assert np.isnan(Placements(np.array([0.5]), np.array([0.5, 0.5])).variance)


def test_what_each_row_adds_stands_in_the_order_of_the_rows() -> None:
    # The click at 0.5 ties with one other (½) and beats one of three; the click at 0.9 beats all.
    label, score = np.array([0, 1, 0, 1, 0]), np.array([0.5, 0.5, 0.1, 0.9, 0.7])
    np.testing.assert_allclose(row_placements(label, score), [0.75, 0.5, 1, 1, 0.5])
    assert np.isnan(row_placements(np.ones(3), np.arange(3))).all()


def test_an_area_from_counts_has_no_bounds_where_nothing_can_be_said() -> None:
    assert np.isnan(delong_interval(np.array([0, 0]), np.array([3, 1]))).all()
    for hits, misses, value in (([0, 2], [3, 0], 1.0), ([2, 0], [0, 2], 0.0), ([0, 1], [1, 1], 0.75)):
        found = delong_interval(np.array(hits), np.array(misses))
        assert found[0] == value and np.isnan(found[1:]).all()
    # By hand: clicks in places (1, 1), others (1, 1): V10 = ¼, ¾; V01 = ¾, ¼; both variances are 1/8.
    assert delong_interval(np.array([1, 1]), np.array([1, 1])) == pytest.approx(
        (0.5, max(0.5 - Z * 0.125**0.5, 0), min(0.5 + Z * 0.125**0.5, 1))
    )


def test_seeds_mean_auc_has_the_mean_placements() -> None:
    draw = np.random.default_rng(1)
    label = draw.integers(0, 2, 50)
    parts = [part for _ in range(3) if (part := placements(label, draw.normal(size=50)))]
    mean = mean_placements(parts)
    assert mean.auc == pytest.approx(np.mean([part.auc for part in parts]))
    assert mean.variance < max(part.variance for part in parts)


def test_newcombes_interval_solves_its_equation_and_never_collapses() -> None:
    auc = np.array([0.5, 0.8, 1.0, np.nan])
    low, high = newcombe_interval(auc, np.array([5, 5, 5, 0]), np.array([100, 100, 100, 100]))
    # By hand at θ = low: Hanley-McNeil's error with (m + n) / 2 - 1 for both counts.
    theta = low[1]
    half = 51.5
    variance = theta * (1 - theta) / 500
    variance *= 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
    assert (0.8 - theta) / np.sqrt(variance) == pytest.approx(Z, abs=1e-6)
    assert low[0] == pytest.approx(1 - high[0])
    assert 0.4 < low[2] < 0.9 and high[2] == 1
    assert np.isnan(low[3]) and np.isnan(high[3])


def test_ranking_auc_counts_ties_half_and_is_nan_with_nothing_to_rank() -> None:
    assert ranking_auc(np.array([2.0, 1.0]), np.array([1.0, 0.0])) == pytest.approx(3.5 / 4)
    assert np.isnan(ranking_auc(np.array([]), np.array([1.0])))


def numbers(path: Path) -> list[float]:
    """Return every number that a file writes down."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return [
        node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and type(node.value) is float
    ]


def test_the_quantile_of_95_percent_is_written_down_once() -> None:
    files = [path for room in ("msviz", "app", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    found = [path for path in files if any(abs(abs(value) - Z) < 1e-3 for value in numbers(path))]
    assert found == [ROOT / "msviz" / "statistics" / "intervals.py"]
