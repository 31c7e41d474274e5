"""A training as one watches it: progress, curves and the net's picture while it goes on, and a replay."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import view
from app.moments import Chosen, Moments, picture_of
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.jobs import ACTIVE
from msviz.run import Run
from msviz.training.frames import Mark, Number


class Told(Protocol):
    """How far a job is."""

    state: str
    share: float
    words: str


class Watched(Protocol):
    """A job that trains, as `msviz.jobs` knows it."""

    def status(self) -> Told:
        """Return how far it is now."""


def live(out: Path, job: Watched, order: Sequence[str] = (), bar: bool = True) -> None:
    """Show a training that goes on: words about it, its curves, and the latest picture of its net.

    It looks again every second and ends with the job, when the page runs again. `order` are the names by
    whose places scenarios have their colours; without `bar` the page tells itself how far the job is.
    """
    if job.status().state in ACTIVE:
        _going(out, job, tuple(order), bar)
    else:
        left(out, order)


def left(out: Path, order: Sequence[str] = ()) -> None:
    """Show what is left of a training that ended without a run; nothing where nobody looked at it."""
    moments = Moments.of(out, order=tuple(order))
    if moments.any:
        _seen(moments)


@st.fragment(run_every=1.0)
def _going(out: Path, job: Watched, order: tuple[str, ...], bar: bool) -> None:
    status = job.status()
    if status.state not in ACTIVE:
        st.rerun(scope="app")
    if bar:
        words = "stopping" if status.state == "cancelling" else plain(status.words)
        st.progress(min(max(status.share, 0.0), 1.0), text=words)
    moments = Moments.of(out, order=order)
    if moments.any:
        _seen(moments)
    elif status.state == "running":
        st.caption("Curves and pictures come with the first steps, where they were asked for.")


def _seen(moments: Moments) -> None:
    """Show the curves and the latest picture, if there are any yet."""
    name = moments.out.name
    left, right = st.columns(2, gap="medium")
    with left:
        _chart(moments.curves(), moments.history.takeaway, f"curves-{name}")
    with right:
        if not moments.marks:
            return
        mark = moments.marks[-1]
        st.markdown(f"**{plain(when(mark).capitalize())}**")
        _picture(moments, mark.number, f"live-{name}")


@st.fragment
def replay(run: Run) -> None:
    """Let a reader go through the moments of a finished training, every picture on the same scale."""
    moments = Moments.of(run.path, run, tuple(run.schema.scenario_names))
    if not moments.marks:
        view.empty(
            "No pictures were kept of this training",
            "Retrain the run from here, or add --frames to the command: the net is then looked at while it "
            "is trained, and a slider replays it.",
            command=f"msviz train {run.card.model} --data DATA --out OUT --frames 24",
            icon="slow_motion_video",
        )
        st.markdown(plain(moments.history.takeaway))
        _chart(moments.curves(), moments.history.takeaway, f"curves-{run.name}")
        return
    mark = _moment(moments.marks, f"moment-{run.name}")
    left, right = st.columns(2, gap="medium")
    with left:
        _picture(moments, mark.number, f"replay-{run.name}", full=True)
    with right:
        _chart(moments.curves(at=float(mark.rows)), moments.history.takeaway, f"curves-{run.name}")
        st.markdown(plain(moments.history.takeaway))
        with st.popover("Numbers of this moment", icon=":material/table:", type="tertiary"):
            st.dataframe(numbers(mark), hide_index=True)


def when(mark: Mark) -> str:
    """Return when a mark was made, in words."""
    return f"epoch {mark.epoch:.3g}, {mark.rows:,} rows" if mark.rows else "before the first step"


def numbers(mark: Mark) -> pd.DataFrame:
    """Return AUC with its interval and logloss on the sample, all scenarios first."""

    def number(value: float | None) -> str:
        return "" if value is None else f"{value:.3f}"

    def bounds(one: Number) -> str:
        return "" if one.low is None else f"{number(one.low)} to {number(one.high)}"

    lines = {ALL: mark.overall, **mark.scenarios}
    return pd.DataFrame(
        {
            "Scenario": list(lines),
            "Impressions": [one.rows for one in lines.values()],
            "AUC": [number(one.auc.value) for one in lines.values()],
            "95 %": [bounds(one.auc) for one in lines.values()],
            "Logloss": [number(one.logloss.value) for one in lines.values()],
        }
    )


def _moment(marks: Sequence[Mark], key: str) -> Mark:
    """Choose a moment on a slider, the last one at first."""
    if len(marks) == 1:
        return marks[0]
    known = {mark.number: mark for mark in marks}
    chosen = st.select_slider(
        "Moment of the training",
        list(known),
        value=marks[-1].number,
        format_func=lambda number: when(known[number]),
        key=key,
    )
    return known[int(chosen)]


def _picture(moments: Moments, number: int, key: str, full: bool = False) -> None:
    """Show the picture of a moment; with `full`, also how to read it, and as a file."""
    finding = moments.finding(number)
    if finding is None:
        st.info("Of this moment there are numbers, but no picture.", icon=":material/visibility_off:")
        return
    try:
        chosen = _choose(finding, key)
        figure = moments.drawn(number, chosen)
    except (LookupError, ValueError, TypeError, AttributeError, MsvizError):
        # Frames are not sealed: what was edited, or came from elsewhere, may be no picture at all.
        st.warning("The picture of this moment cannot be drawn.", icon=":material/broken_image:")
        return
    part = {**picture_of(finding).snapshot, **dict(chosen)}
    words = finding.takeaways.get(part.get("scenario") or part.get("group") or "", finding.takeaway)
    wide = "wide" if finding.data.sizes.get("key", 0) > view.FIELDS_ON_A_PHONE else "fit"
    with st.container(key=f"{wide}-{key}"):
        _chart(figure, words, key)
    st.markdown(plain(words))
    if full:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.popover("How to read this", icon=":material/help:", type="tertiary"):
                st.markdown(picture_of(finding).how_to_read)
            view.downloads(finding, figure, words, f"{key}-{number}")
            st.caption(f"Source: {plain(finding.provenance.sentence())}")


def _choose(finding: Finding, key: str) -> Chosen:
    """Choose which part of a picture is shown."""
    known = [axis for axis in picture_of(finding).axes if finding.data.sizes[axis] > 1]
    options = {axis: {str(name): str(name) for name in finding.data[axis].values} for axis in known}
    titles = picture_of(finding).matrices
    if titles:
        options["matrix"] = {name: title for name, title in titles.items() if name in finding.data}
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


def _chart(figure: go.Figure, words: str, key: str) -> None:
    st.plotly_chart(figure, theme=None, config=view.CONFIG, key=f"chart-{key}", alt=words)
