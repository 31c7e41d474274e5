"""Numeric fields become quantile bins with names that people read: '< 12 s', '12–30 s', '≥ 30 s'."""

from itertools import pairwise

import numpy as np

from msviz.dataset import Array

MOVED = 0.02  # share of the rows that may change bin so that an edge is a rounder number


def edges(values: Array, bins: int) -> list[float]:
    """Return at most bins - 1 inner edges (right bin closed on its left) at quantiles of finite values.

    A value so frequent that it fills several bins gets a bin of its own; a constant has no edge.
    """
    ordered = np.sort(values)
    distinct = _few_distinct(ordered, bins)
    if distinct is not None:
        return _round(ordered, distinct[1:])
    picked = ordered[(np.arange(1, bins) * len(ordered)) // bins]
    levels, times = np.unique(picked, return_counts=True)
    after = np.searchsorted(ordered, levels[times > 1], side="right")
    following = ordered[after[after < len(ordered)]]
    chosen = np.unique(np.concatenate([levels[levels > ordered[0]], following]))
    return _round(ordered, chosen[: bins - 1])


def names(inner: list[float], unit: str | None, values: Array) -> list[str]:
    """Return the names of the len(inner) + 1 bins; whole numbers of a bin of one read as that number."""
    if not inner:
        constant = len(values) > 0 and float(values.min()) == float(values.max())
        return [_with(number(float(values[0])), unit) if constant else "any value"]
    whole = bool(np.all(values == np.floor(values)))
    first = f"< {number(inner[0])}"
    if whole and values.min() == 0 and inner[0] == 1:
        first = "0"
    middle = [
        number(low) if whole and high == low + 1 else f"{number(low)}–{number(high)}"
        for low, high in pairwise(inner)
    ]
    return [_with(name, unit) for name in (first, *middle, f"≥ {number(inner[-1])}")]


def number(value: float) -> str:
    """Return a number as people write it: 1,200 and 0.05, never 1.2e3."""
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return str(np.format_float_positional(value, trim="-")) if abs(value) < 1e15 else f"{value:g}"


def _with(name: str, unit: str | None) -> str:
    return name if unit in (None, "count") else f"{name} {unit}"


def _few_distinct(ordered: Array, bins: int) -> Array | None:
    """Return the distinct values when each can have its own bin."""
    starts = ordered[np.flatnonzero(np.diff(ordered, prepend=-np.inf))] if len(ordered) else ordered
    return starts if len(starts) <= bins else None


def _round(ordered: Array, exact: Array) -> list[float]:
    """Return the edges with the fewest digits (at least 2) that keep them apart and rows in their bins."""
    if not len(exact):
        return []
    whole = bool(np.all(ordered == np.floor(ordered)))
    before = np.searchsorted(ordered, exact, side="left")
    for digits in range(2, 17):
        rounded = np.array([float(f"{edge:.{digits}g}") for edge in exact])
        if whole:
            rounded = np.round(rounded)
        moved = np.abs(np.searchsorted(ordered, rounded, side="left") - before).sum()
        if len(np.unique(rounded)) == len(exact) and moved <= MOVED * len(ordered) / 2:
            return [float(edge) for edge in rounded]
    return [float(edge) for edge in exact]
