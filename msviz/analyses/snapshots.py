"""What `msviz train --frames` looks at: the picture that tells most of a net, by what its taps show."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from msviz.analyses.question import Axes, load_question, load_questions
from msviz.dataset import Array, Dataset, Rows
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.base import Net
from msviz.probing.reducers import BatchRows, Reducer
from msviz.probing.study import Progress, Study
from msviz.training.scoring import predict
from msviz.training.snapshots import SnapshotPicture


def telling(axes: Axes) -> str:
    """Return the question whose picture tells most of a net that shows these axes; "" where none does."""
    return next(iter(snapshot_questions(axes)), "")


def snapshot_questions(axes: Axes) -> list[str]:
    """Return the questions whose pictures tell of a net that shows these axes, the most telling first."""
    views = {name: question.snapshot for name, question in load_questions().items()}
    ranks = {name: view.rank(axes) for name, view in views.items() if view is not None}
    ranked = [(rank, name) for name, rank in ranks.items() if rank is not None]
    return [name for _, name in sorted(ranked)]


@dataclass
class SnapshotMaker:
    """Looks at a net on a fixed sample, `frames` times after the first.

    A picture that this data does not allow makes room for the next best; where none is left, that is told.
    """

    frames: int
    report: Callable[[str], None] = print
    _failed: set[str] = field(default_factory=set, init=False)

    def look(self, net: Net, dataset: Dataset, part: Rows) -> SnapshotPicture:
        """Return the click probabilities of the rows of `part`, and the picture of the net on them."""
        device = str(next(net.parameters()).device)
        study = SnapshotStudy(None, dataset, split=part.name, device=device, net=net, parts={part.name: part})
        picture = self._first(study)
        scores = study.scores
        return SnapshotPicture(predict(net, part, device=device) if scores is None else scores, picture)

    def _first(self, study: "SnapshotStudy") -> Finding | None:
        """Return the most telling picture that can be made; None, and say so once, where there is none."""
        names = [name for name in snapshot_questions(study.axes()) if name not in self._failed]
        for number, name in enumerate(names, 1):
            view = load_question(name).snapshot
            assert view is not None
            try:
                return view.ask(study)
            except MsvizError as error:
                self._failed.add(name)
                if number == len(names):
                    # How well the net does is worth knowing all the same.
                    self.report(f"no picture of this training: {error}")
        return None


class SnapshotStudy(Study):
    """A study whose passes over all of its rows also leave the scores behind, which saves a pass."""

    scores: Array | None = None

    def stream(
        self, reducers: Sequence[Reducer], rows: Array | None = None, progress: Progress | None = None
    ) -> int:
        """Feed every reducer in one pass, as a study does."""
        if rows is not None and len(rows) < self.part.rows:
            return super().stream(reducers, rows, progress)
        scores = _Scores(self.part.rows)
        row_count = super().stream([*reducers, scores], rows, progress)
        self.scores = scores.values
        return row_count

    def of_all_days(self, rows: int) -> Study:
        """Return a study of so many rows, drawn alike from all splits, always the same ones."""
        total = sum(self.dataset.rows.values())
        parts = {}
        for name, count in self.dataset.rows.items():
            size = min(count, -(-rows * count // total))
            chosen = np.random.default_rng(self.seed).choice(count, size, replace=False, shuffle=False)
            parts[name] = self.dataset.split(name).only(np.sort(chosen))
        return Study(None, self.dataset, split="all", device=self.device, net=self.net, parts=parts)


class _Scores(Reducer):
    """The click probability of every row: `values` (rows,)."""

    sources: tuple[str, ...] = ("prediction",)

    def __init__(self, rows: int) -> None:
        """Start without any."""
        self.values = np.full(rows, np.nan, np.float32)
        self._positions = np.zeros(0, np.int64)

    def begin(self, rows: BatchRows) -> None:
        """Take note of where the batch's rows stand."""
        self._positions = rows.positions

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Keep the scores of some of the batch's rows."""
        self.values[self._positions[rows]] = values.float().cpu().numpy()

    def merge(self, other: "_Scores") -> None:
        """Add the scores that the other saw."""
        self.values = np.where(np.isnan(self.values), other.values, self.values)
