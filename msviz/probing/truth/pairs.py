"""How well a picture of attention finds the pairs of fields that really interact."""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

import numpy as np
import xarray as xr

from msviz.errors import MsvizError, invalid
from msviz.finding import Finding
from msviz.schema import Schema
from msviz.statistics.auc import newcombe_interval, ranking_auc

Array = np.ndarray[Any, Any]
ALL = "All scenarios"
VIEWS = (
    "mean of both directions",
    "stronger direction",
    "distance from uniform",
    "above the key's average",
    "distance from all scenarios",
)
AGAINST = ("all other pairs", "without aliases", "decoys")


def pair_ranking(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> xr.Dataset:
    """Return how well each attention view ranks the truly interacting pairs of a scenario above others.

    `finding` is an attention_by_scenario finding; its `mean` (scenario, layer, head, query, key) may
    stand in any order of axes. The result holds auc, low, high (scenario, layer, head, view,
    against), a 95 % interval, NaN where there is nothing to rank, and the counts `true` and `other`
    (scenario, against). "All scenarios" holds the pairs of any scenario. Pairs with a scenario field
    are left out, for that field does not vary inside a scenario; so are, among the others, those inside a
    planted group of the scenario, which matter as a threesome. `against` says which other pairs are
    outranked: all; without aliases (user id × category can stand for gender × category, because the id
    determines the other); or only decoys. Raises MsvizError if the finding is another or of another log.
    """
    mean = _attention(finding)
    names = [schema.field(str(title)).name for title in mean["key"].values]
    if list(mean["query"].values) != list(mean["key"].values):
        raise MsvizError("finding: query and key must hold the same fields in the same order")
    first, second = np.triu_indices(len(names), 1)
    outside = {field.name for field in schema.scenario_fields}
    inner = np.array(
        [names[a] not in outside and names[b] not in outside for a, b in zip(first, second, strict=True)]
    )
    first, second = first[inner], second[inner]
    pairs = [frozenset((names[a], names[b])) for a, b in zip(first, second, strict=True)]
    scores = _views(mean, first, second)
    scenarios = [str(name) for name in mean["scenario"].values]
    shape = (len(scenarios), mean.sizes["layer"], mean.sizes["head"], len(VIEWS), len(AGAINST))
    auc = np.full(shape, np.nan)
    counts = np.zeros((2, len(scenarios), len(AGAINST)), np.int64)
    for number, scenario in enumerate(scenarios):
        where = None if scenario == ALL else scenario
        true = true_pairs(truth, where)
        inside = group_pairs(truth, where)
        for column, others in enumerate(_others(pairs, true, truth, inside)):
            wanted = np.array([pair in true for pair in pairs])
            counts[:, number, column] = wanted.sum(), others.sum()
            auc[number, ..., column] = ranking_auc(scores[number][..., wanted], scores[number][..., others])
    low, high = newcombe_interval(auc, counts[0][:, None, None, None, :], counts[1][:, None, None, None, :])
    dims = ("scenario", "layer", "head", "view", "against")
    coords = {name: mean[name].values for name in dims[:3]} | {"view": list(VIEWS), "against": list(AGAINST)}
    arrays = {"auc": (dims, auc), "low": (dims, low), "high": (dims, high)}
    per_scenario = ("scenario", "against")
    return xr.Dataset(
        arrays | {"true": (per_scenario, counts[0]), "other": (per_scenario, counts[1])}, coords
    )


def true_pairs(truth: Mapping[str, Any], scenario: str | None) -> set[frozenset[str]]:
    """Return the pairs of column names that interact in a scenario, or in any when it is None."""
    return {
        frozenset(pair["fields"])
        for pair in truth["pairs"]
        if scenario is None or pair["strength"].get(scenario, 0) > 0
    }


def group_pairs(truth: Mapping[str, Any], scenario: str | None) -> set[frozenset[str]]:
    """Return the pairs of the three fields that only together part a scenario's groups, or any scenario's."""
    return {
        frozenset(pair)
        for group in truth.get("sub_scenarios", [])
        if scenario in (None, group["scenario"])
        for pair in combinations([*group["fields"], group["on"]], 2)
    }


def changed_pairs(truth: Mapping[str, Any], a: str, b: str) -> set[frozenset[str]]:
    """Return the pairs of column names whose effect in scenario `b` is not that in `a`, in size or sign."""

    def effect(pair: Mapping[str, Any], scenario: str) -> float:
        return float(pair["strength"].get(scenario, 0) * pair["sign"].get(scenario, 1))

    # Strengths that are planted alike vary by what the draw of the rows makes of them.
    return {
        frozenset(pair["fields"])
        for pair in truth["pairs"]
        if abs(effect(pair, a) - effect(pair, b)) > 0.5 * max(abs(effect(pair, a)), abs(effect(pair, b)))
    }


def pair_score(
    shares: xr.DataArray, wanted: set[frozenset[str]], truth: Mapping[str, Any], schema: Schema
) -> Array:
    """Return AUC, low, high and the counts of both kinds for one matrix of shares (query, key).

    A pair's share is the mean of both directions. Pairs with a scenario field, and those inside planted
    sub-scenarios, are left out; all others are to be outranked by the `wanted`.
    """
    names = [schema.field(str(title)).name for title in shares["key"].values]
    values = shares.transpose("query", "key").values.astype(np.float64)
    outside = {field.name for field in schema.scenario_fields}
    inside = group_pairs(truth, None)
    first, second = np.triu_indices(len(names), 1)
    pairs = [frozenset((names[a], names[b])) for a, b in zip(first, second, strict=True)]
    both = (values[first, second] + values[second, first]) / 2
    may = np.array([not pair & outside and (pair in wanted or pair not in inside) for pair in pairs])
    acting = np.array([pair in wanted for pair in pairs]) & may
    auc = ranking_auc(both[acting], both[may & ~acting])
    counts = np.array([acting.sum(), (may & ~acting).sum()])
    low, high = newcombe_interval(np.atleast_1d(auc), counts[:1], counts[1:])
    return np.array([float(auc), float(low[0]), float(high[0]), *counts])


def _attention(finding: Finding) -> xr.DataArray:
    """Return the mean attention with its axes in order; raise MsvizError for another finding."""
    axes = ("scenario", "layer", "head", "query", "key")
    if "mean" not in finding.data or set(finding.data["mean"].dims) != set(axes):
        raise invalid("finding", finding.analysis, "wanted: attention_by_scenario")
    return finding.data["mean"].transpose(*axes)


def _views(mean: xr.DataArray, first: Array, second: Array) -> list[Array]:
    """Return per scenario the scores (layer, head, view, pair) of the pairs first[i], second[i]."""
    values = mean.values.astype(np.float64)
    names = [str(name) for name in mean["scenario"].values]
    whole = values[names.index(ALL)] if ALL in names else np.full_like(values[0], np.nan)
    scores = []
    for name, shares in zip(names, values, strict=True):
        apart = np.full_like(shares, np.nan) if name == ALL else np.abs(shares - whole)
        above = shares - shares.mean(-2, keepdims=True)
        uniform = np.abs(shares - 1 / shares.shape[-1])
        there = [view[..., first, second] for view in (shares, shares, uniform, above, apart)]
        back = [view[..., second, first] for view in (shares, shares, uniform, above, apart)]
        both = [(a + b) / 2 for a, b in zip(there, back, strict=True)]
        both[1] = np.maximum(there[1], back[1])
        scores.append(np.stack(both, -2))
    return scores


def _others(
    pairs: list[frozenset[str]],
    true: set[frozenset[str]],
    truth: Mapping[str, Any],
    inside: set[frozenset[str]],
) -> list[Array]:
    """Return for each entry of AGAINST which of the pairs (n,) are to be outranked; `inside` never are."""
    owner = {field: name for name, fields in truth.get("determined", {}).items() for field in fields}
    stand_ins = {
        frozenset((x, y))
        for a, b in map(tuple, true)
        for x in (a, owner.get(a, a))
        for y in (b, owner.get(b, b))
    }
    decoys = {frozenset(pair) for pair in truth["decoys"]}
    other = np.array([pair not in true and pair not in inside for pair in pairs], bool)
    alias = np.array([pair in stand_ins for pair in pairs], bool)
    decoy = np.array([pair in decoys for pair in pairs], bool)
    return [other, other & ~alias, other & decoy]
