"""Areas under the ROC curve: what each row adds to one, how sure one is, and whether two differ.

DeLong, DeLong and Clarke-Pearson (1988): V10 of a click is the share of others that stand below it, V01 of
another row the share of clicks that stand above it, ties count half. Both average to the AUC, and their
variances add up to its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.statistics.comparison import Paired, normal_test
from msviz.statistics.intervals import Z

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Placements:
    """What an AUC is made of: the share of others below each click, and of clicks above each other."""

    clicks: Array  # (clicks,) share of the others that stand below
    others: Array  # (others,) share of the clicks that stand above

    @property
    def auc(self) -> float:
        """Return the area under the curve."""
        return float(self.clicks.mean())

    @property
    def variance(self) -> float:
        """Return DeLong's variance of the area, var(V10) / clicks + var(V01) / others; NaN below two rows."""
        sides = (self.clicks, self.others)
        return sum(float(side.var(ddof=1)) / len(side) if len(side) > 1 else np.nan for side in sides)


def placements(label: Array, score: Array) -> Placements | None:
    """Return V10 and V01 of rows (n,) by label and score; None where one class has fewer than two rows."""
    clicked = np.asarray(label) > 0.5
    if min(clicked.sum(), (~clicked).sum()) < 2:
        return None
    each = row_placements(label, score)
    return Placements(each[clicked], each[~clicked])


def row_placements(label: Array, score: Array) -> Array:
    """Return V10 of clicks and V01 of other rows in the order of the rows (n,); NaN without one class."""
    clicked = np.asarray(label) > 0.5
    values, group = np.unique(score, return_inverse=True)
    hits = np.bincount(group[clicked], minlength=len(values))
    misses = np.bincount(group[~clicked], minlength=len(values))
    if not hits.sum() or not misses.sum():
        return np.full(len(group), np.nan)
    below, above = _shares(hits, misses)
    return np.where(clicked, below[group], above[group])


def mean_placements(parts: Sequence[Placements]) -> Placements:
    """Return the placements of the mean AUC of several scorings of the same rows."""
    return Placements(*(np.mean([getattr(p, side) for p in parts], 0) for side in ("clicks", "others")))


def delong_test(first: Placements, second: Placements) -> Paired:
    """Return DeLong's test of two AUCs over the same rows, from each row's change of placement."""
    apart = Placements(second.clicks - first.clicks, second.others - first.others)
    return normal_test(apart.auc, apart.variance**0.5)


def delong_interval(hits: Array, misses: Array) -> tuple[float, float, float]:
    """Return the AUC and its 95 % bounds inside 0..1, from clicks and other rows (G,) of rising scores.

    Rows of one place count as ties. NaN without one class; no bounds where a class has a single row, or where
    scores separate the classes so perfectly, or so wrongly, that nothing varies.
    """
    hits, misses = np.asarray(hits, np.float64), np.asarray(misses, np.float64)
    clicks, others = hits.sum(), misses.sum()
    if not clicks or not others:
        return np.nan, np.nan, np.nan
    below, above = _shares(hits, misses)
    value = float(hits @ below / clicks)
    if min(clicks, others) < 2 or value in (0.0, 1.0):
        return value, np.nan, np.nan
    variance = float(hits @ (below - value) ** 2) / (clicks - 1) / clicks
    variance += float(misses @ (above - value) ** 2) / (others - 1) / others
    half = Z * variance**0.5
    return value, max(value - half, 0.0), min(value + half, 1.0)


def _shares(hits: Array, misses: Array) -> tuple[Array, Array]:
    """Return V10 and V01 (G,) of clicks and other rows that share a score; scores rise."""
    below = (np.cumsum(misses) - misses / 2) / misses.sum()
    above = (hits.sum() - np.cumsum(hits) + hits / 2) / hits.sum()
    return below, above


def ranking_auc(positive: Array, negative: Array) -> Array:
    """Return P(positive > negative) + P(equal) / 2 over the last axes (..., P) and (..., Q): (...).

    NaN where one side is empty; for short lists, since every pair is looked at.
    """
    if not positive.shape[-1] or not negative.shape[-1]:
        return np.full(positive.shape[:-1], np.nan)
    gap = positive[..., :, None] - negative[..., None, :]
    wins = np.where(np.isnan(gap), np.nan, (np.sign(gap) + 1) / 2)
    return np.asarray(wins.mean((-2, -1)))


def newcombe_interval(auc: Array, positive: Array, negative: Array) -> tuple[Array, Array]:
    """Return the 95 % bounds of areas under the curve from their counts, of the same or broadcast shape.

    Newcombe's method 5 (Statistics in Medicine 25, 2006): the θ for which |auc - θ| is Z standard errors of
    Hanley and McNeil at θ; unlike a bootstrap it does not shrink to a point at 0 or 1. It takes pairs as
    independent, which pairs that share a field are only nearly.
    """
    product = np.maximum(positive * negative, 1)
    half = (positive + negative) / 2 - 1

    def error(theta: Array) -> Array:
        inner = 1 + half * (1 - theta) / (2 - theta) + half * theta / (1 + theta)
        return np.asarray(Z * np.sqrt(np.maximum(theta * (1 - theta) * inner / product, 0)))

    def bound(end: float) -> Array:
        # Halving between the estimate (inside the interval) and the end of the scale (outside or on it).
        inside, outside = auc.copy(), np.full_like(auc, end)
        for _ in range(50):
            middle = (inside + outside) / 2
            fits = np.abs(auc - middle) <= error(middle)
            inside, outside = np.where(fits, middle, inside), np.where(fits, outside, middle)
        return np.where(np.isnan(auc), np.nan, inside)

    return bound(0.0), bound(1.0)
