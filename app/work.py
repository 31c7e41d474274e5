"""Answers that take longer than a page may: read what was kept, or start a job and show its progress."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from app import shelf, slicing
from app.words import plain
from msviz.data._dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run
from msviz.training.jobs import Job, start, warm_up

# Up to so many rows a missing answer is computed without asking: it takes less than a minute.
UNASKED = 2_000_000


def answer(name: str, run: Run | None, dataset: Dataset | None, what: str, **options: Any) -> Finding | None:
    """Return a kept finding; or show the job that makes it, or offer to start one, and return None.

    `what` says to a reader what is being computed ("attention in every scenario"). The question is asked of
    the slice that the pages speak of.
    """
    if slicing.current():
        options = {**options, "slice": slicing.current()}
    # Only now: it brings torch, and the first page should stand before that.
    from msviz.analyses import cached

    try:
        path = cached(name, run, None if run else dataset, options)
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return None
    folder = folder_of(path)
    # A shelf that may only be read cannot keep the answer; the job's own file holds it as well.
    found = shelf.load(path) or shelf.load(folder / "finding.nc")
    if found:
        return found
    try:
        dataset = dataset or (shelf.data_of(run) if run else None)
    except MsvizError as error:
        st.info(plain(str(error)), icon=":material/folder_off:")
        return None
    assert dataset is not None
    arguments = ["analyse", name, *([str(run.path.resolve())] if run else ["-"])]
    arguments += ["--data", str(dataset.path.resolve()), "--out", str(folder / "finding.nc")]
    for key, value in options.items():
        arguments += ["--set", f"{key}={value}"]
    rows = sum(dataset.rows.values())
    if not (folder / "job.json").is_file():
        if rows > UNASKED and not st.button(f"Compute {what} ({rows:,} rows)", key=f"start-{path.stem}"):
            return None
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        begin(folder, arguments)
    elif (folder / "finding.nc").is_file() and not Job(folder).alive:
        (folder / "finding.nc").unlink()  # it cannot be read: the job is offered again
    _follow(folder, what, arguments)
    return None


def batch(name: str, arguments: list[str], what: str, rows: int) -> None:
    """Start a command that makes several answers, or show it while it runs; over many `rows` offer it first.

    When it has ended, the page runs again and finds what was made; what it could not make is offered again.
    """
    folder = _base() / f"{name}-{hashlib.sha256(repr(arguments).encode()).hexdigest()[:8]}"
    if (folder / "job.json").is_file() and Job(folder).status().state != "finished":
        _follow(folder, what, arguments, None)
    elif (rows <= UNASKED and not (folder / "job.json").is_file()) or st.button(
        f"Compute {what}", key=f"start-{name}", type="primary", icon=":material/play_arrow:"
    ):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        begin(folder, arguments)
        st.rerun()


@st.fragment(run_every=0.5)
def _follow(folder: Path, what: str, arguments: list[str], answer: str | None = "finding.nc") -> None:
    """Show a job while it runs; when it ended well, run the page again, which then finds the answer."""
    job = Job(folder)
    status = job.status()
    if status.state == "finished" and (answer is None or (folder / answer).is_file()):
        st.rerun(scope="app")
    with st.container(border=True):
        if status.state == "running":
            st.progress(min(max(status.share, 0.0), 1.0), text=f"Computing {what}: {plain(status.words)}")
            if st.button("Cancel", key=f"cancel-{folder.name}"):
                job.cancel()
            return
        words = {"interrupted": "was cancelled", "failed": "failed", "finished": "left no answer"}
        word = words[status.state]
        reason = f": {plain(status.error)}" if status.state == "failed" else ""
        st.warning(f"Computing {what} {word}{reason}.", icon=":material/error:")
        if st.button("Compute again", key=f"again-{folder.name}", type="primary"):
            begin(folder, arguments)
            st.rerun(scope="app")


def folder_of(path: Path) -> Path:
    """Return where the job that makes this answer lives: the same for everyone who asks for it."""
    place = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return _base() / f"{path.stem}-{place}"


def ready() -> None:
    """Let the process that forks jobs get ready, so that the first job finds it."""
    _warm()


def begin(folder: Path, arguments: list[str]) -> Job:
    """Start a job, forked from a process that has everything imported where one is ready."""
    return start(folder, arguments, warm=_warm())


@st.cache_resource(show_spinner=False)
def _warm() -> Path | None:
    """Start the process that forks jobs, once for this server; until it is ready jobs start on their own."""
    if os.environ.get("MSVIZ_WARM") == "off":
        return None
    path = _base() / f"warm-{os.getpid()}.socket"
    warm_up(path)
    return path


def _base() -> Path:
    return Path(os.environ.get("MSVIZ_JOBS") or Path(tempfile.gettempdir()) / f"msviz-jobs-{os.getuid()}")
