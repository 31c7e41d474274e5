"""Welch's test from means and deviations, Benjamini and Hochberg's correction, Wilson's interval."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special
from scipy.stats import false_discovery_control

from msviz.analyses.shared.words import Z

Array = np.ndarray[Any, Any]
# Shares are kept in float32: what differs by less is the same number, rounded.
ROUNDING = 1e-6


@dataclass(frozen=True)
class Comparison:
    """Differences second - first, their 95 % intervals and p-values, NaN where not defined."""

    difference: Array
    low: Array
    high: Array
    p: Array


def welch(mean: tuple[Array, Array], deviation: tuple[Array, Array], rows: tuple[int, int]) -> Comparison:
    """Compare two groups cell by cell without assuming equal variances (Welch 1947).

    t = (m2 - m1) / sqrt(s1²/n1 + s2²/n2), degrees of freedom after Satterthwaite. A group of one row
    has no deviation, so its cells have no interval and no p. Cells that do not vary and do not differ
    by more than rounding have p = 1.
    """
    first, second = (np.asarray(value, np.float64) for value in mean)
    parts = [np.asarray(s, np.float64) ** 2 / max(n, 1) for s, n in zip(deviation, rows, strict=True)]
    difference = second - first
    square = parts[0] + parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = square**2 / (parts[0] ** 2 / (rows[0] - 1) + parts[1] ** 2 / (rows[1] - 1))
        # Without any variation the freedom is 0 / 0; any value gives the p of a t that is infinite.
        freedom = np.where(square == 0, 1.0, freedom)
        t = np.abs(difference) / np.sqrt(square)
        p = 2 * special.stdtr(freedom, -t)
        half = special.stdtrit(freedom, 0.975) * np.sqrt(square)
    defined = np.isfinite(square)
    same = defined & (np.abs(difference) <= ROUNDING) & (np.sqrt(square) <= ROUNDING)
    p = np.where(defined, np.where(same, 1.0, p), np.nan)
    return Comparison(difference, difference - half, difference + half, p)


def discoveries(p: Array) -> Array:
    """Return q-values (Benjamini and Hochberg 1995) over all cells whose p is defined."""
    flat = p.reshape(-1)
    q = np.full(flat.shape, np.nan)
    defined = np.isfinite(flat)
    if defined.any():
        q[defined] = false_discovery_control(flat[defined])
    return q.reshape(p.shape)


def wilson(clicks: Array, rows: Array) -> tuple[Array, Array]:
    """Return Wilson's 95 % interval of clicks / rows, NaN where there are no rows (Wilson 1927)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = clicks / rows
        centre = (rate + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
        half = Z / (1 + Z**2 / rows) * np.sqrt(rate * (1 - rate) / rows + Z**2 / (4 * rows**2))
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)
