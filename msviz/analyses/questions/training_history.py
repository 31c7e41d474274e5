"""How a training went: its loss, and how well the net predicted in each scenario meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import ALL
from msviz.errors import invalid
from msviz.finding import Finding, Provenance
from msviz.training.frames import SnapshotReader

if TYPE_CHECKING:
    import pandas as pd

    from msviz.probing.study import Study
    from msviz.training.frames import Measures, Snapshot

TITLE = "How did the training go?"
SPLIT = "valid"
Array = np.ndarray[Any, Any]
METRICS = ("auc", "logloss")


class TrainingHistoryOptions(QuestionOptions):
    """This question has no options of its own."""


def analyse(study: Study, options: TrainingHistoryOptions) -> Finding:
    """Return what training wrote down: nothing is computed again.

    `loss`, `rate` (point): mean training loss of the rows since the point before, and rows a second;
    `auc`, `logloss` with bounds (mark, scenario) on a fixed sample of valid, where frames were kept;
    `valid_auc`, `valid_logloss` (check, scenario) of the full validations, by scenario from version 0.2 on.
    `point_rows`, `mark_rows`, `check_rows` and `..._epoch` tell how much was trained before each. All
    scenarios stand first. Raises MsvizError for a slice: a training is not told apart by rows.
    """
    if study.slice:
        raise invalid("slice", study.slice, "what a training wrote down is of all rows: leave it out")
    assert study.run is not None
    rows = study.run.card.data.rows.get(SPLIT, 0)
    return told(study.run.path, study.run.history, study.schema.scenario_names[1:], rows)


def told(
    path: Path, history: pd.DataFrame | None = None, names: Sequence[str] = (), rows: int = 0
) -> Finding:
    """Return the history of the training in a folder, which may still be going on.

    `history` is a finished run's, `names` the scenarios in the schema's order, `rows` those of valid.
    """
    frames = SnapshotReader(path)
    marks, curve = frames.marks(), frames.curve()
    if not names and marks:
        names = list(marks[-1].scenarios)
    arrays: dict[str, Any] = {}
    if len(curve):
        arrays |= _points(curve["rows"], curve["epoch"], curve["loss"], curve["rate"])
    elif history is not None and len(history):
        arrays |= _points(*(history[key] for key in ("rows", "epoch", "train_loss", "rows_per_second")))
    if marks:
        arrays |= _marks(marks, names)
    if history is not None and len(history):
        arrays |= _checks(history, len(names))
    data = xr.Dataset(arrays, {"scenario": [ALL, *names]})
    data.attrs.update(_facts(marks, history))
    words = {name: _words(data, name) for name in (ALL, *names)}
    return Finding(
        analysis="training_history",
        question=TITLE,
        takeaway=_whole(data) + words[ALL],
        data=data,
        provenance=Provenance(run=path.name, split=SPLIT, rows=rows or int(data.attrs["sample"])),
        takeaways={name: words[name] for name in names},
    )


def _points(rows: pd.Series, epoch: pd.Series, loss: pd.Series, rate: pd.Series) -> dict[str, Any]:
    columns = {"point_rows": rows, "point_epoch": epoch, "loss": loss, "rate": rate}
    return {name: (("point",), values.to_numpy()) for name, values in columns.items()}


def _marks(marks: Sequence[Snapshot], names: Sequence[str]) -> dict[str, Any]:
    """Return what was measured on the sample, mark by mark."""

    def table(metric: str, key: str) -> Array:
        rows = [[mark.overall, *(mark.scenarios.get(name) for name in names)] for mark in marks]
        return np.array([[_number(measures, metric, key) for measures in row] for row in rows], float)

    columns: dict[str, Any] = {
        "mark_rows": (("mark",), np.array([mark.rows for mark in marks])),
        "mark_epoch": (("mark",), np.array([mark.epoch for mark in marks])),
    }
    for metric in METRICS:
        for key, name in (("value", metric), ("low", f"{metric}_low"), ("high", f"{metric}_high")):
            columns[name] = (("mark", "scenario"), table(metric, key))
    return columns


def _checks(history: pd.DataFrame, scenarios: int) -> dict[str, Any]:
    """Return the validations of all rows; by scenario where the bundle tells them."""
    columns: dict[str, Any] = {
        "check_rows": (("check",), history["rows"].to_numpy()),
        "check_epoch": (("check",), history["epoch"].to_numpy()),
    }
    for metric in METRICS:
        table = np.full((len(history), 1 + scenarios), np.nan)
        table[:, 0] = history[f"valid_{metric}"].astype(float)
        each = history.get(f"valid_{metric}_by_scenario")
        if each is not None and all(len(row) == scenarios for row in each):
            table[:, 1:] = np.array([[np.nan if v is None else v for v in row] for row in each], float)
        columns[f"valid_{metric}"] = (("check", "scenario"), table)
    return columns


def _facts(marks: Sequence[Snapshot], history: pd.DataFrame | None) -> dict[str, Any]:
    """Return how much was trained in which time, the rows of the sample, and which weights were kept."""
    facts = {"rows": 0, "epochs": 0.0, "seconds": 0.0, "sample": 0, "kept_rows": -1, "kept_epoch": -1.0}
    if marks:
        last = marks[-1]
        facts |= {"rows": last.rows, "epochs": last.epoch, "seconds": last.seconds}
        facts["sample"] = last.overall.rows
    if history is not None and len(history):
        last_check = history.iloc[-1]
        facts |= {"rows": int(last_check["rows"]), "epochs": float(last_check["epoch"])}
        facts["seconds"] = float(last_check["seconds"])
        auc = history["valid_auc"].astype(float).to_numpy()
        # As training does: the first of the best, or the last where none is defined.
        best = history.iloc[int(np.nanargmax(auc)) if np.isfinite(auc).any() else -1]
        facts |= {"kept_rows": int(best["rows"]), "kept_epoch": float(best["epoch"])}
    return facts


def _whole(data: xr.Dataset) -> str:
    """Return how long the training took and how its loss fell."""
    facts = data.attrs
    epochs = "1 epoch" if facts["epochs"] == 1 else f"{facts['epochs']:.2g} epochs"
    words = f"{facts['rows']:,} rows in {epochs} were trained on in {_time(facts['seconds'])}"
    loss = data["loss"].values if "loss" in data else np.array([])
    if len(loss) > 1:
        tenth = max(1, len(loss) // 10)
        first, last = float(loss[:tenth].mean()), float(loss[-tenth:].mean())
        verb = "fell" if last < first else "rose"
        words += f"; the training loss {verb} from {first:.4f} to {last:.4f}"
    return words + ". "


def _words(data: xr.Dataset, name: str) -> str:
    """Return how the AUC of one scenario went, by validations, and on the sample with its interval."""
    here = data.sel(scenario=name)
    scope = "Over all scenarios" if name == ALL else f"In {name}"
    parts = []
    if "auc" in data and np.isfinite(here["auc"].values).any():
        defined = np.flatnonzero(np.isfinite(here["auc"].values))
        first, last = here.isel(mark=int(defined[0])), here.isel(mark=int(defined[-1]))
        low, high = float(last["auc_low"]), float(last["auc_high"])
        sure = f" (95 %: {low:.3f} to {high:.3f})" if np.isfinite(low) else ""
        parts.append(
            f"AUC on the sample went from {float(first['auc']):.3f} to {float(last['auc']):.3f}{sure}"
        )
    if "valid_auc" in data and np.isfinite(here["valid_auc"].values).any():
        best = here.isel(check=int(np.nanargmax(here["valid_auc"].values)))
        of = "validation AUC" if parts else "AUC of the validations"
        parts.append(
            f"{of} was best after epoch {float(best['check_epoch']):.3g}: {float(best['valid_auc']):.4f}"
        )
    if not parts:
        return f"{scope}, AUC was never defined: 0 validations tell it."
    if name == ALL and data.attrs["kept_rows"] >= 0:
        parts.append(f"the weights of epoch {data.attrs['kept_epoch']:.3g} are kept")
    return f"{scope}, {'; '.join(parts)}."


def _number(measures: Measures | None, metric: str, key: str) -> float:
    value = None if measures is None else getattr(getattr(measures, metric), key)
    return np.nan if value is None else float(value)


def _time(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.1f} min"


QUESTION = Question(
    title=TITLE,
    options=TrainingHistoryOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    split=SPLIT,
)
