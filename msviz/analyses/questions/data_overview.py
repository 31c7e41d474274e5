"""What is in the log: rows and click rates by scenario, and by the values of a field."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import ComparedView, Question, QuestionOptions
from msviz.analyses.shared.aspects import log_aspect
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.words import percent, rows, span
from msviz.data.slices import narrowed
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.statistics.intervals import wilson_interval

if TYPE_CHECKING:
    from msviz.dataset import Rows
    from msviz.probing.study import Study
    from msviz.schema import Field

TITLE = "How many impressions and clicks does each scenario have?"
CHUNK = 1_000_000
Array = np.ndarray[Any, Any]


class DataOverviewOptions(QuestionOptions):
    """What the rows are counted by, beside the scenario."""

    field: str | None = Setting(None, description="a feature, by column name or title; none by default")
    top: int = Setting(
        50, ge=1, le=1_000, description="values with the most rows, the others share one place"
    )


def analyse(study: Study, options: DataOverviewOptions) -> Finding:
    """Return rows, clicks and click rates of every scenario, by the values of a field where one is named.

    `rows`, `clicks`, `click_rate`, `low`, `high` (scenario) or (scenario, value); low and high are
    Wilson's 95 % interval. All splits are counted unless one is named. Raises MsvizError for a field
    that is no feature.
    """
    dataset, schema = study.dataset, study.schema
    splits = list(dataset.rows) if study.split == "all" else [study.split]
    parts = [narrowed(dataset.split(name), study.slice) for name in splits]
    if not sum(part.rows for part in parts):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    value_index: Array | None = None
    dims: tuple[str, ...] = ("scenario",)
    coords: dict[str, list[str]] = {}
    if options.field is not None:
        field = schema.features[schema.index(options.field)]
        value_index, names = _values(parts, field, options.top)
        dims, coords = ("scenario", "value"), {"value": names}
    counts = np.zeros(
        (2, len(schema.scenarios) + 1, 1 if value_index is None else int(value_index.max()) + 1), np.int64
    )
    for part in parts:
        counts += _count(part, options.field, value_index, counts.shape[1:])
    present = np.flatnonzero(counts[0].sum(1))
    present = np.array(sorted(present, key=lambda number: (number == 0, number)))
    counts = np.concatenate([counts.sum(1, keepdims=True), counts[:, present]], 1)
    if value_index is None:
        counts = counts[:, :, 0]
    low, high = wilson_interval(counts[1], counts[0])
    rate = np.divide(counts[1], counts[0], out=np.full(counts[0].shape, np.nan), where=counts[0] > 0)
    arrays = {"rows": counts[0], "clicks": counts[1], "click_rate": rate, "low": low, "high": high}
    data = xr.Dataset(
        {name: (dims, values) for name, values in arrays.items()},
        {"scenario": [ALL, *(schema.scenario_names[number] for number in present)], **coords},
    )
    if options.field is not None:
        data.attrs["field"] = field.label
    return Finding(
        analysis="data_overview",
        question=TITLE
        if options.field is None
        else f"How do impressions and clicks depend on {field.label}?",
        takeaway=_words(data) if options.field is None else _field_words(data),
        data=data,
        provenance=Provenance(rows=sum(part.rows for part in parts)),
    )


def _values(parts: list[Rows], field: Field, top: int) -> tuple[Array, list[str]]:
    """Return the place (size,) of each id among the values shown, and their names.

    Bins of numbers keep their order; other values come by their rows, the rarest share the last place.
    """
    count = sum(
        (np.bincount(part.column(field.name)[start : start + CHUNK], minlength=field.size)
         for part in parts for start in range(0, part.rows, CHUNK)),
        start=np.zeros(field.size, np.int64),
    )  # fmt: skip
    present = np.flatnonzero(count)
    largest = present if field.kind == "numeric" else present[np.argsort(-count[present], kind="stable")]
    rest = len(largest) - top
    largest = largest[:top]
    value_index = np.full(field.size, len(largest), np.int64)
    value_index[largest] = np.arange(len(largest))
    if rest <= 0:
        value_index[value_index == len(largest)] = 0  # ids without rows: never counted
    names = _distinct([field.value_name(int(value)) for value in largest])
    return value_index, [*names, f"{rest:,} other values"] if rest > 0 else names


def _distinct(names: list[str]) -> list[str]:
    """Return the names, numbered where two values carry the same one."""
    count: dict[str, int] = {}
    out = []
    for name in names:
        count[name] = count.get(name, 0) + 1
        out.append(name if count[name] == 1 else f"{name} ({count[name]})")
    return out


def _count(part: Rows, field: str | None, value_index: Array | None, shape: tuple[int, ...]) -> Array:
    """Return rows and clicks (2, S + 1, values) of a split, read in pieces."""
    scenarios, values = shape
    out = np.zeros((2, scenarios * values), np.int64)
    column = None if field is None else part.column(part.schema.features[part.schema.index(field)].name)
    for start in range(0, part.rows, CHUNK):
        rows_here = slice(start, start + CHUNK)
        key = part.scenario[rows_here].astype(np.int64) * values
        if column is not None and value_index is not None:
            key += value_index[column[rows_here]]
        clicked = part.label[rows_here] > 0
        out[0] += np.bincount(key, minlength=scenarios * values)
        out[1] += np.bincount(key[clicked], minlength=scenarios * values)
    return out.reshape(2, scenarios, values)


def _words(data: xr.Dataset) -> str:
    count, rate = data["rows"].values, data["click_rate"].values
    names = data["scenario"].values
    words = f"{rows(int(count[0]))}, {percent(float(rate[0]))} of them clicked."
    if len(names) > 2:
        big, top, low = (1 + int(i) for i in (count[1:].argmax(), rate[1:].argmax(), rate[1:].argmin()))
        share = percent(count[big] / count[0])
        words += (
            f" The largest of {len(names) - 1} scenarios is {names[big]} ({share} of the rows); "
            f"click rates run from {_rate(data, low)} to {_rate(data, top)}."
        )
    return words


def _rate(data: xr.Dataset, scenario: int) -> str:
    cell = data.isel(scenario=scenario)
    return f"{percent(float(cell['click_rate']))} in {cell['scenario'].item()} ({_sure(cell)})"


def _sure(cell: xr.Dataset) -> str:
    """Return interval and rows of one click rate."""
    return f"{span(float(cell['low']), float(cell['high']))}, {rows(int(cell['rows']))}"


def _field_words(data: xr.Dataset) -> str:
    """Return a sentence on the values whose click rates are surely the highest and the lowest."""
    whole = data.sel(scenario=ALL)
    # By the near end of the interval: a rate of 100 % over one row is not the highest.
    top, bottom = int(np.nanargmax(whole["low"].values)), int(np.nanargmin(whole["high"].values))
    parts = []
    for position in (top, bottom):
        cell = whole.isel(value=position)
        parts.append(f"{cell['value'].item()} ({percent(float(cell['click_rate']))}, {_sure(cell)})")
    if top == bottom:
        return f"{data.attrs['field']} takes one value that stands out: {parts[0]}."
    return f"By {data.attrs['field']}, clicks are most frequent at {parts[0]} and least at {parts[1]}."


QUESTION = Question(
    title=TITLE,
    options=DataOverviewOptions,
    analyse=analyse,
    version=1,
    needs=(),
    split="all",
    compared=ComparedView(place=1, aspect=log_aspect),
)
