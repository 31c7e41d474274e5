"""Which validated step is kept: worked by hand, and on scores whose AUCs are told apart or not."""

import numpy as np
import pytest

from msviz.training.selection import Checked, candidates, improves

LABEL = np.repeat([1.0, 0.0], 200)


def scores(moved: int) -> np.ndarray:
    """Return scores in which `moved` clicks stand below all others, and all else is in its place."""
    found = LABEL + np.linspace(0, 0.5, len(LABEL))
    found[:moved] = -1.0
    return found


def step(number: int, logloss: float | None, moved: int = 0, auc: float | None = None) -> Checked:
    return Checked(number, 1 - moved / 200 if auc is None else auc, logloss, scores(moved))


def kept(steps: list[Checked], keep: str = "logloss") -> list[int]:
    found: list[Checked] = []
    for one in steps:
        found = candidates(found, one, LABEL, keep)
    return [one.number for one in found]


def test_logloss_decides_among_aucs_that_are_not_told_apart():
    # One click of 200 in another place is no difference (z = 1); fifty are.
    assert kept([step(1, 0.6), step(2, 0.27, moved=1)]) == [2, 1]
    assert kept([step(1, 0.6), step(2, 0.27, moved=50)]) == [1]


def test_auc_alone_where_it_is_asked_for():
    assert kept([step(1, 0.6), step(2, 0.27, moved=1)], keep="auc") == [1]
    assert kept([step(1, 0.6, moved=1), step(2, 0.9)], keep="auc") == [2]


def test_a_better_step_later_sends_away_what_was_near_the_best_before():
    assert kept([step(1, 0.2, moved=60), step(2, 0.3, moved=59), step(3, 0.5)]) == [3]


def test_a_step_that_is_no_better_in_anything_is_forgotten():
    assert kept([step(1, 0.5), step(2, 0.5), step(3, 0.6, moved=1)]) == [1]


def test_without_an_auc_logloss_decides_and_without_both_the_last_step():
    nothing = [Checked(number, None, loss, LABEL) for number, loss in ((1, 0.5), (2, 0.4), (3, 0.45))]
    assert kept(nothing) == [2]
    assert kept(nothing, keep="auc") == [2]
    assert kept([Checked(number, None, None, LABEL) for number in (1, 2, 3)]) == [3]


@pytest.mark.parametrize(
    ("auc", "logloss", "better"),
    [(0.71, 0.9, True), (0.6, 0.49, True), (0.7, 0.5, False), (0.6, 0.6, False), (None, None, False)],
)
def test_better_in_either_counts(auc, logloss, better):
    before = [(0.7, 0.6), (0.65, 0.5), (None, None)]
    assert improves(Checked(4, auc, logloss, LABEL), before) is better
