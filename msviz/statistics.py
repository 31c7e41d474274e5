"""Tests that several rooms need: two AUCs, or two means, over the same rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

Array = np.ndarray[Any, Any]
Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


@dataclass(frozen=True)
class Placements:
    """What an AUC is made of: the share of others below each click, and of clicks above each other."""

    clicks: Array  # (clicks,) share of the others that stand below
    others: Array  # (others,) share of the clicks that stand above

    @property
    def auc(self) -> float:
        """Return the area under the curve."""
        return float(self.clicks.mean())


def placements(label: Array, score: Array) -> Placements | None:
    """Return V10 and V01 of DeLong, DeLong and Clarke-Pearson (1988) by midranks (Sun and Xu 2014).

    None where one class has fewer than two rows.
    """
    hit = np.asarray(label) > 0.5
    positive, negative = np.asarray(score, np.float64)[hit], np.asarray(score, np.float64)[~hit]
    if min(len(positive), len(negative)) < 2:
        return None
    ranks = rankdata(np.concatenate([positive, negative]))
    beaten = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    beats = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return Placements(beaten, beats)


def mean_placements(parts: Sequence[Placements]) -> Placements:
    """Return the placements of the mean AUC of several scorings of the same rows."""
    return Placements(*(np.mean([getattr(p, side) for p in parts], 0) for side in ("clicks", "others")))


@dataclass(frozen=True)
class Paired:
    """A difference second - first on the same rows, its 95 % interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float


NOTHING = Paired(np.nan, np.nan, np.nan, np.nan)


def delong(first: Placements, second: Placements) -> Paired:
    """Return DeLong's test of two correlated AUCs: var = var(ΔV10) / clicks + var(ΔV01) / others."""
    clicks, others = second.clicks - first.clicks, second.others - first.others
    error = float(np.sqrt(clicks.var(ddof=1) / len(clicks) + others.var(ddof=1) / len(others)))
    return _normal(second.auc - first.auc, error)


def paired_mean(first: Array, second: Array) -> Paired:
    """Return the paired test of two means (n,) over the same rows, normal since rows are many."""
    if len(first) < 2:
        return NOTHING
    apart = second - first
    return _normal(float(apart.mean()), float(apart.std(ddof=1) / len(apart) ** 0.5))


def _normal(difference: float, error: float) -> Paired:
    if error == 0:
        return Paired(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    p = 2 * float(ndtr(-abs(difference) / error))
    return Paired(difference, difference - Z * error, difference + Z * error, p)
