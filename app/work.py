"""What takes longer than a page may: answers that are kept, or computed by a job; and the queue of jobs."""

import hashlib
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from app import shelf, slicing
from app.markdown import escape_markdown, unescape_markdown
from msviz.analyses.question import load_question
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.jobs import Job, Kind, Queue, engine
from msviz.run import Run

# Up to so many rows a missing answer is computed without asking: it takes less than a minute.
UNASKED = 2_000_000


@dataclass(frozen=True)
class JobOffer:
    """A button that a job waits for, also where it would take less than a minute: its words and its key."""

    words: str
    key: str


def answer(
    name: str,
    run: Run | None,
    dataset: Dataset | None,
    what: str,
    *,
    offer: JobOffer | None = None,
    **options: Any,
) -> Finding | None:
    """Return a kept finding; or show the job that makes it, or offer to start one, and return None.

    `what` says to a reader what is being computed ("attention in every scenario"). The question is asked of
    the slice that the pages speak of, unless `options` name one. With `offer`, nothing starts by itself.
    """
    # Only now: it brings torch, and the first page should stand before that.
    from msviz.analyses.answers import find_answer

    is_of_file = load_question(name).source is not None
    if slicing.current() and not is_of_file:
        options = {"slice": slicing.current(), **options}
    try:
        path = find_answer(name, run, None if run else dataset, options)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None
    folder = job_folder(path)
    # A shelf that may only be read cannot keep the answer; the job's own file holds it as well.
    finding = shelf.load(path) or shelf.load(folder / "finding.nc")
    if finding:
        return finding
    try:
        dataset = dataset or (shelf.data_of(run) if run else None)
    except MsvizError as error:
        st.info(escape_markdown(str(error)), icon=":material/folder_off:")
        return None
    assert dataset is not None or is_of_file
    arguments = ["analyse", name, *([str(run.path.resolve())] if run else ["-"])]
    arguments += ["--data", str(dataset.path.resolve())] if dataset else []
    arguments += ["--out", str(folder / "finding.nc")]
    for key, value in options.items():
        arguments += ["--set", f"{key}={value}"] if value != "" else []
    rows = sum(dataset.rows.values()) if dataset else 0
    job = queue().job(folder.name)
    if job is None:
        if offer is not None:
            if not st.button(offer.words, key=offer.key, type="tertiary", icon=":material/compare:"):
                return None
        elif rows > UNASKED and not st.button(f"Compute {what} ({rows:,} rows)", key=f"start-{path.stem}"):
            return None
        job = _start(folder, arguments, what)
        if offer is not None:
            st.rerun()  # the button goes at once
    elif (folder / "finding.nc").is_file() and job.status().state == "finished":
        (folder / "finding.nc").unlink()  # it cannot be read: the job is offered again
    _show_progress(job, what)
    return None


def run_batch(name: str, arguments: list[str], what: str, rows: int) -> None:
    """Start a command that makes several answers, or show it while it runs; over many `rows` offer it first.

    When it has ended, the page runs again and finds what was made; what it could not make is offered again.
    """
    folder = jobs_folder() / f"{name}-{hashlib.sha256(repr(arguments).encode()).hexdigest()[:8]}"
    job = queue().job(folder.name)
    if job is not None and job.status().state != "finished":
        _show_progress(job, what, None)
    elif (rows <= UNASKED and job is None) or st.button(
        f"Compute {what}", key=f"start-{name}", type="primary", icon=":material/play_arrow:"
    ):
        _start(folder, arguments, what)
        st.rerun()


@st.fragment(run_every=0.5)
def _show_progress(job: Job, what: str, answer: str | None = "finding.nc") -> None:
    """Show a job while it runs; when it ended well, run the page again, which then finds the answer."""
    status = job.status()
    if status.state == "finished" and (answer is None or (job.folder / answer).is_file()):
        st.rerun(scope="app")
    with st.container(border=True):
        if status.state == "queued":
            st.progress(0.0, text=f"{what[:1].upper()}{what[1:]}: waiting for {_describe_line(job)}")
            st.button("Cancel", key=f"cancel-{job.id}", on_click=_cancel, args=(job,))
            return
        if status.state in ("running", "cancelling"):
            words = "stopping" if status.state == "cancelling" else escape_markdown(status.words)
            st.progress(status.share, text=f"Computing {what}: {words}")
            if status.state == "running":
                st.button("Cancel", key=f"cancel-{job.id}", on_click=_cancel, args=(job,))
            return
        words = {
            "cancelled": "was cancelled",
            "interrupted": "was interrupted",
            "failed": "failed",
            "finished": "left no answer",
        }[status.state]
        reason = f": {escape_markdown(status.error)}" if status.state in ("failed", "interrupted") else ""
        st.warning(f"Computing {what} {words}{reason}.", icon=":material/error:")
        if st.button("Compute again", key=f"again-{job.id}", type="primary"):
            queue().resume(job)
            st.rerun(scope="app")


def _describe_line(job: Job) -> str:
    """Return what a waiting job waits for, in words."""
    ahead = [
        other
        for other in queue().jobs()
        if other.kind == job.kind
        and other.id != job.id
        and (
            other.status().state in ("running", "cancelling")
            or (other.place < job.place and is_waiting(other))
        )
    ]
    return f"{len(ahead)} other computation{'s' if len(ahead) != 1 else ''}" if ahead else "its turn"


def is_waiting(job: Job) -> bool:
    """Tell whether a job waits in the queue."""
    return job.status().state == "queued"


def _cancel(job: Job) -> None:
    queue().cancel(job)


def job_folder(path: Path) -> Path:
    """Return where the job that makes this answer lives: the same for everyone who asks for it."""
    digest = hashlib.sha256(str(path.resolve()).encode()).hexdigest()[:8]
    return jobs_folder() / f"{path.stem}-{digest}"


def submit(
    arguments: Sequence[str],
    *,
    kind: Kind,
    title: str,
    who: str = "",
    result: Path | None = None,
    group: str = "",
    key: str | None = None,
    start: bool = True,
) -> Job:
    """Write a job down and start it where there is room, as `Queue.submit` does."""
    if start:
        ensure_engine()
    return queue().submit(
        arguments,
        kind=kind,
        title=title,
        who=who or _reader(),
        result=result,
        group=group,
        key=key,
        start=start,
    )


def ensure_engine() -> None:
    """See to it that somebody keeps the queue moving, also after the engine was killed."""
    if os.environ.get("MSVIZ_ENGINE") == "off":
        queue().dispatch()
    else:
        engine.ensure(jobs_folder())


@st.cache_resource(show_spinner=False)
def _queue(folder: str, warm: str) -> Queue:
    return Queue(folder, Path(warm) if warm else None)


def queue() -> Queue:
    """Return the queue of all jobs of this shelf."""
    folder = jobs_folder()
    off = "off" in (os.environ.get("MSVIZ_ENGINE"), os.environ.get("MSVIZ_WARM"))
    return _queue(str(folder), "" if off else str(engine.socket_of(folder)))


def jobs_folder() -> Path:
    """Return where jobs are written down: $MSVIZ_JOBS, or beside the runs, or, where only others may write
    there, a folder of this machine's that a restart may empty.
    """
    if named := os.environ.get("MSVIZ_JOBS"):
        return Path(named)
    models = shelf.models()
    if os.access(models if models.is_dir() else models.parent, os.W_OK):
        return models / ".jobs"
    return Path(tempfile.gettempdir()) / f"msviz-jobs-{os.getuid()}"


def _start(folder: Path, arguments: list[str], what: str) -> Job:
    title = unescape_markdown(what[:1].upper() + what[1:])
    return submit(arguments, kind="answer", title=title, key=folder.name)


def _reader() -> str:
    """Return who looks at the page: by their sign-in, where there is one."""
    return str(st.user.get("email") or "") if st.user.get("is_logged_in") else ""
