"""Intervals of 95 %: of means, shares, ratios of shares, and of what is left when a part is left out.

NumPy alone, so that nobody waits for SciPy who only wants to know how sure a mean is.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

Array = np.ndarray[Any, Any]
Z = 1.959963984540054  # 97.5 % quantile of the normal distribution


def half_width(std: ArrayLike, count: ArrayLike) -> Array:
    """Return half the normal interval of means (...) of `count` independent draws that deviate by `std`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return Z * np.asarray(std, np.float64) / np.sqrt(np.asarray(count, np.float64))


def mean_interval(values: Array) -> tuple[float, float, float]:
    """Return the mean of independent draws (n,) and its normal interval; no bounds (NaN) for a single one."""
    mean = float(values.mean())
    half = float(half_width(values.std(ddof=1), len(values))) if len(values) > 1 else np.nan
    return mean, mean - half, mean + half


def standard_error(low: ArrayLike, high: ArrayLike) -> Array:
    """Return the standard error (...) behind the bounds of a normal interval."""
    return np.asarray((np.asarray(high) - np.asarray(low)) / (2 * Z))


def wilson_interval(clicks: ArrayLike, rows: ArrayLike) -> tuple[Array, Array]:
    """Return the bounds (...) of shares clicks / rows, inside 0..1; NaN where there are no rows.

    Wilson (1927): the shares that lie Z of their own standard errors away from the observed one.
    """
    clicks, rows = np.asarray(clicks, np.float64), np.asarray(rows, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = clicks / rows
        centre = (rate + Z**2 / (2 * rows)) / (1 + Z**2 / rows)
        half = Z / (1 + Z**2 / rows) * np.sqrt(rate * (1 - rate) / rows + Z**2 / (4 * rows**2))
    return np.maximum(centre - half, 0), np.minimum(centre + half, 1)


def smoothed_rate(clicks: Array, rows: Array) -> tuple[Array, Array]:
    """Return shares (...) with one click and one miss more, and their variances, for differences of shares.

    Agresti and Caffo (2000): so no variance is 0, and intervals of few rows hold what they promise.
    """
    rate = (clicks + 1) / (rows + 2)
    return rate, rate * (1 - rate) / (rows + 2)


def log_rate_variance(clicks: ArrayLike, rows: ArrayLike) -> Array:
    """Return the variance (...) of log(clicks / rows); infinite without clicks, NaN without rows.

    Katz et al. (1978), by the delta method: (1 - rate) / clicks. Events that outnumber the rows count as
    Poisson's, 1 / clicks.
    """
    clicks, rows = np.asarray(clicks, np.float64), np.asarray(rows, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = clicks / rows
        return np.asarray(np.where(rate > 1, 1.0, 1 - rate) / clicks)


def jackknife_std(without: Array, used: Array | None = None) -> Array:
    """Return the standard error (...) of an estimate from what it is without each of K parts (K, ...).

    sqrt((K - 1) / K Σ (θ without part k - their mean)²), Efron and Tibshirani (1993, 11.5). Only parts that
    are `used` (K, ...) count; NaN where none is, or one without which there is no estimate.
    """
    used = np.ones(without.shape, bool) if used is None else used
    parts = used.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(used, without, 0).sum(0) / parts
        square = np.where(used, (without - mean) ** 2, 0).sum(0)
        return np.asarray(np.sqrt((parts - 1) / parts * square))
