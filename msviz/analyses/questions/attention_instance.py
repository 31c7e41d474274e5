"""What the model attends to in one impression, with its values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import AXES, MEAN, coords, strongest, with_mean
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.words import percent
from msviz.finding import Finding, Provenance
from msviz.probing.truth import Score, pair_score, true_pairs

if TYPE_CHECKING:
    from msviz.batch import Batch
    from msviz.probing.study import Study
    from msviz.schema import Schema

TITLE = "What does the model attend to in this impression?"


class AttentionInstanceOptions(QuestionOptions):
    """Which impression."""

    row: int = Setting(ge=0, description="number of the row in the log")


def analyse(study: Study, options: AttentionInstanceOptions) -> Finding:
    """Return the attention of one row (the paper's Figure 6).

    `attention` (layer, head, query, key) are shares; `value` (field) the row's values as people read
    them; `prediction` and `label`. Raises MsvizError where the split does not hold the row.
    """
    tap = study.find_tap(*AXES)
    batch = study.part.batch(np.array([study.position(options.row)]))
    trace = study.trace_of(batch)
    attention = with_mean(trace.seen[tap].values[0].float().cpu().numpy())
    layers, heads, _, keys = attention.shape
    names = coords(study, layers, heads - 1, keys)
    scenario = study.schema.scenario_names[int(batch.scenario[0])]
    data = xr.Dataset(
        {
            "attention": (AXES, attention),
            "value": (("field",), read(study, batch)),
            "prediction": ((), float(trace.prediction[0])),
            "label": ((), float(batch.label[0])),
        },
        {**names, "field": names["key"]},
        {"scenario": scenario, "row": options.row},
    )
    here = data["attention"].sel(layer="1", head=MEAN)
    query, key = strongest(here.values)
    values = data["value"].values
    predicted = percent(float(trace.prediction[0]))
    words = (
        f"Impression {options.row} in {scenario} was predicted at {predicted} and was "
        f"{'' if batch.label[0] else 'not '}clicked. In layer 1 and the mean of its heads, "
        f"{names['query'][query]} ({values[query]}) attends most to {names['key'][key]} ({values[key]}): "
        f"{percent(float(here.values[query, key]))}. One row has no interval."
    )
    return Finding(
        analysis="attention_instance",
        question=TITLE,
        takeaway=words,
        data=data,
        provenance=Provenance(rows=1),
    )


def cells(finding: Finding) -> Cells:
    """Return the maps that are drawn, of every layer and head."""
    return Cells(
        finding.data["attention"],
        each=("layer", "head"),
        scale=1 / finding.data.sizes["key"],
        means={"head": MEAN},
        numbered="head",
        within=("layer",),
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well one impression's attention ranks the pairs that act together in its scenario."""
    scenario = str(finding.data.attrs["scenario"])
    attention = finding.data["attention"].sel(layer="1", head=MEAN)
    value, low, high, true, other = pair_score(attention, true_pairs(truth, scenario), truth, schema)
    if not np.isfinite(value):
        return []
    words = (
        f"Of this one impression, a pair that really acts together in {scenario} gets more attention than "
        f"another in {value:.0%} of the comparisons (95 %: {low:.0%} to {high:.0%}; by luck 50 %; {true:.0f} "
        f"pairs against {other:.0f})."
    )
    return [Score(scenario, value, low, high, 0.5, words)]


def read(study: Study, batch: Batch) -> list[str]:
    """Return the N values of a batch's first row as people read them."""
    ids = batch.fields[0].tolist()
    return [field.value_name(index) for field, index in zip(study.schema.features, ids, strict=True)]


QUESTION = Question(
    title=TITLE,
    options=AttentionInstanceOptions,
    analyse=analyse,
    version=1,
    needs=AXES,
    cells=cells,
    score=score,
    instead="One impression says little: look at the average of its scenario.",
)
