"""Metrics against scikit-learn, a slow independent computation, and numbers worked by hand."""

import json
import math

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from msviz.errors import MsvizError
from msviz.training import metrics


def _noisy(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    score = np.round(rng.random(rows), 2)  # many ties
    return (rng.random(rows) < score).astype(np.uint8), score


def test_auc_and_delong_by_hand():
    # Clicks at .8 and .4, others at .6 and .2: of four pairs the clicks win (.8,.6), (.8,.2), (.4,.2).
    found = metrics.auc(np.array([1, 1, 0, 0]), np.array([0.8, 0.4, 0.6, 0.2]))
    assert found.value == 0.75
    # V10 = (1, .5), V01 = (.5, 1): each sample variance .125, so var = .125/2 + .125/2 = .125.
    assert found.low == pytest.approx(max(0.75 - 1.959964 * math.sqrt(0.125), 0), abs=1e-6)
    assert found.high == 1.0


def test_auc_against_sklearn_and_pairwise_delong():
    label, score = _noisy(400)
    found = metrics.auc(label, score)
    assert found.value == pytest.approx(roc_auc_score(label, score), abs=1e-12)
    wins = score[label == 1][:, None] - score[label == 0][None, :]
    wins = (wins > 0) + 0.5 * (wins == 0)
    deviation = math.sqrt(wins.mean(1).var(ddof=1) / wins.shape[0] + wins.mean(0).var(ddof=1) / wins.shape[1])
    assert found.low == pytest.approx(found.value - 1.959964 * deviation, abs=1e-6)
    assert found.high == pytest.approx(found.value + 1.959964 * deviation, abs=1e-6)


def test_delong_interval_covers_the_truth():
    rng = np.random.default_rng(5)
    truth = 0.5 * (1 + math.erf(1 / 2))  # normal scores, one deviation apart: Phi(1 / sqrt 2)
    inside = 0
    for _ in range(400):
        label = (rng.random(200) < 0.3).astype(int)
        z = rng.normal(label, 1.0)
        found = metrics.auc(label, 1 / (1 + np.exp(-z)))
        inside += found.low <= truth <= found.high
    assert 0.91 <= inside / 400 <= 0.985


def test_logloss_and_bias():
    label, score = _noisy(1000)
    found = metrics.logloss(label, score)
    assert found.value == pytest.approx(log_loss(label, np.clip(score, 1e-7, 1 - 1e-7)), abs=1e-9)
    # Two rows, losses ln 2 and ln 4: mean 1.5 ln 2, deviation ln 2 / sqrt 2, its error ln 2 / 2.
    found = metrics.logloss(np.array([1, 0]), np.array([0.5, 0.75]))
    assert found.value == pytest.approx(1.5 * math.log(2))
    assert found.high == pytest.approx(1.5 * math.log(2) + 1.959964 * math.log(2) / 2, abs=1e-6)
    # Mean prediction .3 against a click rate of .25: 20 % too high.
    found = metrics.bias(np.array([1, 0, 0, 0]), np.array([0.6, 0.2, 0.2, 0.2]))
    assert found.value == pytest.approx(0.2)
    assert found.low < 0.2 < found.high


def test_bias_interval_matches_a_bootstrap():
    label, score = _noisy(2000, seed=3)
    score = np.clip(score * 1.1, 0, 1)
    found = metrics.bias(label, score)
    rng = np.random.default_rng(0)
    draws = rng.integers(0, 2000, (2000, 2000))
    ratios = score[draws].mean(1) / label[draws].mean(1) - 1
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(ratios.std(), rel=0.08)


def test_gauc_against_a_loop_over_users():
    label, score = _noisy(3000, seed=1)
    user = np.random.default_rng(2).integers(0, 300, 3000)  # ids 0 and 1 are nobody
    each, weight = [], []
    for one in range(2, 300):
        mine = user == one
        if 0 < label[mine].sum() < mine.sum():
            each.append(roc_auc_score(label[mine], score[mine]))
            weight.append(mine.sum())
    each, weight = np.array(each), np.array(weight)
    found = metrics.gauc(label, score, user)
    assert found.value == pytest.approx(np.average(each, weights=weight), abs=1e-12)
    rng = np.random.default_rng(4)
    draws = rng.integers(0, len(each), (3000, len(each)))
    means = (each[draws] * weight[draws]).sum(1) / weight[draws].sum(1)
    assert (found.high - found.low) / (2 * 1.96) == pytest.approx(means.std(), rel=0.08)


def test_gauc_by_hand():
    # User 2 orders its pair rightly (2 rows), user 3 wrongly (2 rows), user 4 has no click: nobody.
    label = np.array([1, 0, 1, 0, 0, 0, 0])
    score = np.array([0.9, 0.1, 0.1, 0.9, 0.5, 0.6, 0.7])
    user = np.array([2, 2, 3, 3, 4, 4, 4])
    assert metrics.gauc(label, score, user).value == 0.5
    # A third user with four rows and three quarters of its pairs right weighs twice.
    label = np.r_[label, [1, 1, 0, 0]]
    score = np.r_[score, [0.8, 0.4, 0.6, 0.2]]
    user = np.r_[user, [5, 5, 5, 5]]
    assert metrics.gauc(label, score, user).value == pytest.approx((2 * 1 + 2 * 0 + 4 * 0.75) / 8)


def test_measure_says_what_is_not_defined():
    label = np.array([1, 0, 1, 0, 0, 0, 1])
    score = np.array([0.8, 0.4, 0.6, 0.2, 0.1, 0.1, 0.9])
    scenario = np.array([1, 1, 1, 1, 2, 2, 3])
    names = ["unseen combination", "Home", "Search", "Cart", "Live"]
    found = metrics.measure(label, score, scenario, names)
    text = json.dumps(found, allow_nan=False)
    assert "NaN" not in text
    assert list(found["scenarios"]) == ["Home", "Search", "Cart", "Live"]  # no row is unseen
    assert found["scenarios"]["Home"]["rows"] == 4
    assert found["scenarios"]["Home"]["clicks"] == 2
    search, cart, live = (found["scenarios"][name] for name in ("Search", "Cart", "Live"))
    assert search["auc"] == {
        "value": None, "low": None, "high": None, "why": "not defined: one class only, no clicks",
    }  # fmt: skip
    assert search["bias"]["why"] == "not defined: no clicks"
    assert search["logloss"]["value"] == pytest.approx(-math.log(0.9))
    assert cart["auc"]["why"] == "not defined: one class only, all clicks"
    assert cart["logloss"]["why"] == "interval not defined: one row only"
    assert live["auc"]["why"] == live["logloss"]["why"] == live["bias"]["why"] == "not defined: no rows"
    assert search["gauc"]["why"] == "not defined: the log names no user"
    with_unseen = metrics.measure(label, score, np.where(scenario == 2, 0, scenario), names)
    assert with_unseen["scenarios"]["unseen combination"]["rows"] == 2


def test_degenerate_intervals_are_not_drawn():
    perfect = metrics.auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]))
    assert (perfect.value, perfect.low) == (1.0, None)
    assert "perfectly" in perfect.why
    single = metrics.auc(np.array([0, 0, 1]), np.array([0.1, 0.5, 0.3]))
    assert (single.value, single.low) == (0.5, None)


@pytest.mark.parametrize("bad", [math.nan, 1.5, -0.1])
def test_measure_refuses_what_is_no_probability(bad):
    with pytest.raises(MsvizError, match="wanted: probabilities"):
        metrics.measure(np.array([1, 0]), np.array([bad, 0.5]), np.array([1, 1]), ["unseen", "a"])


def test_users_who_all_agree_give_no_interval() -> None:
    found = metrics.gauc(np.array([0, 1, 0, 1]), np.array([0.1, 0.9, 0.2, 0.3]), np.array([2, 2, 3, 3]))
    assert (found.value, found.low, found.high) == (1.0, None, None)
    assert found.why == "interval not defined: all 2 users have the same AUC"
