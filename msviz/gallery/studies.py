"""The papers' studies: the trainings that are still missing as command lines, and their results as tables."""

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from msviz.errors import invalid, one_of
from msviz.finding import Finding
from msviz.gallery.items import GalleryItem, papers, runs_of
from msviz.papers.paper import load_paper
from msviz.papers.study import SHELF, PaperStudy
from msviz.run import Run, shelf
from msviz.run_folder import CHECKPOINT
from msviz.same_training import deciding
from msviz.training.plans import Plan, names, variants

HEAD = """# The papers' ablations and curves, in numbers

Written by `msviz gallery --tables docs/papers.md` after `make papers` has trained the runs, each with the
settings of a demo run and what is named here changed. AUC is of the test rows; ± is the standard deviation
over seeds, where there are several. The log is simulated ([planted.md](planted.md)): what helps here need not
help elsewhere.
"""


@dataclass(frozen=True)
class StudyTraining:
    """One training of a study: its plan, the name of its run, and the run that is it already."""

    plan: Plan
    name: str
    known: Run | None


def commands(models: Path, paper: str | None, study: str | None, seeds: int, device: str) -> list[str]:
    """Return a command line for each training that the studies lack, those of the first seed first.

    One that was stopped goes on. Raises MsvizError for a study that is none, and where nothing on the shelf
    tells the settings.
    """
    chosen = [
        paper_study for name in papers() if paper in (None, name) for paper_study in load_paper(name).studies
    ]
    if study is not None:
        labels = [paper_study.label for paper_study in chosen]
        if study not in labels:
            raise invalid("--study", study, one_of(labels))
        chosen = [paper_study for paper_study in chosen if paper_study.label == study]
    lines = []
    for training in trainings(chosen, models, seeds, device):
        if training.known is None:
            out = models / SHELF / training.name
            words = ["msviz", *training.plan.arguments(out, frames=0)]
            lines.append(shlex.join([*words, *(["--resume"] if (out / CHECKPOINT).is_dir() else [])]))
    return lines


def trainings(studies: Sequence[PaperStudy], models: Path, seeds: int, device: str) -> list[StudyTraining]:
    """Return the trainings of studies, none twice, with the runs that are there; by seed, then by study."""
    runs = runs_of(models)
    plans: dict[str, tuple[Plan, Plan]] = {}
    for study in studies:
        start = study.begins(runs)
        if start is None:
            raise invalid("--models", str(models), f"it has no run of {study.model} to take settings from")
        base = replace(Plan.of(start, _near(start.path / start.card.data.path)), parent=None, device=device)
        for plan in variants(base, study.changes, range(base.seed, base.seed + seeds)):
            plans.setdefault(_mark(plan), (plan, base))
    ordered = sorted(plans.values(), key=lambda pair: pair[0].seed)
    run_of = {
        _mark(plan): next(
            (run for mark in _data(runs, base) if (run := plan.trained(mark, runs)) is not None), None
        )
        for plan, base in ordered
    }
    # A name that another training left behind is not taken again: its run stays as it is.
    own = {run.path for run in run_of.values() if run is not None}
    taken = [run.name for run in shelf(models / SHELF) if run.path not in own]
    out: list[StudyTraining] = []
    for plan, base in ordered:
        run = run_of[_mark(plan)]
        (name,) = names([plan], base, plan.model, [*taken, *(training.name for training in out)])
        out.append(StudyTraining(plan, name, run))
    return out


def page(found: Sequence[tuple[GalleryItem, Finding | None, str]]) -> str:
    """Return docs/papers.md: the numbers behind every tile of a study, or what is still to be trained."""
    parts = [HEAD]
    for hung, finding, why in found:
        tile = hung.tile
        if tile.study is None:
            continue
        parts.append(f"\n## {hung.paper}, {tile.label}\n\n{tile.title}. {tile.note}".rstrip() + "\n\n")
        if finding is None:
            parts.append(f"Not trained yet: {why}.\n")
        else:
            parts.append("\n".join(_cost(finding.data) if "growth" in finding.data else _aucs(finding.data)))
            parts.append("\n")
    return "".join(parts)


def _aucs(data: xr.Dataset) -> Iterator[str]:
    """Yield the lines of a table: runs by their settings, AUC in every scope."""
    here = data.sel(metric="auc")
    scopes = [str(name) for name in data["scope"].values]
    keys = [str(name) for name in data["setting"].values]
    yield _line(["run", *keys, "seeds", *scopes])
    yield _line(["---"] * (2 + len(keys) + len(scopes)))
    for number, name in enumerate(data["run"].values.astype(str)):
        own = data["settings"].values[number].astype(str).tolist()
        cells = [
            _number(value, apart)
            for value, apart in zip(
                here["value"].values[number], here["deviation"].values[number], strict=True
            )
        ]
        yield _line([name.split(" (")[0], *own, str(int(data["seeds"].values[number])), *cells])


def _cost(data: xr.Dataset) -> Iterator[str]:
    """Yield the lines of a table: a pass over the training rows with and without, pair by pair."""
    yield _line(["model", "without, s", "with, s", "increase"])
    yield _line(["---"] * 4)
    for number, name in enumerate(data["pair"].values.astype(str)):
        without, with_, more = (
            float(data[key].values[number]) for key in ("without_seconds", "with_seconds", "increase")
        )
        yield _line([name, f"{without:.1f}", f"{with_:.1f}", f"{more:+.1%}"])


def _number(value: Any, apart: Any) -> str:
    if not np.isfinite(value):
        return "–"
    return f"{value:.4f}" + (f" ± {apart:.4f}" if np.isfinite(apart) else "")


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _mark(plan: Plan) -> str:
    """Return what tells one training from another."""
    return repr((plan.model, plan.seed, sorted(deciding(plan.full).items(), key=lambda pair: pair[0])))


def _data(runs: Sequence[Run], base: Plan) -> list[str]:
    """Return the fingerprints of the data that the plan would see, as runs of the same data tell them."""
    where = base.data.resolve()
    return list(
        dict.fromkeys(
            run.card.data.fingerprint for run in runs if (run.path / run.card.data.path).resolve() == where
        )
    )


def _near(path: Path) -> Path:
    """Return a path from here where it lies below, so that a command line means the same elsewhere."""
    whole = path.resolve()
    return whole.relative_to(Path.cwd()) if whole.is_relative_to(Path.cwd()) else whole
