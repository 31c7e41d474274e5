"""How well a number for each field ranks the fields that really matter in a scenario."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.probing.truth import Score
from msviz.statistics.auc import newcombe_interval, ranking_auc
from msviz.statistics.correlation import FIELLER, correlation_interval, rank_correlation

if TYPE_CHECKING:
    from msviz.schema import Schema

Array = np.ndarray[Any, Any]
ALL = "All scenarios"
HISTORY = "history"  # the pseudo-field of past clicks


def field_strengths(truth: Mapping[str, Any], scenario: str) -> dict[str, float]:
    """Return how much a field matters in a scenario, by itself and together with others; 0 is left out.

    The planted parts are pure, so their variances add up: what is lost with a field f is
    sqrt(Σ strength²) over all parts that f has a share in. Past clicks count for `HISTORY` and for the field
    that relates them to the row.
    """
    square: dict[str, float] = {}

    def add(fields: Sequence[str], strength: float) -> None:
        for name in fields:
            square[name] = square.get(name, 0.0) + strength**2

    for name, strength in truth["fields"].get(scenario, {}).items():
        add([name], strength)
    for pair in truth["pairs"]:
        add(pair["fields"], pair["strength"].get(scenario, 0.0))
    for group in truth["sub_scenarios"]:
        if group["scenario"] == scenario:
            add([*group["fields"], group["on"]], group["strength"])
    past = truth["behaviours"]["strength"].get(scenario, 0.0)
    add([HISTORY, truth["behaviours"]["related_by"]], past)
    return {name: value**0.5 for name, value in square.items() if value > 0}


def score_fields(
    values: Array,
    scenarios: Sequence[str],
    titles: Sequence[str],
    truth: Mapping[str, Any],
    schema: Schema,
    what: str,
    more: str = "",
) -> list[Score]:
    """Return how values (G, F) of scenarios and fields rank those that matter above those that do not.

    "All scenarios" asks for fields that matter in any scenario. The chance that a field that matters stands
    above one that does not (AUC), the same against fields that mean nothing anywhere, and Spearman's
    correlation with the planted strength; `what` is the value and `more` what a field with more of it does,
    in words ("has more weight"). Scenario fields, which do not vary inside one, and names that the
    truth does not know are left out, and so is what has nothing to rank.
    """
    places, names = _find_fields(titles, schema)
    scores: list[Score] = []
    for number, scenario in enumerate(scenarios):
        strength = _strengths(truth, names, scenario)
        if strength is not None:
            scores += _scores(
                values[number, places], strength, names, scenario, truth, (what, more or f"has more {what}")
            )
    return scores


def score_change(
    values: Array, a: str, b: str, titles: Sequence[str], truth: Mapping[str, Any], schema: Schema, what: str
) -> list[Score]:
    """Return Spearman's correlation of a change (F,) from scenario a to b with that of the strengths."""
    places, names = _find_fields(titles, schema)
    before, after = (_strengths(truth, names, scenario) for scenario in (a, b))
    if before is None or after is None:
        return []
    value, low, high = _correlation(values[places], after - before)
    if not np.isfinite(value):
        return []
    words = (
        f"From {a} to {b}, the change in {what} of {len(names)} fields and that in how much they matter "
        f"have a rank correlation of {value:+.2f} (95 %: {low:+.2f} to {high:+.2f}; by luck 0)."
    )
    return [Score(f"{b} against {a}", value, low, high, 0.0, words, "correlation")]


def _find_fields(titles: Sequence[str], schema: Schema) -> tuple[list[int], list[str]]:
    """Return the places of the fields that can be scored, and their column names."""
    by_label = {field.label: field for field in schema.fields}
    places, names = [], []
    for number, title in enumerate(titles):
        field = by_label.get(title)
        if field is not None and field.role != "scenario":
            places.append(number)
            names.append(HISTORY if field.role == "behaviour" else field.name)
    return places, names


def _strengths(truth: Mapping[str, Any], names: Sequence[str], scenario: str) -> Array | None:
    """Return the planted strength (F,) in a scenario, the root mean square for all; None if unknown."""
    if scenario != ALL and scenario not in truth["fields"]:
        return None
    chosen = list(truth["fields"]) if scenario == ALL else [scenario]
    each = [field_strengths(truth, name) for name in chosen]
    table = np.array([[strengths.get(name, 0.0) for name in names] for strengths in each])
    return np.sqrt((table**2).mean(0)) if len(table) else None


def _scores(
    values: Array,
    strength: Array,
    names: Sequence[str],
    scenario: str,
    truth: Mapping[str, Any],
    phrases: tuple[str, str],
) -> list[Score]:
    matters = strength > 0
    noise = np.isin(np.array(names), truth["noise_fields"])
    scope = "over all scenarios" if scenario == ALL else f"in {scenario}"
    scores = []
    for name, others, which in (
        (scenario, ~matters, "do not"),
        (f"{scenario}, against pure noise", noise & ~matters, "mean nothing anywhere"),
    ):
        auc = np.asarray(ranking_auc(values[matters], values[others]))
        if np.isnan(auc) or (name != scenario and noise[~matters].all()):
            continue
        bounds = newcombe_interval(auc, matters.sum(), others.sum())
        low, high = (float(bound) for bound in bounds)
        words = (
            f"{scope}, a field that matters {phrases[1]} than one of those that {which} in "
            f"{float(auc):.0%} of comparisons (95 %: {low:.0%} to {high:.0%}; by luck 50 %; "
            f"{int(matters.sum())} fields against {int(others.sum())})."
        )
        scores.append(Score(name, float(auc), low, high, 0.5, _sentence(words)))
    value, low, high = _correlation(values, strength)
    if np.isfinite(value):
        words = (
            f"{scope}, {phrases[0]} and planted strength of the {len(names)} fields have a rank correlation "
            f"of {value:+.2f} (95 %: {low:+.2f} to {high:+.2f}; by luck 0)."
        )
        scores.append(
            Score(f"{scenario}, by strength", value, low, high, 0.0, _sentence(words), "correlation")
        )
    return scores


def _sentence(words: str) -> str:
    return words[0].upper() + words[1:]


def _correlation(values: Array, strength: Array) -> tuple[float, float, float]:
    """Return Spearman's correlation with its interval; NaN below four fields or where nothing varies."""
    if len(values) < 4 or np.isnan(values).any() or np.ptp(values) == 0 or np.ptp(strength) == 0:
        return float("nan"), float("nan"), float("nan")
    value = rank_correlation(values, strength)
    return value, *correlation_interval(value, len(values), FIELLER)
