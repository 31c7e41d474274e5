"""Dataset holds: an encoded log as it is read, integer matrices, memory-mapped, a folder for each split.

    DIR/dataset.json     version, name, rows, fingerprint, where it came from, what was rejected
    DIR/schema.json      fields, vocabularies, scenarios
    DIR/truth.json       only in a planted world
    DIR/<split>/*.bin    rows of one split, in the order of the log; a large train split in random order
    DIR/events/*.bin     behaviours, where the log has them: a row's history is a stretch of these

Histories of one user overlap, so rows say where their stretch starts and how long it is. Signals change
seldom: only the rows at which one changes are kept, and a shuffled split tells of each row which it has.

The N features are kept in up to three row-major matrices, one per integer width (u1, u2, i4), so
that a log of small vocabularies stays small; a gather from each gives a batch.
"""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import MsvizError, invalid, one_of
from msviz.schema import Schema

if TYPE_CHECKING:  # torch is slow to import, and most of what is done with a dataset needs none
    from msviz.batch import Batch, Histories

VERSION = 2
SPLITS = ("train", "valid", "test")
WIDTHS = (("u1", 2**8), ("u2", 2**16), ("i4", 2**31))
LENGTH = "u2"  # of a history
CHUNK = 1_000_000  # rows whose scenarios are worked out at a time
COLUMNS = {"scenario": "i4", "label": "u1", "time": "i8", "row": "i8"}
Array = np.ndarray[Any, Any]


def width(size: int) -> str:
    """Return the narrowest of u1, u2, i4 that holds ids 0..size-1."""
    return next(name for name, limit in WIDTHS if size <= limit)


class Rows:
    """The rows of one split, memory-mapped; opening costs the same at any size."""

    def __init__(self, folder: Path, rows: int, schema: Schema, shuffled: bool = False) -> None:
        """Map the split's files; raise MsvizError when one is missing or too short.

        `shuffled` says that the rows lie in random order, so that any stretch of them is a fair sample.
        """
        self.name = folder.name
        self.rows = rows
        self.shuffled = shuffled
        self.schema = schema
        self.folder = folder
        groups: dict[str, list[int]] = {}
        for position, size in enumerate(schema.sizes):
            groups.setdefault(width(size), []).append(position)
        self._groups = {
            kind: (columns, self._map(f"fields.{kind}", kind, len(columns)))
            for kind, columns in groups.items()
        }
        # Now, so that a file that is missing is told before a row is read.
        _ = self.scenario, self.label, self.time, self.row, self.probability

    @cached_property
    def scenario(self) -> Array:
        """Return the scenario ids (rows,)."""
        return self._map("scenario", COLUMNS["scenario"])

    @cached_property
    def label(self) -> Array:
        """Return 1 for a click and 0 for none (rows,)."""
        return self._map("label", COLUMNS["label"])

    @cached_property
    def time(self) -> Array:
        """Return local seconds (rows,)."""
        return self._map("time", COLUMNS["time"])

    @cached_property
    def row(self) -> Array:
        """Return the numbers in the log (rows,)."""
        return self._map("row", COLUMNS["row"])

    @cached_property
    def probability(self) -> Array | None:
        """Return the click probability (rows,), which a planted world knows; else None."""
        planted = (self.folder / "probability.bin").is_file()
        return self._map("probability", "f4") if planted else None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows

    def only(self, positions: Array) -> "Rows":
        """Return the rows at these positions (n,), which count anew from 0, in the order given."""
        return SelectedRows(self, np.asarray(positions, np.int64))

    def fields(self, rows: "slice | Array") -> Array:
        """Return the ids (n, N) int64 of the chosen rows."""
        count = len(range(*rows.indices(self.rows))) if isinstance(rows, slice) else len(rows)
        out = np.empty((count, len(self.schema.features)), np.int64)
        for columns, matrix in self._groups.values():
            out[:, columns] = matrix[rows]
        return out

    def column(self, name: str) -> Array:
        """Return one feature's ids (rows,) as they lie on disk; raise MsvizError for another name."""
        position = self.schema.index(name)
        columns, matrix = self._groups[width(self.schema.sizes[position])]
        return matrix[:, columns.index(position)]

    def signals(self, rows: "slice | Array") -> Array:
        """Return the signals (n, K) float32 of the chosen rows, as they stand in the log."""
        index, values = self._signals
        if index is None:
            return np.array(values[rows], np.float32)
        if self.shuffled:
            return np.array(values[index[rows]], np.float32)
        # A numbering of all rows, once a batch, would cost more than the look-up.
        numbers = np.arange(*rows.indices(self.rows)) if isinstance(rows, slice) else np.asarray(rows)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        return np.array(values[np.searchsorted(index, numbers, side="right") - 1], np.float32)

    @cached_property
    def _signals(self) -> tuple[Array | None, Array]:
        """Map a table of signals, and the rows from which on each of its rows holds.

        For a shuffled split, the place of each row in the table instead, None where that is the row's own.
        """
        columns = len(self.schema.signals)
        file = self.folder / "signals.value.bin"
        count = file.stat().st_size // (4 * columns) if file.is_file() else 0
        if not self.shuffled:
            return self._map("signals.start", "i8", rows=count), self._map(
                "signals.value", "f4", columns, count
            )
        if (self.folder / "signals.index.bin").is_file():
            return self._map("signals.index", "u4"), self._map("signals.value", "f4", columns, count)
        return None, self._map("signals.value", "f4", columns)

    @cached_property
    def events(self) -> tuple[list[Array], Array, Array | None]:
        """Map the behaviours of all splits: a column of ids for each of F fields, scenario, local time."""
        sizes = [self.schema.sizes[column] for column in self.schema.behaviour_columns]
        folder = self.folder.parent / "events"
        dtype = width(len(self.schema.scenarios) + 1)
        file = folder / "scenario.bin"
        count = file.stat().st_size // np.dtype(dtype).itemsize if file.is_file() else 0
        ids = [_mapped(folder / f"ids.{k}.bin", width(size), (count,)) for k, size in enumerate(sizes)]
        timed = (folder / "time.bin").is_file()
        time = _mapped(folder / "time.bin", "i8", (count,)) if timed else None
        return ids, _mapped(file, dtype, (count,)), time

    @cached_property
    def history_spans(self) -> tuple[Array, Array]:
        """Map where each row's history starts among the events, and its length."""
        return self._map("history.start", "i8"), self._map("history.length", LENGTH)

    def batch(self, rows: "slice | Array", behaviours: bool = False) -> "Batch":
        """Return the chosen rows as a Batch; with `behaviours`, padded to the longest history among them."""
        import torch

        from msviz.batch import Batch

        return Batch(
            fields=torch.from_numpy(self.fields(rows)),
            scenario=torch.from_numpy(self.scenario[rows].astype(np.int64)),
            label=torch.from_numpy(self.label[rows].astype(np.float32)),
            row=torch.from_numpy(np.array(self.row[rows], np.int64)),
            time=torch.from_numpy(np.array(self.time[rows], np.int64)),
            histories=self._histories(rows) if behaviours and self.schema.sequences else None,
            signals=torch.from_numpy(self.signals(rows)) if self.schema.signals else None,
        )

    def _histories(self, rows: "slice | Array") -> "Histories":
        """Return the padded histories (n, T) of the first sequence."""
        import torch

        from msviz.batch import Histories

        starts, lengths = self.history_spans
        start, length = starts[rows], lengths[rows].astype(np.int64)
        longest = max(int(length.max(initial=0)), 1)
        # Latest last: histories are pushed to the right end of the padded row.
        index = start[:, None] + (np.arange(longest) - longest) + length[:, None]
        mask = index >= start[:, None]
        ids, scenario, time = self.events
        chosen = index[mask]

        def gather(column: Array) -> Array:
            out = np.zeros(mask.shape, np.int64)
            out[mask] = column[chosen]
            return out

        age = np.zeros(mask.shape, np.int64)
        if time is not None:
            age = np.where(mask, self.time[rows][:, None] - gather(time), 0)
        return Histories(
            ids=torch.from_numpy(np.stack([gather(column) for column in ids], axis=2)),
            scenario=torch.from_numpy(gather(scenario)),
            age=torch.from_numpy(age),
            mask=torch.from_numpy(mask),
        )

    def _map(self, stem: str, dtype: str, columns: int = 0, rows: int | None = None) -> Array:
        rows = self.rows if rows is None else rows
        return _mapped(self.folder / f"{stem}.bin", dtype, (rows, columns) if columns else (rows,))


class SelectedRows(Rows):
    """Some rows of a split, to be used like the whole of one; of its own it holds their positions alone."""

    def __init__(self, whole: Rows, positions: Array) -> None:
        self.name, self.folder, self.schema = whole.name, whole.folder, whole.schema
        self.rows = len(positions)
        self._whole, self._positions = whole, positions
        # Some rows of a random order are in random order too, as long as they keep theirs.
        self.shuffled = whole.shuffled and bool(np.all(positions[1:] > positions[:-1]))

    @cached_property
    def scenario(self) -> Array:
        """Return the scenario ids (n,)."""
        return self._whole.scenario[self._positions]

    @cached_property
    def label(self) -> Array:
        """Return 1 for a click and 0 for none (n,)."""
        return self._whole.label[self._positions]

    @cached_property
    def time(self) -> Array:
        """Return local seconds (n,)."""
        return self._whole.time[self._positions]

    @cached_property
    def row(self) -> Array:
        """Return the numbers in the log (n,)."""
        return self._whole.row[self._positions]

    @cached_property
    def probability(self) -> Array | None:
        """Return the click probability (n,) in a planted world; else None."""
        whole = self._whole.probability
        return None if whole is None else whole[self._positions]

    def fields(self, rows: "slice | Array") -> Array:
        """Return the ids (m, N) of some of the selected rows."""
        return self._whole.fields(self._positions[rows])

    def column(self, name: str) -> Array:
        """Return one feature's ids (n,)."""
        return self._whole.column(name)[self._positions]

    def signals(self, rows: "slice | Array") -> Array:
        """Return the signals (m, K) of some of the selected rows."""
        return self._whole.signals(self._positions[rows])

    @cached_property
    def events(self) -> tuple[list[Array], Array, Array | None]:
        """Map the behaviours of all splits."""
        return self._whole.events

    @cached_property
    def history_spans(self) -> tuple[Array, Array]:
        """Return where each selected row's history starts among the events, and its length."""
        starts, lengths = self._whole.history_spans
        return starts[self._positions], lengths[self._positions]

    def batch(self, rows: "slice | Array", behaviours: bool = False) -> "Batch":
        """Return some of the selected rows as a Batch."""
        # Straight from the whole: a training on most of ten million rows copies none of their columns.
        return self._whole.batch(self._positions[rows], behaviours)


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    """Map a file; raise MsvizError when it is missing or of another size."""
    wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.is_file() or path.stat().st_size != wanted:
        size = path.stat().st_size if path.is_file() else "no file"
        raise invalid(f"dataset file {path.parent.name}/{path.name}", size, f"wanted {wanted} bytes")
    if wanted == 0:
        return np.empty(shape, dtype)
    return np.memmap(path, dtype, "r", shape=shape)


class Dataset:
    """An encoded log: schema, splits and what is known of its making."""

    def __init__(self, path: Path, meta: dict[str, Any]) -> None:
        """Hold the folder and the content of dataset.json; use `open_data`."""
        self.path = path
        self.meta = meta

    @property
    def scenario_of(self) -> tuple[str, ...]:
        """Return the columns that are the scenario instead of the log's own (`RegroupedDataset`), else ()."""
        return ()

    @property
    def logged(self) -> "Dataset":
        """Return the dataset with the scenarios of the log itself."""
        return self

    @property
    def name(self) -> str:
        """Return the dataset's name."""
        return str(self.meta["name"])

    @property
    def fingerprint(self) -> str:
        """Return the SHA-256 over schema and rows that a run remembers."""
        return str(self.meta["fingerprint"])

    @property
    def rows(self) -> dict[str, int]:
        """Return the rows of each split."""
        return dict(self.meta["rows"])

    @property
    def shuffled(self) -> tuple[str, ...]:
        """Return the splits whose rows lie in random order instead of the log's."""
        return tuple(self.meta.get("shuffled", ()))

    @cached_property
    def schema(self) -> Schema:
        """Return the schema with vocabularies."""
        return Schema.load(self.path / "schema.json")

    def split(self, name: str) -> Rows:
        """Return one split; raise MsvizError naming the choices."""
        if name not in self.rows:
            raise invalid("split", name, one_of(self.rows))
        return Rows(self.path / name, self.rows[name], self.schema, name in self.shuffled)

    @cached_property
    def truth(self) -> dict[str, Any] | None:
        """Return a planted world's truth, or None on a real log."""
        path = self.path / "truth.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def open_data(path: Path | str) -> Dataset:
    """Open an encoded dataset; raise MsvizError when the folder is none or of a newer version."""
    path = Path(path)
    file = path / "dataset.json"
    if not file.is_file():
        raise invalid(
            "data", str(path), "wanted: a folder written by 'msviz data import' or 'msviz data plant'"
        )
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
        version = meta["version"]
        meta["name"], meta["fingerprint"], meta["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MsvizError(f"data {path.name}: dataset.json cannot be read: {error!r}") from error
    if version != VERSION:
        raise invalid(
            f"data {path.name}: version", version, f"this msviz reads version {VERSION}: write it again"
        )
    return Dataset(path, meta)


class RegroupedDataset(Dataset):
    """A dataset under a schema of other scenarios; path, fingerprint, rows and truth are the log's."""

    def __init__(self, whole: Dataset, schema: Schema) -> None:
        super().__init__(whole.path, whole.meta)
        self._whole = whole
        self.schema = schema
        self._scenarios: dict[str, Array] = {}

    @property
    def scenario_of(self) -> tuple[str, ...]:
        """Return the columns that are the scenario here."""
        return tuple(field.name for field in self.schema.scenario_fields)

    @property
    def logged(self) -> Dataset:
        """Return the dataset with the scenarios of the log itself."""
        return self._whole

    def split(self, name: str) -> Rows:
        """Return one split, grouped by these scenarios."""
        return RegroupedRows(self._whole.split(name), self.schema, self._scenarios)


class RegroupedRows(Rows):
    """A split whose scenarios are worked out from its fields; all else is the log's."""

    def __init__(self, whole: Rows, schema: Schema, known: dict[str, Array]) -> None:
        self.name, self.folder, self.rows, self.schema = whole.name, whole.folder, whole.rows, schema
        self._whole, self._groups, self.shuffled = whole, whole._groups, whole.shuffled
        self._known = known  # of the dataset, so that opening a split again costs nothing

    @cached_property
    def scenario(self) -> Array:
        """Return the scenario ids (rows,), worked out once for a dataset."""
        if self.name not in self._known:
            out = np.empty(self.rows, np.int32)
            columns = [self._whole.column(field.name) for field in self.schema.scenario_fields]
            for start in range(0, self.rows, CHUNK):
                rows = slice(start, start + CHUNK)
                out[rows] = self.schema.scenario_ids(np.stack([column[rows] for column in columns], 1))
            self._known[self.name] = out
        return self._known[self.name]

    @cached_property
    def events(self) -> tuple[list[Array], Array, Array | None]:
        """Map the behaviours of all splits; they tell no scenario of this kind."""
        ids, scenario, time = self._whole.events
        return ids, np.broadcast_to(np.zeros(1, np.uint8), scenario.shape), time
