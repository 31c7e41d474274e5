"""Do two numbers differ? Welch's test, paired and normal tests, and the correction for many of them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from msviz.lazy import LazyModule
from msviz.statistics.intervals import Z

special = LazyModule("scipy.special")

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


@dataclass(frozen=True)
class Paired:
    """A difference second - first on the same rows, its 95 % interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float


NOTHING = Paired(np.nan, np.nan, np.nan, np.nan)


def welch_test(mean: tuple[Array, Array], std: tuple[Array, Array], count: tuple[float, float]) -> Comparison:
    """Compare two groups cell by cell (...) without assuming equal variances (Welch 1947).

    t = (m2 - m1) / sqrt(s1²/n1 + s2²/n2), degrees of freedom after Satterthwaite; counts need not be whole. A
    group of one row has no deviation, so its cells have no interval and no p. Cells that do not vary and do
    not differ by more than rounding have p = 1.
    """
    first, second = (np.asarray(value, np.float64) for value in mean)
    parts = [np.asarray(s, np.float64) ** 2 / max(n, 1) for s, n in zip(std, count, strict=True)]
    difference = second - first
    square = parts[0] + parts[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        freedom = square**2 / (parts[0] ** 2 / (count[0] - 1) + parts[1] ** 2 / (count[1] - 1))
        # Without any variation the freedom is 0 / 0; any value gives the p of a t that is infinite.
        freedom = np.where(square == 0, 1.0, freedom)
        error = np.sqrt(square)
        p = student_p(difference / error, freedom)
        half = student_half_width(error, freedom)
    defined = np.isfinite(square)
    same = defined & (np.abs(difference) <= ROUNDING) & (error <= ROUNDING)
    p = np.where(defined, np.where(same, 1.0, p), np.nan)
    return Comparison(difference, difference - half, difference + half, p)


def paired_test(first: Array, second: Array) -> Paired:
    """Return the test of two means (n,) over the same rows, normal since rows are many; NaN below two."""
    if len(first) < 2:
        return NOTHING
    apart = second - first
    return normal_test(float(apart.mean()), float(apart.std(ddof=1) / len(apart) ** 0.5))


def normal_test(difference: float, error: float) -> Paired:
    """Return a difference with its standard error as an interval and a p, by the normal distribution."""
    half = Z * error
    return Paired(difference, difference - half, difference + half, float(normal_p(difference, error)))


def normal_p(difference: ArrayLike, error: ArrayLike) -> Array:
    """Return the two-sided p (...) of differences with standard errors, by the normal distribution.

    Where nothing varies, p is 1 for no difference and 0 for any.
    """
    difference, error = np.abs(np.asarray(difference, np.float64)), np.asarray(error, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * special.ndtr(-difference / error)
    return np.where((difference == 0) & (error == 0), 1.0, p)


def student_p(t: ArrayLike, freedom: ArrayLike) -> Array:
    """Return the two-sided p (...) of Student's t with so many degrees of freedom; NaN stays NaN."""
    return np.asarray(2 * special.stdtr(freedom, -np.abs(t)))


def student_half_width(error: ArrayLike, freedom: ArrayLike) -> Array:
    """Return half the 95 % interval (...) of a number with a standard error, by Student's t."""
    return np.asarray(special.stdtrit(freedom, 0.975) * error)


def adjust_p_values(p: Array) -> Array:
    """Return q-values (...) that hold the false discovery rate, over all cells whose p is defined.

    Benjamini and Hochberg (1995): p × m / rank, and never more than that of a larger p; NaN stays NaN.
    """
    flat = np.asarray(p, np.float64).reshape(-1)
    defined = np.flatnonzero(np.isfinite(flat))
    order = defined[np.argsort(flat[defined], kind="stable")]
    steps = flat[order] * len(order) / np.arange(1, len(order) + 1)
    q = np.full(flat.shape, np.nan)
    q[order] = np.minimum.accumulate(steps[::-1])[::-1]
    return q.reshape(np.shape(p))
