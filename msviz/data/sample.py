"""Samples of rows: from all over a log however it lies, and such in which small scenarios are seen."""

from typing import Any

import numpy as np

from msviz.schema import UNSEEN

Array = np.ndarray[Any, Any]


def drawn(scenario: Array, size: int, seed: int) -> Array:
    """Return the positions (n,) of a sample of rows whose scenario ids (rows,) are given, rising.

    Half of the places are shared out evenly among the scenarios (one with fewer rows gives all it has), the
    rest goes to a uniform sample of what is left. It depends on rows and seed alone, so every model is shown
    the same impressions. Combinations that training never saw have no scenario and are left out.
    """
    scenario = np.asarray(scenario)
    in_scenario = (
        np.flatnonzero(scenario != UNSEEN) if (scenario != UNSEEN).any() else np.arange(len(scenario))
    )
    if len(in_scenario) <= size:
        return in_scenario
    draw = np.random.default_rng(seed)
    mixed = draw.permutation(in_scenario)
    by_scenario = np.argsort(scenario[mixed], kind="stable")
    ordered = scenario[mixed][by_scenario]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    rank = np.arange(len(ordered)) - np.repeat(starts, np.diff(np.r_[starts, len(ordered)]))
    even = np.zeros(len(mixed), bool)
    even[by_scenario[rank < max(1, size // (2 * len(starts)))]] = True
    first = mixed[even][:size]
    rest = mixed[~even][: size - len(first)]
    return np.sort(np.concatenate([first, rest]))


def scattered(rows: int, size: int, seed: int) -> Array:
    """Return the positions (n,) of a sample of so many rows, rising; all of them where they are no more.

    One is drawn from each of `size` stretches that are equally long: a few of a billion rows cost no more
    than a few, and a log that repeats itself is seen as it is, which every k-th row would not show.
    """
    if rows <= size:
        return np.arange(rows)
    edges = rows * np.arange(size + 1) // size
    return np.random.default_rng(seed).integers(edges[:-1], edges[1:])
