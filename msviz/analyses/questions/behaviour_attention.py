"""Which past clicks the model looks at for one impression, head by head, and what each is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import MEAN
from msviz.analyses.shared.behaviours import PARTS, age, divergence, entropy, read, related, tap_of
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.migration import without_each
from msviz.analyses.shared.words import percent
from msviz.errors import invalid
from msviz.finding import Finding, Provenance

if TYPE_CHECKING:
    import torch

    from msviz.analyses.shared.behaviours import Array
    from msviz.batch import Batch
    from msviz.probing.study import Study

TITLE = "Which past clicks does the model look at for this impression?"


class BehaviourAttentionOptions(QuestionOptions):
    """Which impression, and which of the model's attentions."""

    row: int = Setting(ge=0, description="number of the row in the log")
    tap: str | None = Setting(
        None, description="which attention; the one nearest to the prediction by default"
    )


def analyse(study: Study, options: BehaviourAttentionOptions) -> Finding:
    """Return the attention of one row to its past clicks, oldest first.

    `attention` ([layer | expert,] head, behaviour[, other]) in shares; with `other`, clicks attend to one
    another, and each line sums to 1. The first head is the mean of heads. `value` (behaviour, field) what was
    clicked; (behaviour) `scenario` ("" where the log does not tell), `age` in seconds (-1), `related` (same
    value as the impression's first side field) and `change`, the log-odds with less without this one click.
    `evenness` ([part,] head) is 1 for attention that is the same to all, `divergence` ([part]) how far heads
    differ (Jensen-Shannon, 0 to 1).
    """
    tap = tap_of(study, options.tap)
    batch = study.batch(np.array([study.position(options.row)]))
    there = read(study, batch)[0]
    count = int(there.sum())
    if not count:
        raise invalid("row", options.row, "it has no past clicks: choose one with a history")
    trace = study.trace_of(batch)
    axes = study.axes()[tap]
    weights = _present(trace.seen[tap].values[0].float(), axes, there)
    part = next((axis for axis in PARTS if axis in axes), None)
    dims = (
        ((part,) if part else ())
        + ("head", "behaviour")
        + (("other",) if axes.count("behaviour") > 1 else ())
    )
    if "head" not in axes:
        weights = np.expand_dims(weights, dims.index("head"))
    head = dims.index("head")
    spread, apart = _agreement(weights, dims, count)
    attention = (
        weights
        if weights.shape[head] == 1
        else np.concatenate([weights.mean(head, keepdims=True), weights], head)
    )
    heads = ["1"] if weights.shape[head] == 1 else [MEAN, *(str(n + 1) for n in range(weights.shape[head]))]
    scenario = study.schema.scenario_names[int(batch.scenario[0])]
    clicks = [str(number + 1) for number in range(count)]
    coords = {"head": heads, "behaviour": clicks, "field": _titles(study)}
    coords |= {"other": clicks} if "other" in dims else {}
    coords |= {part: [str(n + 1) for n in range(weights.shape[0])]} if part else {}
    data = xr.Dataset(
        {
            "attention": (dims, attention.astype(np.float32)),
            **_clicks(study, batch, there),
            "evenness": (dims[: head + 1], spread),
            "divergence": (dims[:head], apart),
            "prediction": ((), float(trace.prediction[0])),
            "label": ((), float(batch.label[0])),
        },
        coords,
        {
            "row": options.row,
            "scenario": scenario,
            "tap": tap,
            "impression": ", ".join(_own(study, batch)),
            "alike": _titles(study)[min(1, len(_titles(study)) - 1)],
        },
    )
    return Finding(
        analysis="behaviour_attention",
        question=TITLE,
        takeaway=_words(data, part),
        data=data,
        provenance=Provenance(rows=1),
    )


def cells(finding: Finding) -> Cells:
    """Return the attention that is drawn, of every layer and head; of experts, the mean of their heads."""
    attention = finding.data["attention"]
    scale = 1 / finding.data.sizes["behaviour"]
    if "expert" in attention.dims:
        # Experts and heads are both numbered at will: the heads are averaged, the experts matched.
        return Cells(attention.isel(head=0), each=("expert",), scale=scale, numbered="expert")
    heads = finding.data.sizes["head"] > 1
    part = ("layer",) if "layer" in attention.dims else ()
    return Cells(
        attention,
        each=(*part, "head"),
        scale=scale,
        means={"head": MEAN} if heads else {},
        numbered="head" if heads else "",
        within=part,
    )


def _present(values: torch.Tensor, axes: tuple[str, ...], there: torch.Tensor) -> Array:
    """Return a tap's numbers (*axes) for the clicks that are there; a net may show the latest only."""
    latest = there[-values.shape[-1] :]
    for position, axis in enumerate(axes):
        if axis == "behaviour":
            values = values.index_select(position, latest.nonzero()[:, 0].to(values.device))
    return np.asarray(values.cpu().numpy(), np.float64)


def _titles(study: Study) -> list[str]:
    return [study.schema.features[column].label for column in study.schema.behaviour_columns]


def _own(study: Study, batch: Batch) -> list[str]:
    """Return the impression's own values of the fields that past clicks carry."""
    columns = study.schema.behaviour_columns
    ids = batch.fields[0].tolist()
    return [
        f"{study.schema.features[column].label} {study.schema.features[column].value_name(ids[column])}"
        for column in columns
    ]


def _clicks(study: Study, batch: Batch, there: torch.Tensor) -> dict[str, tuple[tuple[str, ...], Array]]:
    """Return what is known of each past click, in names."""
    assert batch.histories is not None
    columns = study.schema.behaviour_columns
    fields = [study.schema.features[column] for column in columns]
    ids = batch.histories.ids[0][there].tolist()
    value_column = min(1, len(columns) - 1)
    same = related(batch, value_column, columns[value_column])[0][there]
    names = study.schema.scenario_names
    value = [[field.value_name(value_id) for field, value_id in zip(fields, row, strict=True)] for row in ids]
    sources = [names[number] for number in batch.histories.scenario[0][there].tolist()]
    sequence = study.schema.sequences[0]
    if sequence.scenario is None:
        sources = [""] * len(sources)
    ages = batch.histories.age[0][there].cpu().numpy()
    return {
        "value": (("behaviour", "field"), np.array(value, dtype=str)),
        "scenario": (("behaviour",), np.array(sources, dtype=str)),
        "age": (("behaviour",), ages if sequence.time else np.full(len(ages), -1)),
        "related": (("behaviour",), same.cpu().numpy()),
        "change": (("behaviour",), without_each(study, batch)),
    }  # fmt: skip


def _agreement(attention: Array, dims: tuple[str, ...], count: int) -> tuple[Array, Array]:
    """Return each head's evenness ([part,] 1 + H) and how far heads differ ([part]).

    Where clicks attend to one another, both are means over the clicks that look.
    """
    parts = attention if dims[0] != "head" else attention[None]
    lines = parts if "other" in dims else parts[:, :, None]
    most = np.log2(count) if count > 1 else 1.0
    even = np.array([[np.mean([entropy(line) for line in head]) / most for head in part] for part in lines])
    whole = np.array([np.mean([entropy(line) for line in part.mean(0)]) / most for part in lines])
    apart = np.array(
        [np.mean([divergence(part[:, line]) for line in range(part.shape[1])]) for part in lines]
    )
    if parts.shape[1] > 1:
        even = np.concatenate([whole[:, None], even], 1)
    return (even, apart) if dims[0] != "head" else (even[0], np.asarray(apart[0]))


def _words(data: xr.Dataset, part: str | None) -> str:
    """Tell the click that is looked at most, how far heads differ, and the click that counts most."""
    here = data["attention"].isel(head=0)
    here = here.mean(part) if part else here
    received = here.mean("behaviour").rename(other="behaviour") if "other" in here.dims else here
    count = data.sizes["behaviour"]
    best, worth = int(received.values.argmax()), int(np.abs(data["change"].values).argmax())
    what = "clicks attend most to" if "other" in here.dims else "it attends most to"
    words = (
        f"Impression {data.attrs['row']} in {data.attrs['scenario']} ({data.attrs['impression']}) was "
        f"predicted "
        f"at {percent(float(data['prediction']))} and was {'' if float(data['label']) else 'not '}clicked. "
        f"Of "
        f"{count} past click{'' if count == 1 else 's'}, {what} {_click(data, best)}: "
        f"{percent(float(received.values[best]))}, where an even share is {percent(1 / count)}."
    )
    apart = float(np.nanmean(data["divergence"].values)) if data.sizes["head"] > 1 else float("nan")
    if np.isfinite(apart):
        words += (
            f" Heads differ by {_small(apart)} on a scale from 0 (all look alike) to 1 (no two at the same "
            "click)."
        )
    change = float(data["change"].values[worth])
    return (
        f"{words} The prediction depends most on {_click(data, worth)}: it "
        f"{'raises' if change > 0 else 'lowers'} "
        f"the log-odds by {abs(change):.2f}. One row has no interval."
    )


def _small(value: float) -> str:
    return f"{value:.2f}" if value >= 0.005 else "less than 0.01"


def _click(data: xr.Dataset, click: int) -> str:
    """Return one past click in words: its last field, scenario and age."""
    value = str(data["value"].values[click, min(1, data.sizes["field"] - 1)])
    scenario, seconds = str(data["scenario"].values[click]), int(data["age"].values[click])
    where, when = f" in {scenario}" if scenario else "", f", {age(seconds)} before" if seconds >= 0 else ""
    return f"{value}{where}{when}"


QUESTION = Question(
    title=TITLE,
    options=BehaviourAttentionOptions,
    analyse=analyse,
    version=1,
    needs=("behaviour",),
    cells=cells,
    instead="Look at what each click changes when it is taken away instead.",
)
