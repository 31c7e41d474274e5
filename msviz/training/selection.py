"""Which of the validated steps of a training is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from msviz.statistics.auc import delong_test, placements

Array = np.ndarray[Any, Any]
Keep = Literal["logloss", "auc"]
LEVEL = 0.05  # of the test that tells two AUCs apart


@dataclass(frozen=True)
class Checked:
    """One validation: its number, what it measured (None where not defined), its scores (rows,)."""

    number: int
    auc: float | None
    logloss: float | None
    score: Array


def candidates(known: Sequence[Checked], new: Checked, label: Array, keep: Keep = "logloss") -> list[Checked]:
    """Return those of `known` and `new` that may still turn out to be the step to keep, the best one first.

    With `logloss` that is the step of the least logloss among those whose AUC is not told apart from the best
    (DeLong's test on the same rows, 5 %). Few rows of a validation decide little between AUCs, and AUC is
    blind to calibration: early steps often rank as well as later ones while their predictions are far off.
    With `auc` the best AUC alone counts. Where no AUC is defined, logloss decides; where nothing is, the last
    step is kept.
    """
    found = [*known, new]
    if all(one.auc is None and one.logloss is None for one in found):
        return [new]
    best = max(found, key=lambda one: (_auc(one), -one.number))
    if keep == "auc" and best.auc is not None:
        return [best]
    found = [one for one in found if not any(_beaten(one, other) for other in found)]
    if best.auc is not None:
        found = [one for one in found if one is best or not _worse(one, best, label)]
    return sorted(found, key=lambda one: (_logloss(one), one.number))


def improves(new: Checked, known: Sequence[tuple[float | None, float | None]]) -> bool:
    """Tell whether a validation has a better AUC or a better logloss than all before: (AUC, logloss) each."""
    aucs = [auc for auc, _ in known if auc is not None]
    losses = [loss for _, loss in known if loss is not None]
    better_auc = new.auc is not None and all(new.auc > auc for auc in aucs)
    return better_auc or (new.logloss is not None and all(new.logloss < loss for loss in losses))


def _auc(one: Checked) -> float:
    return -np.inf if one.auc is None else one.auc


def _logloss(one: Checked) -> float:
    return np.inf if one.logloss is None else one.logloss


def _beaten(one: Checked, other: Checked) -> bool:
    """Tell whether another step is as good in both, and better in one or earlier."""
    mine, theirs = (_auc(one), -_logloss(one)), (_auc(other), -_logloss(other))
    as_good = theirs[0] >= mine[0] and theirs[1] >= mine[1]
    return as_good and (theirs != mine or other.number < one.number)


def _worse(one: Checked, best: Checked, label: Array) -> bool:
    """Tell whether DeLong's test tells a step's AUC apart from the best one."""
    mine, theirs = placements(label, one.score), placements(label, best.score)
    return mine is not None and theirs is not None and delong_test(mine, theirs).p < LEVEL
