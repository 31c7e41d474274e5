"""Users' click rates: numbers worked by hand, a spread that chance does not widen, and what is refused."""

import numpy as np
import pytest

import msviz
from msviz.analyses.questions import rate_distribution
from msviz.analyses.questions.rate_distribution import (
    NORMAL_DAYS,
    PROMOTION_DAYS,
    RateDistributionOptions,
    clicks_by_user,
    rate_table,
    spread,
)
from msviz.dataset import Dataset
from msviz.errors import MsvizError


def test_clicks_are_of_as_many_impressions_of_each_user() -> None:
    who = np.array([5, 5, 5, 7, 7, 5, 5, 9])
    group = np.array([0, 0, 0, 0, 0, 1, 1, 1])
    label = np.array([1, 1, 1, 0, 0, 0, 1, 1])
    # User 5 always clicks in group 0, 7 never; in group 1 user 5 has one of two; 9 is seen once.
    found = clicks_by_user(who, group, label, 2, 2, seed=0)
    np.testing.assert_array_equal(found, [[2, 0, np.nan], [1, np.nan, np.nan]])
    # Three impressions only one user has.
    np.testing.assert_array_equal(clicks_by_user(who, group, label, 2, 3, seed=0)[0], [3, np.nan, np.nan])


def test_the_table_by_hand() -> None:
    clicks = np.array([[0.0, 1, 2, 1], [2, 2, np.nan, 1]])
    data = rate_table(clicks, ["One", "Two"], 2)
    np.testing.assert_allclose(data["share"], [[0.25, 0.5, 0.25], [0, 1 / 3, 2 / 3]])
    assert data["users"].values.tolist() == [4, 3]
    np.testing.assert_allclose(data["mean"], [0.5, 5 / 6])
    np.testing.assert_allclose(data["chance"][0], [0.25, 0.5, 0.25])
    np.testing.assert_allclose(data["chance"][1], [1 / 36, 10 / 36, 25 / 36])
    # Users 0, 1 and 3 are in both: 1 - 0, 1 - 0.5, 0.5 - 0.5.
    assert data["both"].values.tolist() == [4, 3]
    assert float(data["difference"][1]) == pytest.approx(0.5)
    half = 1.959964 * 0.5 / 3**0.5
    assert float(data["difference_high"][1]) == pytest.approx(0.5 + half, rel=1e-5)
    half = 1.959964 * np.std([0, 0.5, 1, 0.5], ddof=1) / 2
    assert float(data["mean_high"][0]) == pytest.approx(0.5 + half, rel=1e-5)


def test_the_spread_is_of_users_and_not_of_chance() -> None:
    # Half of the users click always, half never: own rates ± 0.5, whatever the number of impressions.
    assert spread(np.tile([0.0, 1.0], 5_000), 10) == pytest.approx(0.5, abs=1e-3)
    draw = np.random.default_rng(0)
    alike = draw.binomial(10, 0.3, 100_000) / 10
    assert spread(alike, 10) < 0.02
    own = draw.beta(6, 14, 100_000)
    assert spread(draw.binomial(10, own) / 10, 10) == pytest.approx(own.std(), abs=0.003)


def test_a_planted_promotion_raises_users_rates(tiny_world: Dataset) -> None:
    finding = msviz.analyse("rate_distribution", None, tiny_world, keep=False, draws=4)
    data = finding.data
    groups = data["group"].values.tolist()
    assert groups[0] == NORMAL_DAYS and PROMOTION_DAYS in groups
    np.testing.assert_allclose(data["share"].sum("rate"), 1)
    share = data["share"]
    assert (data["low"] <= share + 1e-9).all() and (share <= data["high"] + 1e-9).all()
    assert "Of 4 impressions each, users click on normal days" in finding.takeaway
    assert finding.provenance.split == "all" and finding.picture == "rate_distribution"
    by = msviz.analyse("rate_distribution", None, tiny_world, keep=False, draws=4, by="scenario", most=3)
    assert by.data.sizes["group"] == 3 and "between scenarios" in by.question


def test_what_cannot_be_told_is_refused(tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match="periods: got 'Easter'"):
        msviz.analyse("rate_distribution", None, tiny_world, keep=False, periods="Easter")
    with pytest.raises(MsvizError, match="draws: got 100; no two users are seen so often"):
        msviz.analyse("rate_distribution", None, tiny_world, keep=False, draws=100)
    assert rate_distribution.RateDistributionOptions().key() == RateDistributionOptions(draws=10).key()
