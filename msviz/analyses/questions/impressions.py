"""Single impressions to look at: a sample of scored rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.words import percent, rows
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.probing.reducers import Sample

if TYPE_CHECKING:
    from msviz.probing.study import Study

TITLE = "Which impressions does the model get right or wrong?"


class ImpressionsOptions(QuestionOptions):
    """How many impressions are drawn."""

    sample: int = Setting(
        5_000, ge=1, le=50_000, description="impressions drawn uniformly, without replacement"
    )


def analyse(study: Study, options: ImpressionsOptions) -> Finding:
    """Return a uniform sample of the split's rows with their predictions.

    `row` (impression) numbers the row in the log; `prediction`, `label`, `error` = |label - prediction|,
    `scenario` (impression); `value` (impression, field) are ids, named by the schema's vocabularies.
    """
    positions = study.sample(options.sample)
    if not len(positions):
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    sample = Sample(len(positions), ("prediction", "label"))
    study.stream([sample], positions)
    prediction, label = sample.values("prediction"), sample.values("label")
    scenario = study.part.scenario[positions]
    names = np.array(study.schema.scenario_names)
    data = xr.Dataset(
        {
            "row": (("impression",), np.array(study.part.row[positions])),
            "prediction": (("impression",), prediction),
            "label": (("impression",), label),
            "error": (("impression",), np.abs(label - prediction)),
            "scenario": (("impression",), names[scenario]),
            "value": (("impression", "field"), study.part.fields(positions).astype(np.int32)),
        },
        {"field": [field.label for field in study.schema.features]},
    )
    words = {str(name): _words(data, str(name)) for name in names[np.unique(scenario)]}
    return Finding(
        analysis="impressions",
        question=TITLE,
        takeaway=_words(data, None),
        data=data,
        provenance=Provenance(rows=len(positions)),
        takeaways=words,
    )


def _words(data: xr.Dataset, scenario: str | None) -> str:
    """Return a sentence on how many were clicked, and on the clicked one that was rated lowest."""
    part = data if scenario is None else data.isel(impression=data["scenario"].values == scenario)
    label, prediction = part["label"].values, part["prediction"].values
    scope = "Of" if scenario is None else f"In {scenario}, of"
    rate, expected = percent(float(label.mean())), percent(float(prediction.mean()))
    words = (
        f"{scope} {rows(len(label))} drawn, {rate} were clicked and the model predicted {expected} on average"
    )
    clicked = np.flatnonzero(label)
    if len(clicked):
        worst = clicked[prediction[clicked].argmin()]
        row, lowest = int(part["row"].values[worst]), percent(float(prediction[worst]))
        words += f"; the clicked impression with the lowest prediction ({lowest}) is row {row}"
    return words + "."


QUESTION = Question(
    title=TITLE,
    options=ImpressionsOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
)
