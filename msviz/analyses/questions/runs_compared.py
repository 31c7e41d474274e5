"""Runs side by side: which model, and which settings, predict better in each scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared import daily
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.side_by_side import entries, named, switched
from msviz.analyses.shared.words import listed, rows
from msviz.errors import MsvizError, invalid
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.probing.groups import DAY
from msviz.statistics.auc import delong_test, mean_placements, placements
from msviz.statistics.comparison import NOTHING, adjust_p_values, paired_test
from msviz.training.metrics import row_losses

if TYPE_CHECKING:
    from msviz.analyses.shared.side_by_side import ComparedRun
    from msviz.probing.study import Study
    from msviz.run import Run
    from msviz.statistics.auc import Placements
    from msviz.statistics.comparison import Paired

Array = np.ndarray[Any, Any]
TITLE = "Which run predicts better, and where?"
METRICS = ("auc", "logloss", "gauc", "bias")
TESTED = ("auc", "logloss")
LEVEL = 0.05
NORMAL_DAYS, PROMOTION_DAYS, BESIDE_DAYS = "Normal days", "Promotion days", "Days before and after"


class RunsComparedOptions(QuestionOptions):
    """Which runs stand beside the one that is asked, and whether differences are tested."""

    runs: str | None = Setting(
        None, description="paths between commas, of runs or of a folder of runs; by default the shelf"
    )
    paired: bool = Setting(False, description="score all runs on the same rows and test every difference")
    by: Literal["scenario", "period"] = Setting(
        "scenario", description="measures of every scenario, or of normal days and of promotions"
    )
    periods: str = Setting(
        "", max_length=4000, description='promotions, as in "2025-03-11..2025-03-15 Spring sale; …"'
    )
    rows: int = Setting(
        1_000_000, ge=100, description="rows that are scored, a uniform sample of up to so many"
    )

    def key(self) -> dict[str, Any]:
        """Return the options with the runs' content in place of their paths."""
        return {**super().key(), "runs": sorted(run.card.digest for run in named(self.runs))}


def analyse(study: Study, options: RunsComparedOptions) -> Finding:
    """Return every metric of every run trained on this data, and its difference from the run that is asked.

    `value`, `low`, `high` (run, scope, metric): means over runs that differ in their seed alone, bounds of
    95 % over rows; `deviation` over the seeds (NaN for one). `difference` from the first run; where `paired`,
    its bounds `difference_low`, `difference_high`, p and q (Benjamini and Hochberg over runs and scopes of a
    metric): DeLong's test for AUC, paired normal for logloss. `improvement` (run, scope) is RelaImpr:
    (AUC - 0.5) / (AUC of the first - 0.5) - 1. `model`, `seeds`, `parameters` (run); `settings` (run,
    setting) are those in which runs of one model differ. `pair_with`, `pair_without` (pair) are places of
    runs that differ in what is switched on alone. Scopes are the scenarios of the run that is asked,
    whatever another run knows as scenarios; or, by period, normal days and promotions. Training's own metrics
    are read where they are of these rows and scopes; otherwise the runs are scored.
    """
    assert study.run is not None
    listing, elsewhere = entries(study.run, named(options.runs), study.dataset.fingerprint)
    if not listing:
        raise MsvizError(f"run {study.run.name}: it was trained on other data than {study.dataset.name}")
    read = not study.slice and all(study.split in run.metrics for entry in listing for run in entry.runs)
    # What is tested and what is shown must be of the same rows; so must be what is read and what is scored.
    own_fields = study.run.card.scenario_fields
    strangers = any(run.card.scenario_fields != own_fields for entry in listing for run in entry.runs)
    read = read and options.by == "scenario"
    read = read and not ((options.paired or strangers) and options.rows < study.part.rows)
    scored = (
        None if read and not options.paired else _scores(study, listing, study.sample(options.rows), options)
    )
    measured = _read(study, listing, scored) if read else _measure(scored)
    scopes = list(
        dict.fromkeys(scope for entry_measures in measured for run in entry_measures for scope in run)
    )
    data = _table(listing, measured, scopes)
    if scored is not None:
        data = data.assign(_tests(scored, scopes) if options.paired else {})
    data.attrs.update(paired=int(options.paired), elsewhere=elsewhere, first=listing[0].name, by=options.by)
    words = {metric: _words(data, metric, ALL) for metric in METRICS}
    words |= {f"{metric}, {scope}": _words(data, metric, scope) for metric in METRICS for scope in scopes[1:]}
    count = int(np.nanmax(data["rows"].values))
    return Finding(
        analysis="runs_compared",
        question=TITLE,
        takeaway=words["auc"],
        data=data,
        provenance=Provenance(rows=count),
        takeaways=words,
    )


class _Scored:
    """What runs say of the same rows: labels, scenarios, users, and each entry's predictions by run."""

    def __init__(self, study: Study, positions: Array, options: RunsComparedOptions) -> None:
        from msviz.training.scoring import users

        part, user_ids = study.part, users(study.part)
        self.positions = positions
        self.label = np.asarray(part.label)[positions]
        self.scenario, self.names = np.asarray(part.scenario)[positions], study.schema.scenario_names
        if options.by == "period":
            self.scenario, self.names = _days(study, positions, options.periods)
        self.user = None if user_ids is None else np.asarray(user_ids)[positions]
        self.predictions: list[list[Array]] = []

    def inside(self, scope: str) -> Array:
        """Return which rows (n,) are of a scope."""
        if scope == ALL:
            return np.ones(len(self.label), bool)
        return np.asarray(self.scenario == self.names.index(scope))

    def measured(self, score: Array) -> dict[str, Any]:
        """Return the measures of predictions (n,) by scope."""
        from msviz.training.metrics import measure

        return _by_scope(measure(self.label, score, self.scenario, self.names, self.user))


def _days(study: Study, positions: Array, periods: str) -> tuple[Array, list[str]]:
    """Return of which kind of day (n,) each row is, and the kinds' names: 0 lies beside a promotion.

    Raises MsvizError where no promotions are known.
    """
    day = np.asarray(study.part.time)[positions] // DAY
    first = int(day.min(initial=0))
    days = [str(np.datetime64(number, "D")) for number in range(first, int(day.max(initial=first)) + 1)]
    calendar = daily.calendar(days, periods, study.dataset.truth)
    if not calendar.known:
        raise invalid("periods", periods, "no promotions are known here: name them")
    kind = np.where(calendar.within([daily.NORMAL]), 1, np.where(calendar.within(daily.PROMOTION), 2, 0))
    return kind[day - first], [BESIDE_DAYS, NORMAL_DAYS, PROMOTION_DAYS]


def _scores(
    study: Study, listing: list[ComparedRun], positions: Array, options: RunsComparedOptions
) -> _Scored:
    """Return the predictions of all runs for the same rows."""
    scored = _Scored(study, positions, options)
    total, done = sum(len(entry.runs) for entry in listing), 0
    for entry in listing:
        scored.predictions.append([])
        for run in entry.runs:
            with study.stage(done / total, 1 / total):
                scored.predictions[-1].append(_predict(study, run, positions))
            done += 1
    return scored


def _predict(study: Study, run: Run, positions: Array) -> Array:
    """Return what a run says of the study's rows at these positions (n,)."""
    from msviz.training.scoring import probabilities

    beside = study.beside(run)
    out = np.empty(len(positions), np.float32)
    for start in range(0, len(positions), study.batch_size):
        chunk = positions[start : start + study.batch_size]
        with torch.inference_mode():
            out[start : start + len(chunk)] = probabilities(beside.net, beside.batch(chunk)).cpu().numpy()
        if study.progress:
            done = start + len(chunk)
            study.progress(
                done / len(positions), f"scoring {run.name}: {done:,} of {len(positions):,} predictions"
            )
    return out


def _read(study: Study, listing: list[ComparedRun], scored: _Scored | None) -> list[list[dict[str, Any]]]:
    """Return per entry and run the measures by scope that training wrote down.

    A run with other scenarios wrote them down by those, which may even share a name: it is scored.
    """
    assert study.run is not None
    own_fields, rows = study.run.card.scenario_fields, None
    out: list[list[dict[str, Any]]] = []
    for row, entry in enumerate(listing):
        out.append([])
        for number, run in enumerate(entry.runs):
            if run.card.scenario_fields == own_fields:
                out[-1].append(_by_scope(run.metrics[study.split]))
            elif scored is not None:
                out[-1].append(scored.measured(scored.predictions[row][number]))
            else:
                rows = rows or _Scored(study, np.arange(study.part.rows), RunsComparedOptions())
                out[-1].append(rows.measured(_predict(study, run, rows.positions)))
    return out


def _measure(scored: _Scored | None) -> list[list[dict[str, Any]]]:
    assert scored is not None
    return [[scored.measured(prediction) for prediction in each] for each in scored.predictions]


def _by_scope(measured: dict[str, Any]) -> dict[str, Any]:
    return {ALL: measured["overall"], **measured["scenarios"]}


def _table(listing: list[ComparedRun], measured: list[list[dict[str, Any]]], scopes: list[str]) -> xr.Dataset:
    """Return the metrics (run, scope, metric) and what the runs are."""
    shape = (len(listing), len(scopes), len(METRICS))
    arrays = {name: np.full(shape, np.nan) for name in ("value", "low", "high", "deviation")}
    for row, runs in enumerate(measured):
        for column, scope in enumerate(scopes):
            for number, metric in enumerate(METRICS):
                each = [run[scope][metric] for run in runs if scope in run]
                values = [cell["value"] for cell in each if cell["value"] is not None]
                if not values or len(values) < len(runs):
                    continue
                arrays["value"][row, column, number] = np.mean(values)
                for bound in ("low", "high"):
                    bounds = [cell[bound] for cell in each]
                    if None not in bounds:
                        arrays[bound][row, column, number] = np.mean(bounds)
                if len(values) > 1:
                    arrays["deviation"][row, column, number] = np.std(values, ddof=1)
    cells = ("run", "scope", "metric")
    auc = arrays["value"][..., METRICS.index("auc")]
    with np.errstate(divide="ignore", invalid="ignore"):
        better = np.where(auc[:1] > 0.5, (auc - 0.5) / (auc[:1] - 0.5) - 1, np.nan)
    keys = list(dict.fromkeys(key for entry in listing for key in entry.settings))
    settings = np.array([[entry.settings.get(key, "") for key in keys] for entry in listing], dtype=object)
    pairs = switched(listing)
    return xr.Dataset(
        {
            **{name: (cells, array) for name, array in arrays.items()},
            "difference": (cells, arrays["value"] - arrays["value"][:1]),
            "improvement": (cells[:2], better),
            "rows": (("scope",), np.array([_rows(measured, scope) for scope in scopes])),
            "model": (("run",), np.array([entry.model for entry in listing])),
            "seeds": (("run",), np.array([len(entry.runs) for entry in listing])),
            "parameters": (("run",), np.array([entry.runs[0].card.parameters for entry in listing])),
            "changes": (("run",), np.array([_changes(entry, listing) for entry in listing])),
            "settings": (("run", "setting"), settings.astype(str).reshape(len(listing), len(keys))),
            "pair_with": (("pair",), np.array([pair.on for pair in pairs], int)),
            "pair_without": (("pair",), np.array([pair.off for pair in pairs], int)),
        },
        {
            "run": [entry.name for entry in listing], "scope": scopes, "metric": list(METRICS),
            "setting": keys, "pair": [pair.name for pair in pairs],
        },
    )  # fmt: skip


def _rows(measured: list[list[dict[str, Any]]], scope: str) -> int:
    return max(
        int(run[scope]["rows"]) for entry_measures in measured for run in entry_measures if scope in run
    )


def _changes(entry: ComparedRun, listing: list[ComparedRun]) -> str:
    """Return a run's settings that differ from the first of its model, in words."""
    base = next(other for other in listing if other.model == entry.model)
    if entry is base:
        return entry.model
    changed = [f"{key} {value}" for key, value in entry.settings.items() if value != base.settings[key]]
    return f"{entry.model}, {', '.join(changed)}"


def _tests(scored: _Scored, scopes: list[str]) -> dict[str, Any]:
    """Return difference, bounds, p and q of AUC and logloss, every run against the first on the same rows."""
    shape = (4, len(scored.predictions), len(scopes), len(METRICS))
    out = np.full(shape, np.nan)
    losses = [[row_losses(scored.label, prediction) for prediction in each] for each in scored.predictions]
    for column, scope in enumerate(scopes):
        inside = scored.inside(scope)
        label = scored.label[inside]
        base = _mean_placements(label, [prediction[inside] for prediction in scored.predictions[0]])
        own = np.mean([loss[inside] for loss in losses[0]], 0)
        for row in range(1, len(scored.predictions)):
            other = _mean_placements(label, [prediction[inside] for prediction in scored.predictions[row]])
            tests: dict[str, Paired] = {"auc": delong_test(base, other) if base and other else NOTHING}
            tests["logloss"] = paired_test(own, np.mean([loss[inside] for loss in losses[row]], 0))
            for metric, test in tests.items():
                cell = (test.difference, test.low, test.high, test.p)
                out[:, row, column, METRICS.index(metric)] = cell
    cells = ("run", "scope", "metric")
    q = np.stack([adjust_p_values(out[3, ..., number]) for number in range(len(METRICS))], -1)
    names = ("difference_low", "difference_high", "p")
    tested = {name: (cells, array) for name, array in zip(names, out[1:], strict=True)}
    return {**tested, "q": (cells, q), "significant": (cells, np.nan_to_num(q, nan=1.0) <= LEVEL)}


def _mean_placements(label: Array, scores: list[Array]) -> Placements | None:
    parts = [placements(label, prediction) for prediction in scores]
    defined = [part for part in parts if part is not None]
    return mean_placements(defined) if defined and len(defined) == len(parts) else None


def _words(data: xr.Dataset, metric: str, scope: str) -> str:
    """Return sentences on the best run in a scope, how sure that is, and what was left out."""
    here = data.sel(metric=metric, scope=scope)
    by_day = data.attrs["by"] == "period"
    where = f"on {scope[0].lower()}{scope[1:]}" if by_day else f"in {scope}"
    if scope == ALL:
        where = "over all days" if by_day else "over all scenarios"
    value = here["value"].values
    names = data["run"].values
    title = {"auc": "AUC", "logloss": "logloss", "gauc": "AUC by user", "bias": "bias"}[metric]
    article = "an" if title.startswith("AUC") else "a"
    defined = np.flatnonzero(np.isfinite(value))
    other = int(data.attrs["elsewhere"])
    left = f" {other} runs trained on other data are left out." if other > 1 else ""
    left = " 1 run trained on other data is left out." if other == 1 else left
    if not len(defined):
        return f"No run has a {title} {where}.{left}"
    size = (
        np.abs(value[defined])
        if metric == "bias"
        else value[defined]
        if metric == "logloss"
        else -value[defined]
    )
    order = defined[np.argsort(size, kind="stable")]
    best = int(order[0])
    bounds = ""
    if np.isfinite(here["low"].values[best]):
        bounds = f", 95 %: {here['low'].values[best]:.4f} to {here['high'].values[best]:.4f}"
    if len(defined) == 1:
        return (
            f"{names[best]} is the only run on this data with {article} {title} {where}: {value[best]:.4f} "
            f"({rows(int(here['rows']))}{bounds}).{left}"
        )
    words = (
        f"{where[0].upper()}{where[1:]}, {names[best]} has the best {title} of {len(defined)} runs: "
        f"{value[best]:.4f} ({rows(int(here['rows']))}{bounds})"
    )
    words += f"; {names[int(order[1])]} follows with {value[int(order[1])]:.4f}."
    return words + _describe_tests(data, metric, scope) + left


def _describe_tests(data: xr.Dataset, metric: str, scope: str) -> str:
    first = data.attrs["first"]
    if metric not in TESTED:
        return ""
    if "q" not in data:
        return (
            " Differences are not tested here; intervals of runs on the same rows may overlap and yet differ."
        )
    here = data.sel(metric=metric, scope=scope).isel(run=slice(1, None))
    real = here["significant"].values
    if not real.any():
        return f" On the same rows, no run differs from {first} by more than chance."
    up = here["difference"].values > 0 if metric == "auc" else here["difference"].values < 0
    sides = [
        f"{listed([str(name) for name in here['run'].values[real & side]])} {word}"
        for side, word in ((up, "better"), (~up, "worse"))
        if (real & side).any()
    ]
    held = "beyond chance (false discoveries held at 5 %)"
    return f" Against {first} on the same rows, {held}: {'; '.join(sides)}."


QUESTION = Question(
    title=TITLE,
    options=RunsComparedOptions,
    analyse=analyse,
    version=2,
    needs=("prediction",),
)
