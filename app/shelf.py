"""What the pages open: runs, datasets, kept findings and models, each read once and shared by sessions."""

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import streamlit as st

from msviz.analyses.question import load_question
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.papers.study import SHELF
from msviz.run import Run
from msviz.shelving.listing import Listing, ShelfEntry, ShelfListing
from msviz.shelving.notes import NOTHING

if TYPE_CHECKING:
    from msviz.probing.study import Study
    from msviz.probing.truth import Score

LOOKED_AT = 16  # nets that one page lays out to tell which runs can answer a question: some 10 ms each
MOST_REASONS = 50_000
SINGLE = ("attention_instance", "scenario_switch", "behaviour_attention")


def models() -> Path:
    return Path(os.environ.get("MSVIZ_MODELS", "models"))


def data() -> Path:
    return Path(os.environ.get("MSVIZ_DATA", "data"))


def runs() -> list[Run]:
    """Return the runs on the shelf, newest first."""
    return look().runs


def study_runs() -> list[Run]:
    """Return the runs that `make papers` trained, which only the gallery shows, newest first."""
    return _listing(str(models() / SHELF)).look().runs


def look() -> ShelfListing:
    """Return the shelf with its notes and what cannot be read; only what changed is read again."""
    return _listing(str(models())).look()


def find_run(digest: str) -> Run | None:
    """Return the run with this content, as the page's last look at the shelf found it."""
    entry = _listing(str(models())).last.by_digest.get(digest)
    return entry.run if entry else None


def runs_of_other_seeds(run: Run) -> list[Run]:
    """Return the runs on the shelf that differ from one in the seed alone, by seed."""
    runs = _listing(str(models())).last.runs
    return _seeds_of(
        run.card.digest, hash(tuple((other.path, other.card.digest) for other in runs)), run, runs
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _seeds_of(digest: str, shelf: int, _run: Run, _runs: Sequence[Run]) -> list[Run]:
    from msviz.same_training import other_seeds

    return other_seeds(_run, _runs)


@st.cache_resource(max_entries=4, show_spinner=False)
def _listing(folder: str) -> Listing:
    return Listing(Path(folder))


def datasets() -> list[Dataset]:
    """Return the encoded datasets in the data folder, by name."""
    datasets = []
    for file in sorted(data().glob("*/dataset.json")):
        with suppress(MsvizError, OSError):
            datasets.append(_dataset(*_stamp(file)))
    return datasets


@st.cache_resource(max_entries=64, show_spinner=False)
def _dataset(path: str, stamp: int) -> Dataset:
    return open_data(Path(path).parent)


def data_of(run: Run) -> Dataset:
    """Return the data that a run was trained on; raise MsvizError when it is not here.

    Its scenarios are what the run knows as such; `.logged` is the dataset with the log's own.
    """
    return _data_of(str(run.path), run.card.digest, run)


def log_of(run: Run) -> tuple[Run | None, Dataset | None]:
    """Return whom to ask about the log as a run sees it: the log, so that runs share answers, or the run.

    A run with other scenarios is asked itself: a log on the disk knows only its own.
    """
    dataset = data_of(run)
    return (run, None) if dataset.scenario_of else (None, dataset)


@st.cache_resource(max_entries=32, show_spinner=False)
def _data_of(path: str, digest: str, _run: Run) -> Dataset:
    from msviz.data.run_data import find_data

    return find_data(_run)


def is_simulated(dataset: Dataset) -> bool:
    """Tell whether a dataset was planted rather than logged."""
    origin = dataset.meta.get("origin", {})
    return bool(origin.get("simulated")) or dataset.truth is not None


def why_not(name: str, path: str, digest: str) -> str:
    """Return why a run cannot answer a question, or "" when it can."""
    # Every look asks the disk about every run: once a page is enough.
    entry = _listing(str(models())).last.by_digest.get(digest) or ShelfEntry(Run.peek(path), NOTHING)
    reasons, key = _reasons(), (name, entry.shape)
    if key not in reasons:
        from msviz.analyses.run import why_not as asked

        if len(reasons) > MOST_REASONS:
            reasons.clear()
        try:
            reasons[key] = str(asked(name, entry.run))
        except MsvizError as error:  # a run of a model that is not here
            reasons[key] = str(error)
    return reasons[key]


@st.cache_resource(show_spinner=False)
def _reasons() -> dict[tuple[str, str], str]:
    """Return why not, by question and shape of run: a net is laid out once for all runs of its shape."""
    return {}


def able_runs(name: str, runs: Sequence[Run] | None = None) -> list[Run]:
    """Return those of the runs (all on the shelf) that can answer a question, in their order.

    So many nets are laid out in one go, one of every model before the others; runs of other shapes are taken
    to be as the last of their model that was looked at.
    """
    listing, reasons = look(), _reasons()
    by_path = {entry.run.path: entry for entry in listing.entries}
    entries = [entry for run in (listing.runs if runs is None else runs) if (entry := by_path.get(run.path))]
    shapes = {entry.shape: entry for entry in reversed(entries)}
    first = {entry.card.model: shape for shape, entry in shapes.items()}
    left, able, models = LOOKED_AT, dict[str, bool](), dict[str, bool]()
    for shape in dict.fromkeys([*first.values(), *reversed(shapes)]):
        entry = shapes[shape]
        new = (name, shape) not in reasons
        if not new or left:
            left -= new
            models[entry.card.model] = not why_not(name, str(entry.run.path), entry.card.digest)
        able[shape] = models.get(entry.card.model, False)
    return [entry.run for entry in entries if able[entry.shape]]


def taps(run: Run) -> dict[str, tuple[str, ...]]:
    """Return the axes of what a run's net shows, by name."""
    return _taps(ShelfEntry(run, NOTHING).shape, run)


@st.cache_resource(max_entries=512, show_spinner=False)
def _taps(shape: str, _run: Run) -> dict[str, tuple[str, ...]]:
    from msviz.analyses.run import tap_axes

    try:
        return tap_axes(_run)
    except MsvizError:  # a run of a model that is not here
        return {}


def load(path: Path) -> Finding | None:
    """Return a kept finding, or None where there is none that can be read."""
    if not path.is_file():
        return None
    try:
        return _load(*_stamp(path))
    except MsvizError:
        return None


@st.cache_resource(max_entries=24, show_spinner=False)
def _load(path: str, stamp: int) -> Finding:
    return Finding.load(path)


@dataclass(frozen=True)
class OpenModel:
    """A run's net with its data, open for single impressions; hooks are global to a net: hold the lock."""

    study: "Study"
    lock: threading.Lock


@st.cache_resource(max_entries=3, show_spinner="Opening the model …")
def _open_model(path: str, digest: str, _dataset: Dataset) -> OpenModel:
    from msviz.probing.study import Study

    study = Study.open(Run.open(path), _dataset)
    return OpenModel(study, threading.Lock())


def ask(name: str, path: str, digest: str, _run: Run, **options: object) -> Finding:
    """Return a quick answer, computed here on the shared model: one impression, or sums already kept.

    All but single impressions are of the slice that the pages speak of.
    """
    from app import slicing

    single = name in SINGLE or options.get("question") in SINGLE
    return _ask(name, path, digest, "" if single else slicing.current(), _run, **options)


@st.cache_resource(max_entries=64, show_spinner=False)
def _ask(name: str, path: str, digest: str, slice: str, _run: Run, **options: object) -> Finding:
    from msviz.analyses.run import ask as asked
    from msviz.probing.study import Study

    model = _open_model(path, digest, data_of(_run))
    with model.lock:
        study = Study(model.study.run, model.study.dataset, slice=slice, net=model.study.net)
        # One impression takes milliseconds: keeping each would fill the shelf.
        study.keep = name not in SINGLE and options.get("question") not in SINGLE
        return asked(study, name, options)


def score(finding: Finding) -> "list[Score] | None":
    """Return how well a finding agrees with the planted world it is about; None where no truth is known."""
    from msviz.analyses.run import score as scored
    from msviz.data import experiment

    if log := finding.provenance.parameters.get("log"):
        planted = experiment.truth(Path(log)) if Path(log).is_file() else None
        return scored(finding, planted, None) if planted else None
    mark = finding.provenance.fingerprint
    dataset = next((dataset for dataset in datasets() if dataset.fingerprint == mark), None)
    if dataset is None or dataset.truth is None:
        return None
    return scored(finding, dataset.truth, dataset.schema)


def alternative(analysis: str) -> str:
    """Return what to look at where a view scores badly, in words; "" where its question names nothing."""
    return load_question(analysis).instead


@st.cache_resource(max_entries=64, show_spinner=False)
def known_score(analysis: str) -> str:
    """Return what a view scored on planted data, in words; "" where it has no score."""
    from msviz.analyses.answers import known_score as score_on_planted

    return score_on_planted(analysis)


def _stamp(path: Path) -> tuple[str, int]:
    return str(path), path.stat().st_mtime_ns
