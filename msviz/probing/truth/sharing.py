"""How well a matrix of likeness between scenarios follows how alike the scenarios really respond."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import permutations
from math import factorial
from typing import Any

import numpy as np

from msviz.lazy import LazyModule
from msviz.probing.truth import Score
from msviz.statistics.correlation import bonett_wright, correlation_interval

stats = LazyModule("scipy.stats")

Array = np.ndarray[Any, Any]
EXACT = 7  # scenarios up to which all orders are tried (7! = 5,040)
DRAWS = 2_000
LEVEL = 0.025  # one-sided, as an interval of 95 % is on each side


def sharing_score(names: Sequence[str], likeness: Array, truth: Mapping[str, Any], what: str) -> list[Score]:
    """Return Spearman's correlation of a likeness (G, G) with the planted sharing, over pairs of scenarios.

    Empty where fewer than four scenarios, six pairs, are known to both: three pairs cannot show an order.
    """
    scenarios = list(truth["sharing"]["scenarios"])
    places = [(number, scenarios.index(name)) for number, name in enumerate(names) if name in scenarios]
    if len(places) < 4:
        return []
    here, there = (np.array(side) for side in zip(*places, strict=True))
    measured = np.asarray(likeness, float)[np.ix_(here, here)]
    planted = np.asarray(truth["sharing"]["matrix"], float)[np.ix_(there, there)]
    value, p = mantel(measured, planted)
    if not np.isfinite(value):
        return []
    pairs = len(places) * (len(places) - 1) // 2
    # Pairs that share a scenario are not independent, so the interval is rather too narrow.
    low, high = correlation_interval(value, pairs, bonett_wright(value))
    luck = (
        f"by luck alone as much in {p:.0%} of orders"
        if p >= 0.005
        else "by luck alone in under 1 % of orders"
    )
    clear = "follow" if p <= LEVEL and value > 0 else "do not show"
    words = (
        f"{what} {clear} how alike two scenarios really respond: rank correlation {value:+.2f} over "
        f"{pairs} pairs, {luck}."
    )
    return [Score(what, value, low, high, 0.0, words, "correlation")]


def mantel(measured: Array, planted: Array) -> tuple[float, float]:
    """Return Spearman's correlation over the pairs of two symmetric matrices (G, G), and its one-sided p.

    Mantel's test (1967): the scenarios of one matrix change their places, since pairs that share a
    scenario are not independent. All orders up to seven scenarios, else 2,000 random ones.
    """
    size = len(measured)
    upper = np.triu_indices(size, 1)
    first, second = stats.rankdata(measured[upper]), np.zeros((size, size))
    second[upper] = stats.rankdata(planted[upper])
    second = second + second.T
    if np.ptp(first) == 0 or np.ptp(second[upper]) == 0:
        return float("nan"), float("nan")
    if size <= EXACT:
        orders = np.array(list(permutations(range(size))))
    else:
        draw = np.random.default_rng(0)
        # The order as it is counts among the random ones, so that p is never 0.
        orders = np.stack([np.arange(size), *(draw.permutation(size) for _ in range(DRAWS - 1))])
    ranks = second[orders[:, upper[0]], orders[:, upper[1]]]
    first = first - first.mean()
    centred = ranks - ranks.mean(1, keepdims=True)
    correlation = centred @ first / (np.linalg.norm(centred, axis=1) * np.linalg.norm(first))
    assert len(orders) == (factorial(size) if size <= EXACT else DRAWS)
    return float(correlation[0]), float((correlation >= correlation[0] - 1e-12).mean())
