"""Random draws that the planted shop is made of; the same key gives the same numbers anywhere."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def stream(seed: int, chunk: int) -> np.random.Generator:
    """Return the random numbers of one chunk: a counter-based stream keyed by (seed, chunk)."""
    return np.random.Generator(np.random.Philox(key=np.array([seed, chunk], np.uint64)))


def pick(weights: Array, uniform: Array) -> Array:
    """Return for each uniform number the index that it falls on under the (cumulated) weights."""
    cumulated = np.cumsum(weights)
    index = np.searchsorted(cumulated, uniform * cumulated[-1], side="right")
    return np.asarray(np.minimum(index, len(weights) - 1))


def pick_by_row(weights: Array, row: Array, uniform: Array) -> Array:
    """Return indices drawn under weights (K, V), row r of them for each element of `row` (n,)."""
    cumulated = np.cumsum(weights / weights.sum(1, keepdims=True), axis=1)
    return np.asarray(np.minimum((uniform[:, None] >= cumulated[row]).sum(1), weights.shape[1] - 1))


def near(centres: Array, count: int, width: float) -> Array:
    """Return weights (len(centres), count) that fall off as a normal curve around each centre."""
    distance = (np.arange(count) - np.asarray(centres)[:, None]) / width
    return np.asarray(np.exp(-(distance**2) / 2))
