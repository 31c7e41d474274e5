"""Correlations of ranks, and how sure a correlation is."""

from typing import Any

import numpy as np

from msviz.statistics.intervals import Z

Array = np.ndarray[Any, Any]
FIELLER = 1.03**2  # how much more the z of Spearman's correlation varies than that of Pearson's
NEARLY_ONE = 0.999999  # Fisher's z of 1 would be infinite


def rank_correlation(first: Array, second: Array) -> float:
    """Return Spearman's correlation of two series (n,), ties at their mean rank; both must vary."""
    from scipy.stats import rankdata

    return float(np.corrcoef(rankdata(first), rankdata(second))[0, 1])


def correlation_interval(value: float, count: float, inflation: float = 1.0) -> tuple[float, float]:
    """Return the 95 % bounds of a correlation over `count` independent pairs; NaN below four.

    Fisher's z (1921) with variance inflation / (count - 3): 1 for Pearson's, `FIELLER` (Fieller, Hartley and
    Pearson 1957) or `bonett_wright` for Spearman's.
    """
    if count < 4:
        return float("nan"), float("nan")
    middle = np.arctanh(np.clip(value, -NEARLY_ONE, NEARLY_ONE))
    half = Z * np.sqrt(inflation / (count - 3))
    return float(np.tanh(middle - half)), float(np.tanh(middle + half))


def bonett_wright(value: float) -> float:
    """Return 1 + r² / 2, the inflation of Bonett and Wright (2000) for a rank correlation r."""
    return 1 + value**2 / 2
