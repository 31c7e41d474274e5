"""Study: a run, its net, one split of a log and a seed; what every analysis asks its questions of."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from msviz.data.slices import narrowed, rows
from msviz.dataset import open_data
from msviz.errors import MsvizError, invalid
from msviz.lazy import torch
from msviz.probing import hooks
from msviz.probing.groups import groups
from msviz.probing.reducers import BatchRows
from msviz.run import Run
from msviz.trace import TapOutput, Trace

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.dataset import Dataset, Rows
    from msviz.nets.base import Net
    from msviz.probing.groups import Groups
    from msviz.probing.reducers import Reducer
    from msviz.schema import Schema

Array = np.ndarray[Any, Any]
Progress = Callable[[float, str], None]
PIECE = 2**19  # pairs of fields that a piece of a batch may have
OWN = ("prediction", "label")  # sources that every model has
UNTRAINED = "untrained"


class Study:
    """What one question is asked of; net and data are opened when they are first needed."""

    def __init__(
        self,
        run: Run | None,
        dataset: Dataset,
        *,
        split: str = "test",
        seed: int = 0,
        device: str = "cpu",
        batch_size: int = 4096,
        slice: str = "",
        net: Net | None = None,
        parts: Mapping[str, Rows] | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Hold what was opened; `net` stands in for the run's own (a net of one's own, in eval mode).

        `slice` is an expression over the fields (msviz/data/slices.py) that narrows the split; `parts` are
        rows of splits, by the split's name, that are looked at instead of all.
        """
        if batch_size < 1:
            raise invalid("batch_size", batch_size, "it must be at least 1")
        self.run = run
        self.dataset = dataset
        self.seed = seed
        self.device = device
        self.batch_size = batch_size
        self.progress = progress
        # Whether findings that this one builds on are kept beside the run: those of all rows are.
        self.keep = not parts
        self._split, self._parts = split, parts or {}
        self.slice = slice
        # What the net is where it is not the run's own: answers of the two are kept apart.
        self.state = ""
        # The same log with the scenarios that the slice speaks of, where these are not the run's own.
        self._reader: Dataset | None = None
        if net is not None:
            self.net = net.eval()

    @classmethod
    def open(
        cls,
        run: Run | Path | str | None,
        data: Dataset | Path | str | None = None,
        *,
        split: str = "test",
        seed: int = 0,
        device: str = "cpu",
        batch_size: int = 4096,
        slice: str = "",
    ) -> Self:
        """Open a run and the data it was trained on, or other `data` with the same fields and values.

        Raises MsvizError when run or data cannot be opened or do not fit each other.
        """
        if isinstance(data, Path | str):
            data = open_data(data)
        if run is None:
            if data is None:
                raise invalid("data", None, "without a run, name a dataset")
            return cls(None, data, split=split, seed=seed, device=device, batch_size=batch_size, slice=slice)
        from msviz.data.run_data import find_data

        run = run if isinstance(run, Run) else Run.open(run)
        dataset = find_data(run, data)
        return cls(run, dataset, split=split, seed=seed, device=device, batch_size=batch_size, slice=slice)

    def beside(self, run: Run | Path | str) -> Self:
        """Return a study of another run with the same split, slice and seed, on the same data where it fits.

        On the same data the rows are the same, also where the other run has other scenarios.
        Raises MsvizError when that run cannot be opened, or its data is not here.
        """
        run = run if isinstance(run, Run) else Run.open(Path(run))
        same = run.card.data.fingerprint == self.dataset.fingerprint
        other = type(self).open(
            run,
            self.dataset if same else None,
            split=self.split,
            seed=self.seed,
            device=self.device,
            batch_size=self.batch_size,
            slice=self.slice,
        )
        other.keep, other.progress = self.keep, self.progress
        if same and self.slice and other.dataset.scenario_of != self.dataset.scenario_of:
            # Kept beside the other run, the slice would be read as its own: 'scenario' is another word there.
            other._reader, other.keep = self._reader or self.dataset, False
        return other

    def on(self, split: str) -> Self:
        """Return a study of the same run, slice and seed on another split; the net is shared."""
        other = type(self)(
            self.run,
            self.dataset,
            split=split,
            seed=self.seed,
            device=self.device,
            batch_size=self.batch_size,
            slice=self.slice,
            net=self.net if self.run is not None or "net" in self.__dict__ else None,
            parts=self._parts,
            progress=self.progress,
        )
        other.keep, other._reader, other.state = self.keep, self._reader, self.state
        return other

    def untrained(self) -> Self:
        """Return a study of the run's net as training started it, on the same rows of the same slice.

        Raises MsvizError when there is no run to take it from.
        """
        if self.run is None:
            raise MsvizError("run: this question is asked of a model, name a run")
        from msviz.training.start import untrained_net

        other = type(self)(
            self.run,
            self.dataset,
            split=self.split,
            seed=self.seed,
            device=self.device,
            batch_size=self.batch_size,
            slice=self.slice,
            net=untrained_net(self.run, self.dataset, self.device),
            parts=self._parts,
            progress=self.progress,
        )
        other.keep, other._reader, other.state = self.keep, self._reader, UNTRAINED
        return other

    @contextmanager
    def stage(self, start: float, share: float) -> Iterator[None]:
        """Let what is told inside the `with` block be a part of the whole: from `start`, `share` of it."""
        whole = self.progress
        if whole is not None:
            self.progress = lambda done, words: whole(start + share * done, words)
        try:
            yield
        finally:
            self.progress = whole

    @property
    def split(self) -> str:
        """Return the split's name."""
        return self._split

    @cached_property
    def part(self) -> Rows:
        """Return the rows; raise MsvizError for a split or a slice that the data does not have."""
        if self.slice and self._reader is not None:
            positions = rows(self._reader.split(self._split), self.slice)
            return self.dataset.split(self._split).only(positions)
        own = self._parts.get(self._split)
        return narrowed(self.dataset.split(self._split) if own is None else own, self.slice)

    @cached_property
    def schema(self) -> Schema:
        """Return the schema that the model was trained with, or the data's where there is no model."""
        return self.dataset.schema if self.run is None else self.run.schema

    @cached_property
    def net(self) -> Net:
        """Return the run's net in eval mode; raise MsvizError when there is no run to take it from."""
        if self.run is None:
            raise MsvizError("run: this question is asked of a model, name a run")
        from msviz.training.bundle import load_net

        return load_net(self.run, self.device).eval()

    def axes(self) -> dict[str, tuple[str, ...]]:
        """Return the axes of every tap by name, after the row axis, `layer` included."""
        return {point.name: point.axes for point in hooks.points(self.net)}

    def find_tap(self, *axes: str) -> str:
        """Return the name of the tap that shows exactly these axes; raise MsvizError when none does."""
        for name, tap_axes in self.axes().items():
            if tap_axes == axes:
                return name
        model = "this model" if self.run is None else self.run.card.model
        listing = "; ".join(f"{name} ({', '.join(tap_axes)})" for name, tap_axes in self.axes().items())
        raise MsvizError(f"{model} shows nothing by {', '.join(axes)}; it shows: {listing or 'nothing'}")

    def groups(self, by: str | None = None, keep: list[int] | None = None) -> Groups:
        """Return the split's rows grouped by "scenario", "label", "day", a feature, or not at all."""
        return groups(self.part, by, keep)

    def stream(
        self,
        reducers: Sequence[Reducer],
        rows: Array | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Feed every reducer in one pass over the split, or over the positions `rows`; return the rows seen.

        Raises MsvizError for a source that the model does not show.
        """
        progress = progress or self.progress
        wanted = {source for reducer in reducers for source in reducer.sources} - set(OWN)
        passed: dict[tuple[str, int | None], int] = {}

        def see(name: str, layer: int | None, values: Tensor) -> None:
            # A net may take a batch in pieces; the pieces come in the order of the rows.
            start = passed.get((name, layer), 0)
            passed[name, layer] = start + len(values)
            self._tell(reducers, name, layer, values, start)

        total = self.part.rows if rows is None else len(rows)
        done = 0
        with torch.inference_mode(), hooks.watching(self.net, wanted, see):
            for positions in self._positions(rows):
                rows_now = self._side_by_side(positions)
                batch = rows_now.batch
                passed.clear()
                for reducer in reducers:
                    reducer.begin(rows_now)
                prediction = torch.cat([self.predict(piece) for piece in self._pieces(batch)])
                for (name, _), count in passed.items():
                    if count != len(batch):
                        raise MsvizError(f"tap {name}: it showed {count} rows of {len(batch)}")
                self._tell(reducers, "prediction", None, prediction, 0)
                self._tell(reducers, "label", None, batch.label, 0)
                for reducer in reducers:
                    reducer.end()
                done += len(batch)
                if progress:
                    progress(done / total, f"{done:,} of {total:,} rows")
        return done

    def trace(self, rows: Array) -> Trace:
        """Return everything the taps show of the positions `rows` (n,), in the order given."""
        return self.trace_of(self.batch(np.asarray(rows, np.int64)))

    def trace_of(self, batch: Batch) -> Trace:
        """Return everything the taps show of a batch, also of one that no log holds."""
        batch = batch.to(self.device)
        pieces: dict[str, dict[int | None, list[Tensor]]] = {}

        def see(name: str, layer: int | None, values: Tensor) -> None:
            # Cloned: a net may use the tensor's memory again after the tap.
            pieces.setdefault(name, {}).setdefault(layer, []).append(values.clone())

        with torch.inference_mode(), hooks.watching(self.net, self.axes(), see):
            prediction = self.predict(batch)
        outputs = {}
        for name, layers in pieces.items():
            parts = [torch.cat(layers[layer]) for layer in sorted(layers, key=lambda n: n or 0)]
            values = parts[0] if None in layers else torch.stack(parts, 1)
            outputs[name] = TapOutput(self.axes()[name], values)
        return Trace(batch.row, prediction, outputs)

    def predict(self, batch: Batch) -> Tensor:
        """Return the click probabilities (B,) of a batch."""
        with torch.inference_mode():
            return torch.sigmoid(self.net(batch).float())

    def patched(self, tap: str, function: hooks.Patch) -> AbstractContextManager[None]:
        """Let `function(values, layer)` stand in for a tap's tensor inside the `with` block."""
        return hooks.patched(self.net, tap, function)

    def sample(self, size: int) -> Array:
        """Return the positions (n,) of a uniform sample of the split, rising; the seed repeats it."""
        if size >= self.part.rows:
            return np.arange(self.part.rows)
        chosen = np.random.default_rng(self.seed).choice(self.part.rows, size, replace=False, shuffle=False)
        return np.sort(chosen)

    def position(self, row: int) -> int:
        """Return the position in the split of a row of the log; raise MsvizError where it lies elsewhere."""
        positions = np.flatnonzero(self.part.row == row)
        if len(positions):
            return int(positions[0])
        for other in self.dataset.rows:
            if other != self.split and (self.dataset.split(other).row == row).any():
                raise invalid("row", row, f"it is in split {other}, not in {self.split}")
        numbers = self.part.row
        some = (
            f"rows of split {self.split} run from {numbers.min()} to {numbers.max()}" if len(numbers) else ""
        )
        raise invalid("row", row, some or f"split {self.split} has no rows")

    def _positions(self, rows: Array | None) -> Iterator[slice | Array]:
        if rows is None:
            for start in range(0, self.part.rows, self.batch_size):
                yield slice(start, min(start + self.batch_size, self.part.rows))
            return
        for start in range(0, len(rows), self.batch_size):
            yield np.asarray(rows[start : start + self.batch_size], np.int64)

    def batch(self, positions: slice | Array) -> Batch:
        """Return rows of the split by position, with histories where the net reads them."""
        return self.part.batch(positions, behaviours="behaviours" in self.net.needs).to(self.device)

    def _side_by_side(self, positions: slice | Array) -> BatchRows:
        """Return a batch with the rows of one scenario next to one another.

        Nets that compute by scenario want it so, and sums by scenario are then sums of stretches.
        """
        batch = self.batch(positions)
        order = self.net.order(batch)
        if order is None:
            order = torch.argsort(batch.scenario, stable=True)
        return BatchRows(_numbers(positions)[order.cpu().numpy()], batch.take(order))

    def _pieces(self, batch: Batch) -> Iterator[Batch]:
        """Yield the batch in pieces that stay in a processor's cache, whole on other devices."""
        size = self.net.piece if batch.fields.device.type == "cpu" else None
        if size is not None:
            # What is worth watching is often a number for each pair of fields.
            size = min(size, max(16, PIECE // batch.fields.shape[1] ** 2))
        for start in range(0, len(batch), size or len(batch)):
            yield batch.take(slice(start, start + (size or len(batch))))

    @staticmethod
    def _tell(
        reducers: Sequence[Reducer], source: str, layer: int | None, values: Tensor, start: int
    ) -> None:
        rows = slice(start, start + len(values))
        for reducer in reducers:
            if source in reducer.sources:
                reducer.see(source, layer, values, rows)


def _numbers(positions: slice | Array) -> Array:
    return np.arange(positions.start, positions.stop) if isinstance(positions, slice) else positions
