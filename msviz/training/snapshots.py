"""Looks at a net while it is trained, at moments that the plan alone decides, and changes nothing by it.

Moments lie at the shares (k / N)² of the planned rows, k = 0..N: dense in the beginning, where a net
changes most. Which rows are looked at depends on the data and the plan, never on the model or on how long it
takes, so that a training that was stopped leaves the same marks as one that was not.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from msviz.data.sample import drawn, scattered
from msviz.dataset import Array, Dataset, Rows
from msviz.finding import Finding
from msviz.nets.base import Net
from msviz.nets.batchnorm import kept_statistics
from msviz.training.checkpoint import State
from msviz.training.frames import POINTS, CurvePoint, Measures, Snapshot, SnapshotWriter
from msviz.training.metrics import measure

SHARE = 12  # all marks together look at one row for so many that are trained on,
LEAST, MOST = 768, 4096  # but at no fewer and no more rows each than these
SCENARIOS = 300  # that a mark tells of
CANDIDATES = 1_000_000  # rows from all over a split that a sample is drawn from
SEED = 0


@dataclass(frozen=True)
class SnapshotPicture:
    """What a look at a net gives: the click probability of each row (n,), and a picture of the net."""

    scores: Array
    picture: Finding | None = None


class SnapshotRecorder(Protocol):
    """Looks at a net at the moments of a training."""

    frames: int  # how many moments there are after the first, at most

    def look(self, net: Net, dataset: Dataset, part: Rows) -> SnapshotPicture:
        """Return what is seen of the net on the rows of `part`, without changing the net.

        `dataset` is the data as this training sees it.
        """


class Watching:
    """One training under watch: draws the sample, knows the moments, writes the frames."""

    def __init__(
        self,
        watch: SnapshotRecorder,
        out: Path,
        net: Net,
        dataset: Dataset,
        train: Rows,
        valid: Rows,
        *,
        steps: int,
        epochs: int,
        settle: Callable[[], None],
        report: Callable[[str], None],
    ) -> None:
        """Draw the rows that will be looked at; `steps` are those of one epoch.

        `settle` gives batch norms the statistics of the net as it is, which a look takes back.
        """
        self.watch, self.net, self.dataset, self.report = watch, net, dataset, report
        self.settle = settle
        self.steps, self.total, self.planned = steps, steps * epochs, train.rows * epochs
        self.moments = moments(self.total, watch.frames)
        self.part = sampled(valid if valid.rows else train, self.planned, watch.frames)
        self.writer = SnapshotWriter(out)
        self.last: Snapshot | None = None
        self.off = False

    def begin(self, state: State) -> None:
        """Forget what lies after the state, and look if that is a moment and nobody has."""
        with self._harmless():
            self.last = self.writer.keep(state.rows)
            if self._position(state) in self.moments:
                self._look(state)

    def step(self, state: State, loss: float, rows: int) -> None:
        """Book a training step of so many rows and their mean loss; look if it is a moment."""
        state.curve_loss += loss * rows
        state.curve_rows += rows
        state.mark_loss += loss * rows
        state.mark_rows += rows
        if self.off:
            return
        with self._harmless():
            if state.rows * POINTS // self.planned > (state.rows - rows) * POINTS // self.planned:
                self._point(state)
            if self._position(state) in self.moments:
                self._look(state)

    def end(self, state: State) -> None:
        """Look at the net as training leaves it, also where it ends before the planned rows."""
        if not self.off:
            with self._harmless():
                self._look(state)

    @contextmanager
    def _harmless(self) -> Iterator[None]:
        """Let no mistake in here end a training: it goes on unwatched, and one line says why."""
        try:
            yield
        except Exception as error:
            self.off = True
            reason = " ".join(str(error).split()) or type(error).__name__
            self.report(f"training goes on, but no more frames are kept: {reason}")

    def _position(self, state: State) -> int:
        return state.epoch * self.steps + state.step

    def _point(self, state: State) -> None:
        seconds = state.seconds - state.curve_seconds
        point = CurvePoint(
            rows=state.rows,
            epoch=self._position(state) / self.steps,
            step=self._position(state),
            loss=state.curve_loss / state.curve_rows,
            rate=round(state.curve_rows / seconds, 1) if seconds > 0 else 0.0,
            seconds=round(state.seconds, 3),
        )
        state.curve_loss, state.curve_rows, state.curve_seconds = 0.0, 0, state.seconds
        self.writer.point(point)

    def _look(self, state: State) -> None:
        position = self._position(state)
        if self.last is not None and self.last.step >= position:
            return
        loss = state.mark_loss / state.mark_rows if state.mark_rows else None
        state.mark_loss, state.mark_rows = 0.0, 0
        begun = time.perf_counter()
        with _untouched(self.net), kept_statistics(self.net):
            self.settle()
            snapshot = self.watch.look(self.net, self.dataset, self.part)
        names = self.dataset.schema.scenario_names
        measures = measure(self.part.label, snapshot.scores, self.part.scenario, names)
        number = 0 if self.last is None else self.last.number + 1
        if snapshot.picture is not None:
            self.writer.picture(number, state.rows, snapshot.picture)
        mark = Snapshot(
            number=number,
            rows=state.rows,
            epoch=position / self.steps,
            step=position,
            share=state.rows / self.planned,
            seconds=round(state.seconds, 3),
            loss=loss,
            split=self.part.name,
            overall=_short(measures["overall"]),
            scenarios=_largest(measures["scenarios"]),
            looked=round(time.perf_counter() - begun, 3),
        )
        self.writer.mark(mark)
        self.last = mark


def moments(total: int, frames: int) -> frozenset[int]:
    """Return the steps, of `total` in all, after which a net is looked at: 0, the last, and between them."""
    return frozenset(-(-total * k * k // frames**2) for k in range(frames + 1))


def sampled(part: Rows, planned: int, frames: int) -> Rows:
    """Return the rows of a split that every mark looks at, half of them shared out among the scenarios."""
    if part.rows > CANDIDATES:
        part = part.only(scattered(part.rows, CANDIDATES, SEED))
    size = int(np.clip(planned // (SHARE * (frames + 1)), LEAST, MOST))
    return part.only(drawn(part.scenario, size, SEED))


def _short(measures: dict[str, Any]) -> Measures:
    return Measures.model_validate({key: measures[key] for key in Measures.model_fields})


def _largest(scenarios: dict[str, dict[str, Any]]) -> dict[str, Measures]:
    """Return the measures of the scenarios with most rows in the sample, in the order given."""
    largest = sorted(scenarios, key=lambda name: -scenarios[name]["rows"])[:SCENARIOS]
    return {name: _short(scenarios[name]) for name in scenarios if name in set(largest)}


@contextmanager
def _untouched(net: Net) -> Iterator[None]:
    """Put back what a look may change: random numbers, the net's mode, the number of threads."""
    training, threads = net.training, torch.get_num_threads()
    device = next(net.parameters()).device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        try:
            yield
        finally:
            net.train(training)
            if torch.get_num_threads() != threads:
                torch.set_num_threads(threads)
