"""Whether a picture of a model's inside would look the same untrained, or with another seed."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting
from pydantic import ValidationError, field_validator

from msviz.analyses.question import Question, QuestionOptions, load_question, load_questions
from msviz.analyses.run import ask
from msviz.analyses.shared.cells import agreement, matched, names, of_sums, sums
from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import Finding, Provenance
from msviz.probing.learned import learned
from msviz.probing.study import UNTRAINED
from msviz.run import Run, shelf
from msviz.run_folder import is_run
from msviz.same_training import other_seeds
from msviz.schema import first_problem

if TYPE_CHECKING:
    from msviz.analyses.shared.cells import Agreement, Cells
    from msviz.probing.study import Study

TITLE = "Would an untrained net, or another seed, show the same?"
SEED = "another seed"
NOBODY = "none"
# Correlations from which two pictures are called the same, and much the same; below, they are others, and
# from -MUCH on opposite ones.
SAME, MUCH = 0.9, 0.5
AVERAGED = 4_000  # rows that are answered with a tap's average in its place
LISTED = 6  # layers whose correlations are told one by one


class ControlsOptions(QuestionOptions):
    """Which question is asked three times, and how; and which run is the other seed."""

    question: str = Setting(description="whose picture is held against controls")
    options: str = Setting(
        "",
        description='that question\'s own options: "a=Search; b=Cart", or the same as a JSON object',
    )
    other: str | None = Setting(
        None,
        description="name or path of a run that differs in the seed alone; by default the first on the run's "
        "shelf, none for no second seed",
    )
    rows: int | None = Setting(
        None, ge=1, description="a uniform sample of so many rows, where the question takes one"
    )

    @field_validator("options", mode="before")
    @classmethod
    def _text(cls, value: Any) -> Any:
        return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value


@dataclass(frozen=True)
class Line:
    """What one control says of one view: the words, the number behind them, and whether it is a warning."""

    control: str
    words: str
    found: Agreement
    warns: bool


def analyse(study: Study, options: ControlsOptions) -> Finding:
    """Return how the cells that a picture draws agree with those of the controls, on the same rows.

    `r` is Pearson's correlation over `cells` cells (control, *each), each being the axes of which the picture
    draws an entry; NaN where one side has no variation. `sums` (control, *each, moment) tell the agreement
    over any entries together (`lines`). Of another seed, heads or experts are matched best by linear
    assignment: `matched` (*within, numbered) names whose cells stand where. Raises MsvizError for a question
    that draws nothing of a model's inside.
    """
    if study.run is None:
        raise invalid("run", None, "controls needs one")
    question, question_options = _question(options)
    name, values = options.question, question_options.model_dump(mode="json")
    other = twin(study.run, options.other)
    share = 1 / (3 if other else 2)
    with study.stage(0.0, share):
        own = ask(study, name, values)
    own_cells = _cells(question, own)
    if "tap" in values and not values["tap"]:
        # A question may choose what it looks at by what it finds: the controls look at the same.
        values["tap"] = str(own.data.attrs.get("tap") or "") or None
    control_sums: dict[str, xr.DataArray] = {}
    with study.stage(share, share):
        control_sums[UNTRAINED] = sums(
            own_cells, _cells(question, ask(study.untrained(), name, values)).values
        )
    which = None
    if other is not None and not own_cells.incomparable:
        with study.stage(2 * share, share):
            theirs = _cells(question, ask(study.beside(Run.open(other.path)), name, values)).values
        if own_cells.numbered:
            theirs, which = matched(own_cells, theirs)
        control_sums[SEED] = sums(own_cells, theirs)
    data = _name_axes(own_cells, control_sums, which)
    data.attrs["averaged"] = json.dumps(_average(study, question, own))
    data.attrs.update(
        question=name,
        asked=own.question,
        other=other.name if other else "",
        seed=int(other.card.seed if other else study.run.card.seed),
        scale=own_cells.scale,
        numbered=own_cells.numbered,
        means=json.dumps(dict(own_cells.means)),
        each=json.dumps(own_cells.each),
        noun=own_cells.noun,
        even=own_cells.even,
        incomparable=own_cells.incomparable,
        same=SAME,
        much=MUCH,
    )
    return Finding(
        analysis="controls",
        question=TITLE,
        takeaway=_takeaway(data),
        data=data,
        provenance=Provenance(rows=own.provenance.rows),
    )


def _average(study: Study, question: Question, own: Finding) -> dict[str, Any]:
    """Return the AUC that the tap which matters most of those drawn is worth, with its 95 % interval."""
    axes = study.axes()
    named = str(own.data.attrs.get("tap") or "")
    taps = (
        [named]
        if named in axes
        else [tap for tap, tap_axes in axes.items() if {*question.needs} <= {*tap_axes}]
    )
    if study.split not in study.dataset.rows:  # all days, say
        study = study.on("test")
    rows = study.sample(AVERAGED)
    impacts = [impact for impact in learned(study, rows, taps) if math.isfinite(impact.worth)] if taps else []
    if not impacts:
        return {}
    best = max(impacts, key=lambda impact: impact.worth)
    return {"worth": best.worth, "low": -best.cost.high, "high": -best.cost.low, "rows": len(rows)}


def average_words(data: xr.Dataset) -> tuple[str, bool] | None:
    """Return what the model loses with the average of what is drawn in its place, and whether that warns.

    None where nothing was measured. Of what is drawn from several taps, the one that matters most is told.
    """
    replacement = json.loads(data.attrs.get("averaged", "{}"))
    if not replacement:
        return None
    low, high = round(replacement["low"], 4), round(replacement["high"], 4)
    bounds = f"95 %: {low:+.4f} to {high:+.4f}; {replacement['rows']:,} rows"
    if low > 0:
        return f"With its average in place AUC falls by {replacement['worth']:.4f} ({bounds}).", False
    return f"With its average in place the model ranks as well (AUC lost, {bounds}): it hardly uses it.", True


def key(options: ControlsOptions, run: Run | None) -> dict[str, Any]:
    """Return all that tells one answer from another: the question asked, and the other run."""
    question, question_options = _question(options)
    assert run is not None  # a question that needs a model is asked of one
    other = twin(run, options.other)
    return {
        "question": options.question,
        "version": question.version,
        "options": question_options.key(),
        "other": other.card.digest if other else None,
    }


def split(options: ControlsOptions) -> str:
    """Return the split that the question is asked of where none is named."""
    return _question(options)[0].split


def twin(run: Run, other: str | None) -> Run | None:
    """Return the run that differs in the seed alone: the one that is named, or the first on the run's shelf.

    Raises MsvizError for a named run that differs in more.
    """
    if other == NOBODY:
        return None
    if other is None:
        return next(iter(other_seeds(run, shelf(run.path.parent))), None)
    beside = run.path.parent / other
    candidate = Run.peek(beside if is_run(beside) else Path(other))
    if not other_seeds(run, [candidate]):
        raise invalid(
            "controls other", other, f"wanted: a run that differs from {run.name} in the seed alone"
        )
    return candidate


def lines(finding: Finding, choices: Mapping[str, str]) -> list[Line]:
    """Return what each control says of the cells of the chosen entries (axis: label), in words.

    Of an axis without a choice, all entries but their mean count together.
    """
    data = finding.data
    chosen = {
        axis: label for axis, label in choices.items() if axis in data.dims and label in names(data, axis)
    }
    return [_line(data, control, chosen) for control in names(data, "control")]


def _line(data: xr.Dataset, control: str, chosen: Mapping[str, str]) -> Line:
    match = _agreement(data, control, chosen)
    other = control == SEED
    who = f"Another seed ({data.attrs['other']})" if other else "An untrained net"
    if math.isnan(match.r):
        where = "Here" if match.even == "this" else f"In {who[0].lower()}{who[1:]}"
        why = f"{where} {data.attrs['even']}" if match.even else f"Only {match.cells} cells"
        against = "another seed" if other else "an untrained net"
        end = f"nothing to compare with {against}" if match.even == "this" else "nothing to compare"
        words = f"{why}: {end}" if match.even else f"{why}: too few to compare with {against}"
        return Line(control, f"{words}.", match, warns=match.even == "this")
    number = f"correlation {_number(match.r)} over {match.cells:,} cells{_by_layer(data, control, chosen)}"
    number += _how(data, chosen) if other else ""
    noun = data.attrs["noun"]
    if match.r < MUCH:
        what = f"shows {'the opposite' if match.r <= -MUCH else 'another'} {noun}"
    elif other:
        what = f"shows {'the same' if match.r >= SAME else 'much of the same'} {noun}"
    else:
        what = f"would show {'the same' if match.r >= SAME else 'much of it'}"
    # What is learned is neither there before training nor one seed's alone.
    warns = match.r < MUCH if other else match.r >= MUCH
    return Line(control, f"{who} {what} ({number}).", match, warns)


def _agreement(data: xr.Dataset, control: str, chosen: Mapping[str, str]) -> Agreement:
    means = json.loads(data.attrs["means"])
    return agreement(data["sums"].sel(control=control), float(data.attrs["scale"]), means, chosen)


def _by_layer(data: xr.Dataset, control: str, chosen: Mapping[str, str]) -> str:
    """Return the correlations layer by layer where all layers are drawn together."""
    if "layer" in chosen or not 2 <= data.sizes.get("layer", 1) <= LISTED:
        return ""
    each = [_agreement(data, control, {**chosen, "layer": name}).r for name in names(data, "layer")]
    return "; layer by layer " + ", ".join("none" if math.isnan(r) else _number(r) for r in each)


def _how(data: xr.Dataset, chosen: Mapping[str, str]) -> str:
    """Return how heads or experts of two seeds were brought together."""
    axis = str(data.attrs["numbered"])
    if not axis or data.sizes[axis] == 1:
        return ""
    mean = json.loads(data.attrs["means"]).get(axis)
    return f", {axis}s averaged" if mean and chosen.get(axis) == mean else f", {axis}s matched best"


def _number(value: float) -> str:
    text = f"{value:.2f}"
    return "0.00" if text == "-0.00" else text


def usual(data: xr.Dataset) -> dict[str, str]:
    """Return the entries that a picture opens with: means or the first; layers, targets, experts all."""
    means = json.loads(data.attrs["means"])
    whole = ("layer", "target", data.attrs["numbered"])
    entries = {axis: means.get(axis, names(data, axis)[0]) for axis in json.loads(data.attrs["each"])}
    return {axis: name for axis, name in entries.items() if axis in means or axis not in whole}


def _takeaway(data: xr.Dataset) -> str:
    chosen = usual(data)
    sentences = [_line(data, control, chosen).words for control in names(data, "control")]
    if replacement := average_words(data):
        sentences.append(replacement[0])
    what = str(data.attrs["question"]).replace("_", " ")
    where = f" ({', '.join(dict.fromkeys(chosen.values()))})" if chosen else ""
    if data.attrs["incomparable"]:
        sentences.append(f"Another seed cannot be compared: {data.attrs['incomparable']}.")
    elif not data.attrs["other"]:
        sentences.append(
            f"No run on the shelf differs from this one in its seed ({data.attrs['seed']}) alone, so it is "
            "not known what another would show."
        )
    return f"Of {what}{where}: {' '.join(sentences)}"


def _question(options: ControlsOptions) -> tuple[Question, QuestionOptions]:
    """Return the question and its options; raise MsvizError for what does not exist."""
    drawable = [name for name, question in load_questions().items() if question.cells]
    if options.question not in drawable:
        raise invalid("controls question", options.question, one_of(drawable))
    question = load_question(options.question)
    values = _values(options.options)
    if options.rows is not None:
        if "rows" not in question.options.model_fields:
            raise invalid("controls rows", options.rows, f"{options.question} takes no number of rows")
        values["rows"] = options.rows
    if values.get("other"):
        raise invalid(
            "controls options", options.options, "two runs are no control of each other: leave out other"
        )
    try:
        chosen: QuestionOptions = question.options.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"controls options: {options.question}: {first_problem(error)}") from error
    return question, chosen


def _values(text: str) -> dict[str, Any]:
    """Return the options that a text holds: a JSON object, or key=value between semicolons."""
    if text.strip().startswith("{"):
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise invalid("controls options", text, "it is not a JSON object") from error
        return {name: value for name, value in parsed.items() if value is not None}
    values = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        name, equals, value = part.partition("=")
        if not equals:
            raise invalid("controls options", part, "wanted: key=value; key=value")
        values[name.strip()] = value.strip()
    return values


def _cells(question: Question, finding: Finding) -> Cells:
    assert question.cells is not None
    return question.cells(finding)


def _name_axes(
    own_cells: Cells, control_sums: Mapping[str, xr.DataArray], which: xr.DataArray | None
) -> xr.Dataset:
    """Return sums, correlations and cells by control, and who was matched with whom."""
    labels: dict[str, Any] = {axis: names(own_cells.values, axis) for axis in own_cells.each}
    parts = []
    for control_values in control_sums.values():
        same = all(names(control_values, axis) == wanted for axis, wanted in labels.items())
        parts.append(control_values if same else control_values.reindex(labels, fill_value=0.0))
    every = np.stack([part.values for part in parts])
    each = [of_sums(moments, own_cells.scale) for moments in every.reshape(-1, every.shape[-1])]
    axes, shape = ("control", *own_cells.each), every.shape[:-1]
    data = xr.Dataset(
        {
            "r": (axes, np.array([correlation.r for correlation in each]).reshape(shape)),
            "cells": (axes, np.array([correlation.cells for correlation in each]).reshape(shape)),
            "sums": ((*axes, "moment"), every),
        },
        {"control": list(control_sums), **labels, "moment": names(parts[0], "moment")},
    )
    return data if which is None else data.assign(matched=which)


QUESTION = Question(
    title=TITLE,
    options=ControlsOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    split_of=split,
    key=key,
)
