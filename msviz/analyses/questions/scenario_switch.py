"""What the model would say, and where it would look, if one impression had come in another scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import AXES, MEAN, coords, with_mean
from msviz.analyses.shared.cells import Cells
from msviz.analyses.shared.words import percent
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.schema import UNSEEN

if TYPE_CHECKING:
    from msviz.batch import Batch
    from msviz.probing.study import Study
    from msviz.trace import Trace

TITLE = "What would the model say of this impression in another scenario?"


class ScenarioSwitchOptions(QuestionOptions):
    """Which impression, and into how many scenarios it is put."""

    row: int = Setting(ge=0, description="number of the row in the log")
    most: int = Setting(300, ge=2, le=10_000, description="the largest scenarios of the split, up to so many")


def analyse(study: Study, options: ScenarioSwitchOptions) -> Finding:
    """Return prediction and attention of the same row put into every scenario.

    `prediction`, `actual` (scenario); where the model shows it, `attention` (scenario, layer, head, query,
    key). Only the scenario fields change; every other field, and the history, keeps its value. Raises
    MsvizError where the split does not hold the row or the log has no scenarios.
    """
    if not study.schema.scenarios:
        raise MsvizError("scenario_switch: this log has no scenario field, so there is nowhere to go")
    batch = study.batch(np.array([study.position(options.row)]))
    own = int(batch.scenario[0])
    scenarios = _choose(study, own, options.most)
    trace = study.trace_of(placed(study, batch, scenarios))
    names = [study.schema.scenario_names[scenario] for scenario in scenarios]
    prediction = trace.prediction.float().cpu().numpy()
    data = xr.Dataset(
        {
            "prediction": (("scenario",), prediction),
            "actual": (("scenario",), np.array([scenario == own for scenario in scenarios])),
            "label": ((), float(batch.label[0])),
        },
        {"scenario": names},
        {"row": options.row},
    )
    data = _with_attention(study, trace, data)
    return Finding(
        analysis="scenario_switch",
        question=TITLE,
        takeaway=_words(study, options.row, names, prediction, scenarios.index(own)),
        data=data,
        provenance=Provenance(rows=1),
    )


def cells(finding: Finding) -> Cells:
    """Return the attention received, of every layer and head; raise MsvizError where none is shown."""
    if "attention" not in finding.data:
        raise MsvizError("scenario_switch: this model shows no attention between fields")
    return Cells(
        finding.data["attention"].mean("query"),
        each=("layer", "head"),
        scale=1 / finding.data.sizes["key"],
        means={"head": MEAN},
        numbered="head",
        within=("layer",),
    )


def _with_attention(study: Study, trace: Trace, data: xr.Dataset) -> xr.Dataset:
    """Return the answer with attention between fields, where the model shows it."""
    tap = next((name for name, axes in study.axes().items() if axes == AXES), None)
    if tap is None:
        return data
    attention = with_mean(trace.seen[tap].values.float().cpu().numpy())
    _, layers, heads, _, keys = attention.shape
    described = data.assign_coords(coords(study, layers, heads - 1, keys))
    return described.assign(attention=(("scenario", *AXES), attention))


def placed(study: Study, batch: Batch, scenarios: list[int]) -> Batch:
    """Return a batch of S rows: the first row of `batch`, put into each of the scenarios.

    The row stays as it is where it already belongs, so an unseen combination keeps its own values.
    """
    many = batch.take(torch.zeros(len(scenarios), dtype=torch.long))
    fields = many.fields.clone()
    columns = study.schema.scenario_columns
    for row, scenario in enumerate(scenarios):
        if scenario != UNSEEN:
            fields[row, columns] = torch.tensor(study.schema.scenarios[scenario - 1])
    return many.replace(fields=fields, scenario=torch.tensor(scenarios))


def _choose(study: Study, own: int, most: int) -> list[int]:
    """Return the row's own scenario and the largest others, in the schema's order."""
    count = np.bincount(study.part.scenario, minlength=len(study.schema.scenarios) + 1)
    ranked = [int(number) for number in np.argsort(-count, kind="stable") if number not in (own, UNSEEN)]
    return sorted([own, *ranked[: most - 1]], key=lambda number: (number == UNSEEN, number))


def _words(
    study: Study,
    row: int,
    names: list[str],
    prediction: np.ndarray[tuple[int], np.dtype[np.float32]],
    own: int,
) -> str:
    low, high = int(prediction.argmin()), int(prediction.argmax())
    specific = [field.label for field in study.schema.features if field.specific and field.role != "scenario"]
    stays = "Only the scenario changes; all other fields keep their values"
    if specific:
        stays += f", also the scenario-specific ones ({', '.join(specific)})"
    words = (
        f"In {names[own]}, where it was shown, impression {row} is predicted at "
        f"{percent(float(prediction[own]))}"
    )
    if len(names) > 1:
        words += (
            f"; over {len(names)} scenarios the prediction runs from {percent(float(prediction[low]))} "
            f"({names[low]}) to {percent(float(prediction[high]))} ({names[high]})"
        )
    return f"{words}. {stays}. One row has no interval."


QUESTION = Question(
    title=TITLE,
    options=ScenarioSwitchOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    cells=cells,
)
