"""What `msviz train --frames` looks at: the picture that tells most of a net, by what its taps show."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from torch import Tensor

from msviz.analyses import ask
from msviz.analyses.questions.gates_over_time import TAPS as GATES
from msviz.analyses.shared.attention import AXES as ATTENTION
from msviz.analyses.shared.behaviours import attending
from msviz.analyses.shared.vectors import taps as vectors
from msviz.analyses.shared.weights import SHAPES as WEIGHTS
from msviz.dataset import Array, Dataset, Rows
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.base import Net
from msviz.probing.reducers import BatchRows, Reducer
from msviz.probing.study import Progress, Study
from msviz.training.scoring import predict
from msviz.training.snapshots import Seen

CELLS = 1_000_000  # shares of attention that one picture keeps, at 8 bytes each
GROUPS, BINS = 8, 32  # groups of rows whose gates are kept apart, and bins of their weights
MATRIX = 60  # scenarios between which past clicks are told apart
VECTORS = 128  # impressions whose vectors are compared: what that costs grows with their square
DAYS = 512  # impressions of all days, at least, over which gates are shown
Axes = Mapping[str, tuple[str, ...]]


def telling(axes: Axes) -> str:
    """Return the question whose picture tells most of a net that shows these axes; "" where none does."""
    return next(iter(pictures(axes)), "")


def pictures(axes: Axes) -> list[str]:
    """Return the questions whose pictures tell of a net that shows these axes, the most telling first.

    In this order, by what the taps show: attention between fields; a representation for every scenario,
    which says more than the gate that made it; a gate over experts; weights of fields; attention to past
    clicks; any other vectors.
    """
    shown = list(axes.values())
    able = {
        "attention_by_scenario": ATTENTION in shown,
        "representation": ("scenario", "unit") in shown,
        "gates_over_time": any(one in GATES for one in shown),
        "feature_weights": any(one in WEIGHTS for one in shown),
        "migration": bool(attending(axes)),
    }
    found = [name for name, known in able.items() if known]
    return found + ["representation"] * (bool(vectors(axes)) and "representation" not in found)


@dataclass
class Look:
    """Looks at a net on a fixed sample, `frames` times after the first.

    A picture that this data does not allow makes room for the next best; where none is left, that is told.
    """

    frames: int
    report: Callable[[str], None] = print
    _failed: set[str] = field(default_factory=set, init=False)

    def look(self, net: Net, dataset: Dataset, part: Rows) -> Seen:
        """Return the click probabilities of the rows of `part`, and the picture of the net on them."""
        device = str(next(net.parameters()).device)
        study = _Glance(None, dataset, split=part.name, device=device, net=net, parts={part.name: part})
        picture = self._first(study)
        scores = study.scores
        return Seen(predict(net, part, device=device) if scores is None else scores, picture)

    def _first(self, study: "_Glance") -> Finding | None:
        """Return the most telling picture that can be made; None, and say so once, where there is none."""
        names = [name for name in pictures(study.axes()) if name not in self._failed]
        for place, name in enumerate(names, 1):
            try:
                return self._picture(study, name)
            except MsvizError as error:
                self._failed.add(name)
                if place == len(names):
                    # How well the net does is worth knowing all the same.
                    self.report(f"no picture of this training: {error}")
        return None

    def _picture(self, study: "_Glance", name: str) -> Finding:
        if name == "attention_by_scenario":
            return ask(study, name, {"most": _scenarios(study)})
        if name == "representation":
            # The numbers are the picture; the vectors would be a hundred times as large.
            found = ask(study, name, {"rows": VECTORS})
            return replace(found, data=found.data.drop_dims("impression"))
        if name == "gates_over_time":
            # Over the whole log, so that gates are seen to move in promotions.
            return ask(
                study.of_all_days(max(DAYS, study.part.rows // 4)), name, {"most": GROUPS, "bins": BINS}
            )
        return ask(study, name, {"most": MATRIX} if name == "migration" else {})


class _Glance(Study):
    """A study whose passes over all of its rows also leave the scores behind, which saves a pass."""

    scores: Array | None = None

    def stream(
        self, reducers: Sequence[Reducer], rows: Array | None = None, progress: Progress | None = None
    ) -> int:
        """Feed every reducer in one pass, as a study does."""
        if rows is not None and len(rows) < self.part.rows:
            return super().stream(reducers, rows, progress)
        scores = _Scores(self.part.rows)
        seen = super().stream([*reducers, scores], rows, progress)
        self.scores = scores.values
        return seen

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


def _scenarios(study: Study) -> int:
    """Return how many scenarios an attention picture keeps so that it stays small: the largest ones."""
    tap = study.showing(*ATTENTION)
    shape = study.trace(np.zeros(1, np.int64)).seen[tap].values.shape[1:]
    layers, heads, *pairs = shape
    return max(1, CELLS // (layers * (heads + 1) * int(np.prod(pairs))) - 1)
