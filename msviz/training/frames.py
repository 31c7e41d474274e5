"""What one sees of a training while it goes on, kept in OUT/frames: the curve of its loss, and marks.

    curve.jsonl  a line whenever 1/400 of the planned rows has passed
    NNN.json     a mark: how far the training was, and how well the net did on a sample of rows
    NNN.nc       the picture of the net at that mark, where its taps show one

The folder stays in the finished run, is not sealed, and may be deleted at any time. A mark is there when its
NNN.json is, which is written last. No torch here: pages read it.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run_folder import FRAMES

POINTS = 400  # of the curve, in a training that uses up its epochs
LINES = 10 * POINTS  # that are read of a curve at most
TRAINED = "trained_rows"  # the parameter of a picture's provenance that tells how far the training was


class _Kept(BaseModel):
    """What is read from a file that anybody may have written: typed, and nothing else is taken for it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class CurvePoint(_Kept):
    """A point of the curve: the mean loss of the rows since the one before, and rows a second among them."""

    rows: int
    epoch: float
    step: int
    loss: float
    rate: float
    seconds: float


class Number(_Kept):
    """A measure with its 95 % interval, None where it is not defined, and why."""

    value: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""


class Measures(_Kept):
    """How well a net did on some rows."""

    rows: int
    clicks: int
    auc: Number
    logloss: Number


class Snapshot(_Kept):
    """How far a training was at one moment, and how well its net did on the rows of a fixed sample.

    `epoch`, `step`, `rows`, `seconds` count what was trained before it, `share` is that of the planned rows;
    `loss` is the mean training loss since the mark before, None at the first. `split` is where the rows of
    the sample come from, `scenarios` tells the largest of them by name, in the schema's order. `looked` are
    the seconds that the mark itself took.
    """

    number: int
    rows: int
    epoch: float
    step: int
    share: float
    seconds: float
    loss: float | None
    split: str
    overall: Measures
    scenarios: dict[str, Measures] = {}
    looked: float = 0.0

    @property
    def auc(self) -> float | None:
        """Return the AUC over all rows of the sample, None where it is not defined."""
        return self.overall.auc.value

    @property
    def logloss(self) -> float | None:
        """Return the mean cross-entropy over all rows of the sample."""
        return self.overall.logloss.value


class SnapshotReader:
    """Reads the frames of a finished run, or of a training that is writing them."""

    def __init__(self, path: Path | str) -> None:
        """Name the run's folder; it need not have frames."""
        self.path = Path(path)
        self.folder = self.path / FRAMES

    def __bool__(self) -> bool:
        """Tell whether there is a mark."""
        return any(True for _ in self._numbers())

    @property
    def stamp(self) -> tuple[int, ...]:
        """Return what changes when a point or a mark is added; it costs a look at the folder."""
        try:
            stat = (self.folder / "curve.jsonl").stat()
            curve = (stat.st_mtime_ns, stat.st_size)
        except OSError:
            curve = (0, 0)
        try:
            times = [
                entry.stat().st_mtime_ns for entry in os.scandir(self.folder) if entry.name.endswith(".json")
            ]
        except OSError:
            times = []
        return (*curve, len(times), max(times, default=0))

    def curve(self) -> pd.DataFrame:
        """Return the curve, one row a point: rows, epoch, step, loss, rate (rows a second), seconds."""
        return pd.DataFrame(
            [dict(point) for point in _points(self.folder / "curve.jsonl")],
            columns=list(CurvePoint.model_fields),
        )

    def marks(self) -> list[Snapshot]:
        """Return the marks in their order; one that cannot be read is left out."""
        return [mark for number in sorted(self._numbers()) if (mark := self._mark(number)) is not None]

    def finding(self, number: int) -> Finding | None:
        """Return the picture of a mark, or None where there is none that can be read."""
        try:
            picture = Finding.load(self.picture(number))
        except MsvizError:
            return None
        # Runs are renamed, and while a training goes on its run has no name yet.
        return replace(picture, provenance=replace(picture.provenance, run=self.path.name))

    def picture(self, number: int) -> Path:
        """Return the file that holds the picture of a mark."""
        return self.folder / f"{number:03d}.nc"

    def _mark(self, number: int) -> Snapshot | None:
        try:
            return Snapshot.model_validate_json((self.folder / f"{number:03d}.json").read_bytes())
        except (OSError, ValidationError):
            return None

    def _numbers(self) -> Iterator[int]:
        """Yield the numbers of the marks that are there."""
        for file in self.folder.glob("[0-9]*.json"):
            if file.stem.isdigit():
                yield int(file.stem)


class SnapshotWriter:
    """Writes the frames of one training; raises OSError where the disk does not take them."""

    def __init__(self, out: Path) -> None:
        """Name the run's folder; nothing is written yet."""
        self.frames = SnapshotReader(out)
        self.folder = self.frames.folder

    def keep(self, rows: int) -> Snapshot | None:
        """Forget what lies after the first `rows` rows of a training; return the last mark that is left.

        What was seen after a checkpoint goes with what was trained after it, so that nothing is there twice.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        left = [mark for mark in self.frames.marks() if mark.rows <= rows]
        names = {f"{mark.number:03d}" for mark in left}
        for file in self.folder.iterdir():
            # Pictures without a mark and what was half written go too.
            if file.name != "curve.jsonl" and file.stem not in names:
                file.unlink()
        file = self.folder / "curve.jsonl"
        points = [point for point in _points(file) if point.rows <= rows]
        _write(file, lambda path: path.write_text("".join(map(_line, points)), "utf-8"))
        return left[-1] if left else None

    def point(self, point: CurvePoint) -> None:
        """Add a point to the curve."""
        with (self.folder / "curve.jsonl").open("a", encoding="utf-8") as file:
            file.write(_line(point))

    def picture(self, number: int, rows: int, finding: Finding) -> None:
        """Write the picture of a mark after so many rows; it is there once the mark is."""
        parameters = {**finding.provenance.parameters, TRAINED: rows}
        finding = replace(finding, provenance=replace(finding.provenance, parameters=parameters))
        finding.save(self.frames.picture(number), quick=True)

    def mark(self, mark: Snapshot) -> None:
        """Write a mark, whole or not at all."""
        text = mark.model_dump_json() + "\n"
        _write(self.folder / f"{mark.number:03d}.json", lambda path: path.write_text(text, "utf-8"))


def _points(file: Path) -> Iterator[CurvePoint]:
    """Yield the points of a curve; lines that were cut by a kill or are being written are passed over."""
    try:
        lines = file.read_bytes().splitlines()
    except OSError:
        return
    for line in lines[:LINES]:
        with suppress(ValidationError):
            yield CurvePoint.model_validate_json(line)


def _line(point: CurvePoint) -> str:
    return point.model_dump_json() + "\n"


def _write(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path` and move it there: all or nothing."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
