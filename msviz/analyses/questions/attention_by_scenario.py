"""Which fields attend to which, in every scenario, layer and head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions, SnapshotView
from msviz.analyses.run import ask
from msviz.analyses.shared.aspects import attention_aspect
from msviz.analyses.shared.attention import ALL, AXES, MEAN, coords, strongest
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.words import percent, points, rows
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.probing.moments import GroupMoments, Summary
from msviz.probing.truth import VIEWS, Score, pair_ranking
from msviz.schema import UNSEEN
from msviz.statistics.intervals import half_width

if TYPE_CHECKING:
    from msviz.analyses.question import Axes
    from msviz.analyses.shared.attention import Array
    from msviz.probing.study import Study
    from msviz.schema import Schema

TITLE = "Which fields does the model relate in each scenario?"
# Sums kept at a time, so that 300 scenarios of 300 fields stay within a laptop's memory.
CELLS = 15_000_000
STANDS_OUT = 1.2  # times an even share, from which on a takeaway may call a relation the strongest
SNAPSHOT_CELLS = 1_000_000  # shares of attention that one moment of a training keeps, at 8 bytes each


class AttentionByScenarioOptions(QuestionOptions):
    """Which scenarios are kept apart, and how many rows are looked at."""

    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")
    rows: int | None = Setting(None, ge=1, description="a uniform sample of so many rows; all by default")


def analyse(study: Study, options: AttentionByScenarioOptions) -> Finding:
    """Return mean and deviation of attention over the rows of every scenario, and of all scenarios.

    `mean`, `deviation` (scenario, layer, head, query, key) are shares of a query's attention, 0..1;
    `received_mean`, `received_deviation` (scenario, layer, head, key) those of a key's share averaged
    over the queries; `rows` (scenario). Raises MsvizError when the model shows no attention.
    """
    tap = study.find_tap(*AXES)
    chosen = None if options.rows is None else study.sample(options.rows)
    if not study.part.rows:
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    _, layers, heads, fields, keys = study.trace(np.zeros(1, np.int64)).seen[tap].values.shape
    scenarios, left = _largest(
        study, chosen, min(options.most, CELLS // (layers * (heads + 1) * fields * keys))
    )
    moments = GroupMoments(
        tap,
        study.groups("scenario", keep=scenarios),
        axes=("head", "query", "key"),
        over=(("head",), ("query",), ("head", "query")),
        expected=_count_kept(study, chosen, scenarios),
    )
    row_count = study.stream([moments], chosen)
    names = [study.schema.scenario_names[scenario] for scenario in scenarios]
    data = _name_axes(moments, len(scenarios)).assign_coords(
        {"scenario": [ALL, *names], **coords(study, layers, heads, keys)}
    )
    data.attrs["left_out"] = left
    words = {str(name): describe_scenario(data, str(name)) for name in data.scenario.values}
    also = f" {left} smaller scenarios are only part of the average." if left else ""
    return Finding(
        analysis="attention_by_scenario",
        question=TITLE,
        takeaway=words[ALL] + also,
        data=data,
        provenance=Provenance(rows=row_count),
        takeaways=words,
    )


def cells(finding: Finding) -> Cells:
    """Return the maps that are drawn, of every scenario, layer and head."""
    return Cells(
        finding.data["mean"],
        each=("scenario", "layer", "head"),
        scale=1 / finding.data.sizes["key"],
        means={"scenario": ALL, "head": MEAN},
        numbered="head",
        within=("layer",),
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well attention between two fields ranks the pairs that really act together.

    A pair's attention is the mean of both directions and of the heads, in layer 1; per scenario and for all,
    and once more averaged over the layers. Other pairs are all that are not planted.
    """
    mean = finding.data["mean"].sel(head=[MEAN])
    first = mean.sel(layer=["1"])
    every = mean.mean("layer").expand_dims(layer=["mean of layers"])
    scores = []
    for part, layers in ((first, "in layer 1"), (every, "averaged over the layers")):
        scores_of = replace(finding, data=xr.Dataset({"mean": part}))
        ranking = pair_ranking(scores_of, truth, schema).isel(layer=0, head=0)
        ranking = ranking.sel(view=VIEWS[0], against="all other pairs")
        for name in map(str, ranking["scenario"].values):
            cell = ranking.sel(scenario=name)
            if np.isfinite(cell["auc"]):
                scores.append(_score_cell(name, cell, layers))
    return scores


def _score_cell(name: str, cell: xr.Dataset, layers: str) -> Score:
    value, low, high = (float(cell[key]) for key in ("auc", "low", "high"))
    where = "Over all scenarios" if name == ALL else f"In {name}"
    words = (
        f"{where}, attention {layers} stands higher for a pair that really acts together than for another in "
        f"{value:.0%} of the comparisons (95 %: {low:.0%} to {high:.0%}; by luck 50 %; "
        f"{int(cell['true'])} pairs against {int(cell['other'])})."
    )
    return Score(name if layers == "in layer 1" else f"{name}, {layers}", value, low, high, 0.5, words)


def _largest(study: Study, chosen: Array | None, most: int) -> tuple[list[int], int]:
    """Return the scenarios with the most rows, in the schema's order, and how many others have rows."""
    count = _counts(study, chosen)
    present = np.flatnonzero(count)
    order = present[np.argsort(-count[present], kind="stable")][: max(most, 1)]
    # Combinations that training never saw come last: they are no scenario of their own.
    largest = sorted((int(number) for number in order), key=lambda n: (n == UNSEEN, n))
    return largest, len(present) - len(largest)


def _count_kept(study: Study, chosen: Array | None, largest: list[int]) -> Array:
    """Return how many rows each kept scenario has, and all others together."""
    count = _counts(study, chosen)
    return np.append(count[largest], count.sum() - count[largest].sum())


def _counts(study: Study, chosen: Array | None) -> Array:
    """Return the rows of every scenario id."""
    scenario = study.part.scenario if chosen is None else study.part.scenario[chosen]
    return np.bincount(scenario, minlength=len(study.schema.scenarios) + 1)


def _name_axes(moments: GroupMoments, scenarios: int) -> xr.Dataset:
    """Return the moments as arrays with named axes: all scenarios first, mean of heads first."""

    def both(over: tuple[str, ...]) -> Summary:
        whole, parts = moments.result(over, pooled=True), moments.result(over)

        def joined(head: Array, rest: Array) -> Array:
            return np.concatenate([head, rest[:scenarios]])

        return Summary(
            joined(whole.rows, parts.rows),
            joined(whole.mean, parts.mean).astype(np.float32),
            joined(whole.deviation, parts.deviation).astype(np.float32),
        )

    heads, mean = both(()), both(("head",))
    head_keys, keys = both(("query",)), both(("head", "query"))

    def stacked(first: Array, others: Array) -> Array:
        return np.concatenate([first[:, :, None], others], axis=2)

    cells, received = ("scenario", *AXES), ("scenario", "layer", "head", "key")
    return xr.Dataset(
        {
            "mean": (cells, stacked(mean.mean, heads.mean)),
            "deviation": (cells, stacked(mean.deviation, heads.deviation)),
            "received_mean": (received, stacked(keys.mean, head_keys.mean)),
            "received_deviation": (received, stacked(keys.deviation, head_keys.deviation)),
            "rows": (("scenario",), heads.rows),
        }
    )


def describe_scenario(data: xr.Dataset, scenario: str) -> str:
    """Return a sentence on the strongest relation of two fields in the first layer's mean of heads."""
    here = data.sel(scenario=scenario, layer="1", head=MEAN)
    query, key = strongest(here["mean"].values)
    cell = here.isel(query=query, key=key)
    count, value = int(cell["rows"]), float(cell["mean"])
    half = float(half_width(cell["deviation"], count))
    spread = f"{points(half)}, {rows(count)}" if count > 1 else f"{rows(count)}, too few for an interval"
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    words = (
        f"{scope}, in layer 1 and the mean of its heads, {cell['query'].item()} attends most to "
        f"{cell['key'].item()}: {percent(value)} ({spread})"
    )
    if scenario != ALL:
        usual = float(data["mean"].sel(scenario=ALL, layer="1", head=MEAN).isel(query=query, key=key))
        words += f", {value / usual:.1f} times its average over all scenarios" if usual > 0 else ""
    even = 1 / here.sizes["key"]
    if value < STANDS_OUT * even:
        words += f"; hardly more than an even share of {percent(even)}: no pair stands out"
    return words + "."


def _snapshot_rank(axes: Axes) -> int | None:
    return 1 if AXES in axes.values() else None


def _ask_snapshot(study: Study) -> Finding:
    """Ask of so few scenarios, the largest, that the picture stays small."""
    shape = study.trace(np.zeros(1, np.int64)).seen[study.find_tap(*AXES)].values.shape[1:]
    layers, heads, *pairs = shape
    most = max(1, SNAPSHOT_CELLS // (layers * (heads + 1) * int(np.prod(pairs))) - 1)
    return ask(study, "attention_by_scenario", {"most": most})


QUESTION = Question(
    title=TITLE,
    options=AttentionByScenarioOptions,
    analyse=analyse,
    version=3,
    needs=AXES,
    cells=cells,
    score=score,
    instead="Look at what predictions lose without one field, and compare with a model that adapts to "
    "scenarios.",
    compared=ComparedView(place=3, aspect=attention_aspect),
    snapshot=SnapshotView(title="Where does it look now?", rank=_snapshot_rank, ask=_ask_snapshot),
)
