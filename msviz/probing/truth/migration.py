"""How well a scenario × scenario matrix follows how much past clicks of one count in another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msviz.probing.truth import Score
from msviz.statistics.correlation import bonett_wright, correlation_interval, rank_correlation

Array = np.ndarray[Any, Any]
OVERALL = "All pairs"
BETWEEN = "Between different scenarios"


def planted(truth: Mapping[str, Any], targets: Sequence[str], sources: Sequence[str]) -> Array:
    """Return the planted weights (targets, sources), NaN where a scenario is not of the planted world."""
    behaviours = truth["behaviours"]
    families = list(behaviours["scenarios"])
    family_of = {name: families.index(family) for name, family in behaviours["family"].items()}
    weights = np.asarray(behaviours["migration"], float)
    out = np.full((len(targets), len(sources)), np.nan)
    for i, target in enumerate(targets):
        for j, source in enumerate(sources):
            if target in family_of and source in family_of:
                out[i, j] = weights[family_of[target], family_of[source]]
    return out


def migration_scores(
    measured: Array, truth: Mapping[str, Any], targets: Sequence[str], sources: Sequence[str], what: str
) -> list[Score]:
    """Return Spearman's correlation of a matrix (targets, sources) with the planted one.

    Over all cells that are measured and planted; over those between different scenarios, since that a
    scenario's own clicks count most is easily guessed; and per target. Cells that share a scenario are not
    independent, so the intervals are rather too narrow.
    """
    weights = planted(truth, targets, sources)
    defined = np.isfinite(weights) & np.isfinite(measured)
    apart = np.array([[target != source for source in sources] for target in targets])
    scores = [
        _score(OVERALL, measured[defined], weights[defined], what),
        _score(BETWEEN, measured[defined & apart], weights[defined & apart], what),
    ]
    for row, target in enumerate(targets):
        here = defined[row]
        scores.append(_score(target, measured[row][here], weights[row][here], what))
    return [score for score in scores if score is not None]


def _score(name: str, measured: Array, weights: Array, what: str) -> Score | None:
    """Return one correlation; None for fewer than four cells, or where either does not vary."""
    if len(measured) < 4 or np.ptp(measured) == 0 or np.ptp(weights) == 0:
        return None
    value = rank_correlation(measured, weights)
    low, high = correlation_interval(value, len(measured), bonett_wright(value))
    where = {OVERALL: "", BETWEEN: " between different scenarios"}.get(name, f" in {name}")
    follows = "follows" if low > 0 else "does not clearly follow"
    words = (
        f"{what}{where} {follows} how much past clicks really count: rank correlation {value:+.2f} over "
        f"{len(measured)} pairs of scenarios (95 %: {low:+.2f} to {high:+.2f}; 0 by chance)."
    )
    return Score(name, value, low, high, 0.0, words, "correlation")
