"""What was kept of a training while it went on, read and drawn once for each change: marks, curves, pictures.

A look every second costs a look at the folder.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from msviz.analyses.question import load_question
from msviz.figures.picture import Picture, load_picture
from msviz.finding import Finding
from msviz.registry import QUESTIONS
from msviz.run import Run
from msviz.training.frames import Snapshot, SnapshotReader

SCALED = 48  # moments, evenly spaced, that the common scale is made of
CURVE = 512  # bytes of a curve, some four points, for which it is drawn anew
Stamp = tuple[int, ...]
PictureChoice = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Snapshots:
    """The moments of one training as they are now; `run` is None while it goes on."""

    out: Path
    stamp: Stamp
    run: Run | None = None
    order: tuple[str, ...] = ()  # by whose places scenarios have their colours

    @classmethod
    def of(cls, out: Path, run: Run | None = None, order: tuple[str, ...] = ()) -> "Snapshots":
        """Look at the folder of a training; while it goes on, a few points more of its curve are no news."""
        stamp = SnapshotReader(out).stamp
        if run is None:
            stamp = (0, -(-stamp[1] // CURVE), *stamp[2:])
        return cls(out, stamp, run, order)

    @property
    def marks(self) -> list[Snapshot]:
        """Return what was measured, moment by moment."""
        return _marks(str(self.out), self.stamp[2:])

    @property
    def any(self) -> bool:
        """Tell whether anything was kept."""
        return self.stamp[1] > 0 or bool(self.marks)

    @property
    def planned(self) -> float | None:
        """Return how many rows are trained on where nothing ends it early; None before the first step."""
        return next((mark.rows / mark.share for mark in reversed(self.marks) if mark.share > 0), None)

    @property
    def history(self) -> Finding:
        """Return how the training went so far."""
        return _history(str(self.out), self.stamp, self.run.card.digest if self.run else "", self.run)

    def curves(self, at: float | None = None) -> go.Figure:
        """Return the curves, with a moment marked, in rows."""
        end = None if self.run else self.planned
        digest = self.run.card.digest if self.run else ""
        return _curves(str(self.out), self.stamp, digest, self.order, at, end, self)

    def finding(self, number: int) -> Finding | None:
        """Return the picture of a moment, None where none was made."""
        return _finding(str(self.out), number)

    def drawn(self, number: int, chosen: PictureChoice = ()) -> go.Figure:
        """Return the picture of a moment drawn on the scale of all moments."""
        return _drawn(str(self.out), self.stamp[2:], number, chosen)


def picture_of(finding: Finding) -> Picture:
    """Return how a finding is drawn."""
    return load_picture(finding.picture)


@st.cache_resource(max_entries=16, show_spinner=False)
def _marks(out: str, stamp: Stamp) -> list[Snapshot]:
    return SnapshotReader(out).marks()


@st.cache_resource(max_entries=16, show_spinner=False)
def _history(out: str, stamp: Stamp, digest: str, _run: Run | None) -> Finding:
    from msviz.analyses.questions.training_history import told

    if _run is None:
        return told(Path(out))
    rows = _run.card.data.rows.get("valid", 0)
    return told(Path(out), _run.history, _run.schema.scenario_names[1:], rows)


@st.cache_resource(max_entries=64, show_spinner=False)
def _curves(
    out: str,
    stamp: Stamp,
    digest: str,
    order: tuple[str, ...],
    at: float | None,
    end: float | None,
    _snapshots: Snapshots,
) -> go.Figure:
    return _snapshots.history.figure(order=order, at=at, end=end)


def _finding(out: str, number: int) -> Finding | None:
    try:
        finding = _loaded(out, number, SnapshotReader(out).picture(number).stat().st_mtime_ns)
    except OSError:
        return None
    # Frames are not sealed: a picture from elsewhere may be of a question that is none here.
    known = finding is not None and finding.analysis in QUESTIONS.names()
    return finding if finding and known and load_question(finding.analysis).snapshot else None


@st.cache_resource(max_entries=64, show_spinner=False)
def _loaded(out: str, number: int, stamp: int) -> Finding | None:
    return SnapshotReader(out).finding(number)


@st.cache_resource(max_entries=64, show_spinner=False)
def _drawn(out: str, marks: Stamp, number: int, chosen: PictureChoice) -> go.Figure:
    finding = _finding(out, number)
    assert finding is not None
    choices = {**picture_of(finding).snapshot, **dict(chosen)}
    return finding.figure(**choices, **_scale(out, marks, finding.picture, tuple(choices.items())))


@st.cache_resource(max_entries=32, show_spinner=False)
def _scale(out: str, marks: Stamp, picture: str, choices: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """Return what lets the pictures of all moments share a scale."""
    common = load_picture(picture).common_scale
    if common is None:
        return {}
    numbers = [mark.number for mark in _marks(out, marks)]
    step = -(-len(numbers) // SCALED)
    drawn = [_finding(out, number) for number in sorted({*numbers[::step], numbers[-1]})]
    findings = [finding for finding in drawn if finding is not None and finding.picture == picture]
    return dict(common(findings, **{name: value for name, value in choices if name != "signals"}))
