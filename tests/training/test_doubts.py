"""What is said of a run that is of no use; numbers worked by hand."""

from math import log

import numpy as np
import pytest

from msviz.training.doubts import doubts
from msviz.training.metrics import measure


def measures(label: np.ndarray, score: np.ndarray) -> dict:
    return measure(label, score, np.ones(len(label), int), ["unseen", "all"])["overall"]


def rows(clicks: int, others: int) -> np.ndarray:
    return np.repeat([1.0, 0.0], [clicks, others])


def test_a_good_run_raises_none():
    label = rows(1000, 1000)
    assert list(doubts(measures(label, np.where(label > 0, 0.7, 0.3)), 0.5, "test")) == []


def test_predictions_that_are_worse_than_a_constant():
    # A quarter clicked, and always 0.9 is said of clicks and 0.8 of others: -(ln 0.9 + 3 ln 0.2) / 4.
    label = rows(500, 1500)
    found = list(doubts(measures(label, np.where(label > 0, 0.9, 0.8)), 0.25, "test"))
    constant = -0.25 * log(0.25) - 0.75 * log(0.75)
    loss = -(log(0.9) + 3 * log(0.2)) / 4
    assert found == [
        "it predicts test no better than the click rate of training alone: logloss "
        f"{loss:.4f} against {constant:.4f}",
        "it predicts 230% more clicks than test had",
    ]


def test_a_ranking_no_better_than_chance():
    random = np.random.default_rng(2)
    label = rows(500, 1500)
    found = list(doubts(measures(label, 0.25 + 0.01 * random.random(2000)), 0.25, "valid"))
    assert found and found[0].startswith("it ranks the rows of valid no better than chance: AUC 0.")


@pytest.mark.parametrize(("predicted", "said"), [(0.29, False), (0.31, True), (0.19, True), (0.21, False)])
def test_a_fifth_too_many_or_too_few_clicks(predicted, said):
    label = rows(5000, 15000)
    score = np.clip(predicted + np.where(label > 0, 0.1, -0.1 / 3), 0, 1)
    assert any("clicks than test had" in one for one in doubts(measures(label, score), 0.25, "test")) is said


def test_a_handful_of_rows_raises_no_doubt_by_chance():
    label = rows(2, 8)
    score = np.where(label > 0, 0.3, 0.25)  # 26 % too many of two clicks: the interval holds 0
    assert list(doubts(measures(label, score), 0.2, "test")) == []
