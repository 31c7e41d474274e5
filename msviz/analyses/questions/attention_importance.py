"""Which fields receive the most attention from the others, in every scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.run import ask
from msviz.analyses.shared.attention import ALL, AXES, MEAN
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.words import listed, percent, points, rows
from msviz.finding import Finding, Provenance
from msviz.probing.truth.fields import score_fields
from msviz.statistics.intervals import Z, half_width, standard_error

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "Which fields receive the most attention in each scenario?"
CHANGE = "what changes most"  # key of the words about the differences between scenarios


class AttentionImportanceOptions(QuestionOptions):
    """Which scenarios are kept apart, and how many rows are looked at."""

    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")
    rows: int | None = Setting(None, ge=1, description="a uniform sample of so many rows; all by default")


def analyse(study: Study, options: AttentionImportanceOptions) -> Finding:
    """Return each field's share of attention, averaged over the queries (the paper's Figure 8).

    `value`, `low`, `high` (scenario, layer, head, key) are shares that sum to one over key, with
    normal 95 % intervals over rows; `rows` (scenario). Words on the fields that change most are under CHANGE.
    """
    attention = ask(study, "attention_by_scenario", options.key())
    whole = attention.data
    value = whole["received_mean"]
    half = xr.apply_ufunc(half_width, whole["received_deviation"], whole["rows"])
    data = xr.Dataset(
        {
            "value": value,
            "low": (value - half).clip(min=0),
            "high": (value + half).clip(max=1),
            "rows": whole["rows"],
        }
    )
    data = data.transpose("scenario", "layer", "head", "key")
    words = {str(name): _words(data, str(name)) for name in data["scenario"].values}
    if data.sizes["scenario"] > 2:
        words[CHANGE] = _change(data)
    return Finding(
        analysis="attention_importance",
        question=TITLE,
        takeaway=words[ALL],
        data=data,
        provenance=Provenance(rows=attention.provenance.rows or int(whole["rows"].values[0])),
        takeaways=words,
    )


def cells(finding: Finding) -> Cells:
    """Return the shares that are drawn, of every scenario, layer and head."""
    return Cells(
        finding.data["value"],
        each=("scenario", "layer", "head"),
        scale=1 / finding.data.sizes["key"],
        means={"scenario": ALL, "head": MEAN},
        numbered="head",
        within=("layer",),
        noun="order of fields",
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well attention received in layer 1 (mean of heads) ranks the fields that matter."""
    value = finding.data["value"].sel(layer="1", head=MEAN).transpose("scenario", "key")
    scenarios, fields = ([str(name) for name in value[axis].values] for axis in ("scenario", "key"))
    return score_fields(
        value.values, scenarios, fields, truth, schema, "attention received", "receives more attention"
    )


def _words(data: xr.Dataset, scenario: str) -> str:
    """Return a sentence on the three fields that receive the most in the first layer's mean of heads."""
    here = data.sel(scenario=scenario, layer="1", head=MEAN)
    value = here["value"].values
    order = np.argsort(-value, kind="stable")[:3]
    half = (here["high"] - here["low"]).values / 2
    count = int(here["rows"])
    named = [
        f"{here['key'].values[i]} {percent(value[i])}" + (f" ({points(half[i])})" if count > 1 else "")
        for i in order
    ]
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    return (
        f"{scope}, the fields that receive the most attention in layer 1 (mean of heads, {rows(count)}) are "
        f"{listed(named)}; an even share would be {percent(1 / len(value))}."
    )


def _change(data: xr.Dataset) -> str:
    """Return a sentence on the three fields whose share differs most between two scenarios."""
    here = data.sel(layer="1", head=MEAN).isel(scenario=slice(1, None)).transpose("scenario", "key")
    value, names = here["value"].values, here["scenario"].values
    error = standard_error(here["low"], here["high"])
    low, high = value.argmin(0), value.argmax(0)
    columns = np.arange(value.shape[1])
    change = value[high, columns] - value[low, columns]
    half = Z * np.sqrt(error[high, columns] ** 2 + error[low, columns] ** 2)
    changes = [
        f"{here['key'].values[i]} ({percent(value[low[i], i])} in {names[low[i]]}, "
        f"{percent(value[high[i], i])} in {names[high[i]]}: {percent(change[i]).removesuffix(' %')} points"
        + (f", {points(half[i])})" if np.isfinite(half[i]) else ")")
        for i in np.argsort(-change, kind="stable")[:3]
    ]
    return (
        f"Between {len(names)} scenarios, the fields whose share of attention in layer 1 (mean of heads) "
        f"changes most are {listed(changes)}. The extremes of many scenarios lie apart by chance alone, "
        "too: read the intervals with care."
    )


QUESTION = Question(
    title=TITLE,
    options=AttentionImportanceOptions,
    analyse=analyse,
    version=2,
    needs=AXES,
    cells=cells,
    score=score,
    instead="Look at what predictions lose without a field instead.",
)
