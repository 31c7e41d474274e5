"""A training as one watches it: progress, curves and the net's picture while it goes on, and a replay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import plotly.graph_objects as go
import streamlit as st

from app import view
from app.markdown import escape_markdown
from app.page.train.snapshots import PictureChoice, Snapshots, picture_of
from app.page.train.tables import describe_moment, moment_table
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.jobs import ACTIVE
from msviz.run import Run
from msviz.training.frames import Snapshot


class JobStatus(Protocol):
    """How far a job is."""

    @property
    def state(self) -> str:
        """One of the states that `msviz.jobs` names."""

    @property
    def share(self) -> float:
        """The share that is done, 0 to 1."""

    @property
    def words(self) -> str:
        """What it does now."""


class WatchedJob(Protocol):
    """A job that trains, as `msviz.jobs` knows it."""

    def status(self) -> JobStatus:
        """Return how far it is now."""


def show_live(out: Path, job: WatchedJob, order: Sequence[str] = (), bar: bool = True) -> None:
    """Show a training that goes on: words about it, its curves, and the latest picture of its net.

    It looks again every second and ends with the job, when the page runs again. `order` are the names by
    whose places scenarios have their colours; without `bar` the page tells itself how far the job is.
    """
    if job.status().state in ACTIVE:
        _show_progress(out, job, tuple(order), bar)
    else:
        show_remains(out, order)


def show_remains(out: Path, order: Sequence[str] = ()) -> None:
    """Show what is left of a training that ended without a run; nothing where nobody looked at it."""
    snapshots = Snapshots.of(out, order=tuple(order))
    if snapshots.any:
        _show_snapshots(snapshots)


@st.fragment(run_every=1.0)
def _show_progress(out: Path, job: WatchedJob, order: tuple[str, ...], bar: bool) -> None:
    status = job.status()
    if status.state not in ACTIVE:
        st.rerun(scope="app")
    if bar:
        words = "stopping" if status.state == "cancelling" else escape_markdown(status.words)
        st.progress(min(max(status.share, 0.0), 1.0), text=words)
    snapshots = Snapshots.of(out, order=order)
    if snapshots.any:
        _show_snapshots(snapshots)
    elif status.state == "running":
        st.caption("Curves and pictures come with the first steps, where they were asked for.")


def _show_snapshots(snapshots: Snapshots) -> None:
    """Show the curves and the latest picture, if there are any yet."""
    name = snapshots.out.name
    left, right = st.columns(2, gap="medium")
    with left:
        _show_chart(snapshots.curves(), snapshots.history.takeaway, f"curves-{name}")
    with right:
        if not snapshots.marks:
            return
        mark = snapshots.marks[-1]
        st.markdown(f"**{escape_markdown(describe_moment(mark).capitalize())}**")
        _show_picture(snapshots, mark.number, f"live-{name}")


@st.fragment
def show_replay(run: Run) -> None:
    """Let a reader go through the moments of a finished training, every picture on the same scale."""
    snapshots = Snapshots.of(run.path, run, tuple(run.schema.scenario_names))
    if not snapshots.marks:
        view.show_empty(
            "No pictures were kept of this training",
            "Retrain the run from here, or add --frames to the command: the net is then looked at while it "
            "is trained, and a slider replays it.",
            command=f"msviz train {run.card.model} --data DATA --out OUT --frames 24",
            icon="slow_motion_video",
        )
        st.markdown(escape_markdown(snapshots.history.takeaway))
        _show_chart(snapshots.curves(), snapshots.history.takeaway, f"curves-{run.name}")
        return
    mark = _choose_moment(snapshots.marks, f"moment-{run.name}")
    left, right = st.columns(2, gap="medium")
    with left:
        _show_picture(snapshots, mark.number, f"replay-{run.name}", full=True)
    with right:
        _show_chart(snapshots.curves(at=float(mark.rows)), snapshots.history.takeaway, f"curves-{run.name}")
        st.markdown(escape_markdown(snapshots.history.takeaway))
        with st.popover("Numbers of this moment", icon=":material/table:", type="tertiary"):
            st.dataframe(moment_table(mark), hide_index=True)


def _choose_moment(marks: Sequence[Snapshot], key: str) -> Snapshot:
    """Choose a moment on a slider, the last one at first."""
    if len(marks) == 1:
        return marks[0]
    by_number = {mark.number: mark for mark in marks}
    chosen = st.select_slider(
        "Moment of the training",
        list(by_number),
        value=marks[-1].number,
        format_func=lambda number: describe_moment(by_number[number]),
        key=key,
    )
    return by_number[int(chosen)]


def _show_picture(snapshots: Snapshots, number: int, key: str, full: bool = False) -> None:
    """Show the picture of a moment; with `full`, also how to read it, and as a file."""
    finding = snapshots.finding(number)
    if finding is None:
        st.info("Of this moment there are numbers, but no picture.", icon=":material/visibility_off:")
        return
    try:
        chosen = _choose_part(finding, key)
        figure = snapshots.drawn(number, chosen)
    except (LookupError, ValueError, TypeError, AttributeError, MsvizError):
        # Frames are not sealed: what was edited, or came from elsewhere, may be no picture at all.
        st.warning("The picture of this moment cannot be drawn.", icon=":material/broken_image:")
        return
    part = {**picture_of(finding).snapshot, **dict(chosen)}
    words = finding.takeaways.get(part.get("scenario") or part.get("group") or "", finding.takeaway)
    wide = "wide" if finding.data.sizes.get("key", 0) > view.FIELDS_ON_A_PHONE else "fit"
    with st.container(key=f"{wide}-{key}"):
        _show_chart(figure, words, key)
    st.markdown(escape_markdown(words))
    if full:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.popover("How to read this", icon=":material/help:", type="tertiary"):
                st.markdown(picture_of(finding).how_to_read)
            view.offer_downloads(finding, figure, words, f"{key}-{number}")
            st.caption(f"Source: {escape_markdown(finding.provenance.sentence())}")


def _choose_part(finding: Finding, key: str) -> PictureChoice:
    """Choose which part of a picture is shown."""
    options = picture_of(finding).parts(finding)
    if not options:
        return ()
    chosen = []
    for axis, column in zip(options, st.columns(len(options)), strict=True):
        with column:
            label = {"group": "Scenario", "matrix": "Measure"}.get(axis, axis.capitalize())
            titles = options[axis]
            name = st.selectbox(label, titles, key=f"{axis}-{key}", format_func=titles.__getitem__)
            chosen.append((axis, str(name)))
    return tuple(chosen)


def _show_chart(figure: go.Figure, words: str, key: str) -> None:
    st.plotly_chart(figure, theme=None, config=view.CONFIG, key=f"chart-{key}", alt=words)
