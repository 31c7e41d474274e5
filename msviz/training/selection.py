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
    remaining = [*known, new]
    if all(step.auc is None and step.logloss is None for step in remaining):
        return [new]
    best = max(remaining, key=lambda step: (_auc(step), -step.number))
    if keep == "auc" and best.auc is not None:
        return [best]
    remaining = [step for step in remaining if not any(_beaten(step, other) for other in remaining)]
    if best.auc is not None:
        remaining = [step for step in remaining if step is best or not _worse(step, best, label)]
    return sorted(remaining, key=lambda step: (_logloss(step), step.number))


def improves(new: Checked, known: Sequence[tuple[float | None, float | None]]) -> bool:
    """Tell whether a validation has a better AUC or a better logloss than all before: (AUC, logloss) each."""
    aucs = [auc for auc, _ in known if auc is not None]
    losses = [loss for _, loss in known if loss is not None]
    better_auc = new.auc is not None and all(new.auc > auc for auc in aucs)
    return better_auc or (new.logloss is not None and all(new.logloss < loss for loss in losses))


def _auc(step: Checked) -> float:
    return -np.inf if step.auc is None else step.auc


def _logloss(step: Checked) -> float:
    return np.inf if step.logloss is None else step.logloss


def _beaten(step: Checked, other: Checked) -> bool:
    """Tell whether another step is as good in both, and better in one or earlier."""
    own, theirs = (_auc(step), -_logloss(step)), (_auc(other), -_logloss(other))
    as_good = theirs[0] >= own[0] and theirs[1] >= own[1]
    return as_good and (theirs != own or other.number < step.number)


def _worse(step: Checked, best: Checked, label: Array) -> bool:
    """Tell whether DeLong's test tells a step's AUC apart from the best one."""
    own, theirs = placements(label, step.score), placements(label, best.score)
    return own is not None and theirs is not None and delong_test(own, theirs).p < LEVEL
