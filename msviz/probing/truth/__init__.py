"""The ruler: how well a view agrees with what a planted world really holds; one file a kind of truth."""

from __future__ import annotations

from dataclasses import dataclass

from msviz.probing.truth.pairs import (
    ALL,
    VIEWS,
    changed_pairs,
    pair_ranking,
    pair_score,
    true_pairs,
)

__all__ = [
    "ALL",
    "VIEWS",
    "Score",
    "changed_pairs",
    "pair_ranking",
    "pair_score",
    "share_of_best",
    "true_pairs",
]


@dataclass(frozen=True)
class Score:
    """How well a view finds the truth: a value with its 95 % bounds, and what no knowledge would give.

    `name` says of what (all scenarios, one of them, a promotion); `measure` is the scale, "AUC" or
    "correlation" say; bounds are NaN where they are not defined.
    """

    name: str
    value: float
    low: float
    high: float
    chance: float
    words: str
    measure: str = "AUC"


def share_of_best(auc: float | None, best: float | None) -> float | None:
    """Return (auc - 0.5) / (best - 0.5), a model's share of what can be known; None where not defined."""
    if auc is None or best is None or best <= 0.5:
        return None
    return (auc - 0.5) / (best - 0.5)
