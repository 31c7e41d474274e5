"""How well the model predicts in each scenario, with intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from msviz.analyses.question import ComparedView, Question, QuestionOptions
from msviz.analyses.shared.aspects import quality_aspect
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.words import rows
from msviz.finding import Finding, Provenance
from msviz.probing.truth import Score, share_of_best

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.schema import Schema

TITLE = "How well does the model predict in each scenario?"
METRICS = ("auc", "logloss", "gauc", "bias")
BESIDE = ("auc", "logloss")  # metrics whose best reachable value a planted world knows


class PerformanceOptions(QuestionOptions):
    """This question has no options of its own."""


def analyse(study: Study, options: PerformanceOptions) -> Finding:
    """Return AUC, logloss, AUC grouped by user and prediction bias of all rows and of every scenario.

    `value`, `low`, `high` (scope, metric) with 95 % intervals, NaN where not defined and `why` in
    words; `rows`, `clicks` (scope). In a planted world `best` (scope, metric) is what is reachable.
    """
    measured = _measure(study)
    scopes = {ALL: measured["overall"], **measured["scenarios"]}
    table = np.array(
        [[[_number(measures[metric][key]) for metric in METRICS] for measures in scopes.values()]
         for key in ("value", "low", "high")]
    )  # fmt: skip
    cells = ("scope", "metric")
    data = xr.Dataset(
        {
            "value": (cells, table[0]),
            "low": (cells, table[1]),
            "high": (cells, table[2]),
            "why": (
                cells,
                np.array([[measures[metric]["why"] for metric in METRICS] for measures in scopes.values()]),
            ),
            "rows": (("scope",), np.array([measures["rows"] for measures in scopes.values()])),
            "clicks": (("scope",), np.array([measures["clicks"] for measures in scopes.values()])),
        },
        {"scope": list(scopes), "metric": list(METRICS)},
    )
    best = _best(study, list(scopes))
    if best is not None:
        data["best"] = (cells, best)
    words = {name: _words(data, name) for name in scopes}
    return Finding(
        analysis="performance",
        question=TITLE,
        takeaway=words[ALL] + _range(data),
        data=data,
        provenance=Provenance(rows=int(measured["overall"]["rows"])),
        takeaways=words,
    )


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return which share of what can be known a model's AUC reaches, over all rows and per scenario."""
    del truth, schema  # the best reachable is part of the answer
    if "best" not in finding.data:
        return []
    auc = finding.data.sel(metric="auc")
    scores = []
    for name in map(str, auc["scope"].values):
        cell = auc.sel(scope=name)
        best = float(cell["best"])
        value, low, high = (share_of_best(float(cell[key]), best) for key in ("value", "low", "high"))
        if value is None or not np.isfinite(value):
            continue
        words = f"{name}: {value:.0%} of what can be known at all is known, above a coin's throw."
        bounds = (np.nan if low is None else low, np.nan if high is None else high)
        scores.append(Score(name, value, *bounds, 0.0, words, "share of the best AUC"))
    return scores


def _measure(study: Study) -> dict[str, Any]:
    """Return the measures: those that training wrote down for this very data, or fresh ones."""
    run, same = study.run, False
    if run is not None and not study.slice:
        same = run.card.data.fingerprint == study.dataset.fingerprint and study.split in run.metrics
    if run is not None and same:
        measures: dict[str, Any] = run.metrics[study.split]
        return measures
    from msviz.training.scoring import evaluate

    return evaluate(study.net, study.part, device=study.device, progress=study.progress)


def _best(study: Study, scopes: list[str]) -> np.ndarray[Any, Any] | None:
    """Return the best reachable metrics (scope, metric) of a planted world, None for a real log."""
    truth = study.dataset.truth
    if truth is None or study.split not in truth.get("best", {}):
        return None
    # The truth speaks of whole splits and of the log's own scenarios; the rows' probabilities of any.
    own = not study.slice and not study.dataset.scenario_of
    best = truth["best"][study.split] if own else _best_of_rows(study)
    table = np.full((len(scopes), len(METRICS)), np.nan)
    for row, scope in enumerate(scopes):
        measures = best["overall"] if scope == ALL else best["scenarios"].get(scope, {})
        for metric in BESIDE:
            table[row, METRICS.index(metric)] = _number(measures.get(metric))
    return table


def _best_of_rows(study: Study) -> dict[str, Any]:
    """Return what the true click probabilities of the chosen rows reach."""
    from msviz.training.metrics import measure

    part = study.part
    assert part.probability is not None
    measures = measure(part.label, part.probability, part.scenario, study.schema.scenario_names, None)

    def values(line: dict[str, Any]) -> dict[str, Any]:
        return {metric: line[metric]["value"] for metric in BESIDE}

    scenarios = {name: values(line) for name, line in measures["scenarios"].items()}
    return {"overall": values(measures["overall"]), "scenarios": scenarios}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


def _words(data: xr.Dataset, scope: str) -> str:
    here = data.sel(scope=scope)
    auc = here.sel(metric="auc")
    where = "Over all scenarios" if scope == ALL else f"In {scope}"
    count = rows(int(here["rows"]))
    if not np.isfinite(auc["value"]):
        return f"{where}, the AUC is {auc['why'].item()} ({count})."
    interval = f"{float(auc['low']):.3f}–{float(auc['high']):.3f}, " if np.isfinite(auc["low"]) else ""
    words = f"{where}, the AUC is {float(auc['value']):.3f} ({interval}{count})"
    if "best" in here and np.isfinite(auc["best"]):
        words += f"; the best reachable in this planted world is {float(auc['best']):.3f}"
    return words + "."


def _range(data: xr.Dataset) -> str:
    """Return a sentence on the scenarios with the highest and the lowest AUC."""
    auc = data["value"].sel(metric="auc").values[1:]
    names = data["scope"].values[1:]
    if np.isfinite(auc).sum() < 2:
        return ""
    top, bottom = int(np.nanargmax(auc)), int(np.nanargmin(auc))
    return f" By scenario it runs from {auc[bottom]:.3f} ({names[bottom]}) to {auc[top]:.3f} ({names[top]})."


QUESTION = Question(
    title=TITLE,
    options=PerformanceOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    score=score,
    compared=ComparedView(place=2, aspect=quality_aspect),
)
