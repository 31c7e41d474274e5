"""The encoded form of a log: contiguous integer matrices, memory-mapped, one folder per split.

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

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

import numpy as np

from msviz.data._shuffle import Shuffle, signals_by_row
from msviz.errors import MsvizError, one_of, refuse
from msviz.schema import Schema

if TYPE_CHECKING:  # torch is slow to import, and most of what is done with a dataset needs none
    import torch

    from msviz.batch import Batch

VERSION = 2
SPLITS = ("train", "valid", "test")
WIDTHS = (("u1", 2**8), ("u2", 2**16), ("i4", 2**31))
LENGTH = "u2"  # of a history
COLUMNS = {"scenario": "i4", "label": "u1", "time": "i8", "row": "i8"}
SHUFFLE_FROM = 50_000_000  # rows of train that are too many to be gathered from anywhere for each batch
Array = np.ndarray[Any, Any]


def width(size: int) -> str:
    """Return the narrowest of u1, u2, i4 that holds ids 0..size-1."""
    return next(name for name, limit in WIDTHS if size <= limit)


class Part:
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

    def only(self, positions: Array) -> "Part":
        """Return the rows at these positions (n,), which count anew from 0, in the order given."""
        return _Chosen(self, np.asarray(positions, np.int64))

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
        place, values = self._signals
        if place is None:
            return np.array(values[rows], np.float32)
        if self.shuffled:
            return np.array(values[place[rows]], np.float32)
        # A numbering of all rows, once a batch, would cost more than the look-up.
        numbers = np.arange(*rows.indices(self.rows)) if isinstance(rows, slice) else np.asarray(rows)
        if numbers.dtype == bool:
            numbers = np.flatnonzero(numbers)
        return np.array(values[np.searchsorted(place, numbers, side="right") - 1], np.float32)

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
        known = width(len(self.schema.scenarios) + 1)
        file = folder / "scenario.bin"
        count = file.stat().st_size // np.dtype(known).itemsize if file.is_file() else 0
        ids = [_mapped(folder / f"ids.{k}.bin", width(size), (count,)) for k, size in enumerate(sizes)]
        timed = (folder / "time.bin").is_file()
        time = _mapped(folder / "time.bin", "i8", (count,)) if timed else None
        return ids, _mapped(file, known, (count,)), time

    @cached_property
    def stretches(self) -> tuple[Array, Array]:
        """Map where each row's history starts among the events, and its length."""
        return self._map("history.start", "i8"), self._map("history.length", LENGTH)

    def batch(self, rows: "slice | Array", behaviours: bool = False) -> "Batch":
        """Return the chosen rows as a Batch; with `behaviours`, padded to the longest history among them."""
        import torch

        from msviz.batch import Batch

        extra: dict[str, torch.Tensor] = {}
        if self.schema.signals:
            extra["signals"] = torch.from_numpy(self.signals(rows))
        if behaviours and self.schema.sequences:
            extra |= self._behaviours(rows)
        return Batch(
            fields=torch.from_numpy(self.fields(rows)),
            scenario=torch.from_numpy(self.scenario[rows].astype(np.int64)),
            label=torch.from_numpy(self.label[rows].astype(np.float32)),
            row=torch.from_numpy(np.array(self.row[rows], np.int64)),
            time=torch.from_numpy(np.array(self.time[rows], np.int64)),
            **extra,
        )

    def _behaviours(self, rows: "slice | Array") -> "dict[str, torch.Tensor]":
        """Return the padded histories (n, T) of the first sequence: ids, mask, scenario, age."""
        import torch

        starts, lengths = self.stretches
        start, length = starts[rows], lengths[rows].astype(np.int64)
        longest = max(int(length.max(initial=0)), 1)
        # Latest last: histories are pushed to the right end of the padded row.
        place = start[:, None] + (np.arange(longest) - longest) + length[:, None]
        mask = place >= start[:, None]
        ids, scenario, time = self.events
        chosen = place[mask]

        def gather(column: Array) -> Array:
            out = np.zeros(mask.shape, np.int64)
            out[mask] = column[chosen]
            return out

        age = np.zeros(mask.shape, np.int64)
        if time is not None:
            age = np.where(mask, self.time[rows][:, None] - gather(time), 0)
        return {
            "behaviours": torch.from_numpy(np.stack([gather(column) for column in ids], axis=2)),
            "behaviour_scenario": torch.from_numpy(gather(scenario)),
            "behaviour_age": torch.from_numpy(age),
            "mask": torch.from_numpy(mask),
        }

    def _map(self, stem: str, dtype: str, columns: int = 0, rows: int | None = None) -> Array:
        rows = self.rows if rows is None else rows
        return _mapped(self.folder / f"{stem}.bin", dtype, (rows, columns) if columns else (rows,))


class _Chosen(Part):
    """Some rows of a split, to be used like the whole of one; of its own it holds their positions alone."""

    def __init__(self, whole: Part, positions: Array) -> None:
        self.name, self.folder, self.schema = whole.name, whole.folder, whole.schema
        self.rows = len(positions)
        self._whole, self._positions = whole, positions
        # Some rows of a random order are in random order too, as long as they keep theirs.
        self.shuffled = whole.shuffled and bool(np.all(positions[1:] > positions[:-1]))

    @cached_property
    def scenario(self) -> Array:
        return self._whole.scenario[self._positions]

    @cached_property
    def label(self) -> Array:
        return self._whole.label[self._positions]

    @cached_property
    def time(self) -> Array:
        return self._whole.time[self._positions]

    @cached_property
    def row(self) -> Array:
        return self._whole.row[self._positions]

    @cached_property
    def probability(self) -> Array | None:
        known = self._whole.probability
        return None if known is None else known[self._positions]

    def fields(self, rows: "slice | Array") -> Array:
        return self._whole.fields(self._positions[rows])

    def column(self, name: str) -> Array:
        return self._whole.column(name)[self._positions]

    def signals(self, rows: "slice | Array") -> Array:
        return self._whole.signals(self._positions[rows])

    @cached_property
    def events(self) -> tuple[list[Array], Array, Array | None]:
        return self._whole.events

    @cached_property
    def stretches(self) -> tuple[Array, Array]:
        starts, lengths = self._whole.stretches
        return starts[self._positions], lengths[self._positions]

    def batch(self, rows: "slice | Array", behaviours: bool = False) -> "Batch":
        # Straight from the whole: a training on most of ten million rows copies none of their columns.
        return self._whole.batch(self._positions[rows], behaviours)


def _mapped(path: Path, dtype: str, shape: tuple[int, ...]) -> Array:
    """Map a file; raise MsvizError when it is missing or of another size."""
    wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
    if not path.is_file() or path.stat().st_size != wanted:
        size = path.stat().st_size if path.is_file() else "no file"
        raise refuse(f"dataset file {path.parent.name}/{path.name}", size, f"wanted {wanted} bytes")
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
        """Return the columns that are the scenario here instead of the log's own (see `_view`), else ()."""
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

    def split(self, name: str) -> Part:
        """Return one split; raise MsvizError naming the choices."""
        if name not in self.rows:
            raise refuse("split", name, one_of(self.rows))
        return Part(self.path / name, self.rows[name], self.schema, name in self.shuffled)

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
        raise refuse(
            "data", str(path), "wanted: a folder written by 'msviz data import' or 'msviz data plant'"
        )
    try:
        meta = json.loads(file.read_text(encoding="utf-8"))
        version = meta["version"]
        meta["name"], meta["fingerprint"], meta["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise MsvizError(f"data {path.name}: dataset.json cannot be read: {error!r}") from error
    if version != VERSION:
        raise refuse(
            f"data {path.name}: version", version, f"this msviz reads version {VERSION}: write it again"
        )
    return Dataset(path, meta)


class DatasetWriter:
    """Writes a dataset chunk by chunk at constant memory; it appears whole on `commit`, or not at all.

    A train split of SHUFFLE_FROM rows or more is put into random order, always the same one. Use as a context
    manager: without a commit the half-written folder is removed.
    """

    def __init__(self, path: Path | str, schema: Schema, overwrite: bool = False) -> None:
        """Prepare a hidden folder beside `path`; raise MsvizError when `path` exists and must stay."""
        self.path = Path(path)
        self.schema = schema
        refuse_existing(self.path, overwrite)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        sweep(self.path)
        self._folder = self.path.with_name(f".{self.path.name}.partial-{os.getpid()}")
        self._files: dict[tuple[str, str], BinaryIO] = {}
        self._hashes: dict[tuple[str, str], Any] = {}
        self._rows = dict.fromkeys(SPLITS, 0)
        self._events = 0
        self._latest: dict[str, Array | None] = dict.fromkeys(SPLITS, None)
        self._signals = Moments(len(schema.signals))
        self._groups: dict[str, list[int]] = {}
        for position, size in enumerate(schema.sizes):
            self._groups.setdefault(width(size), []).append(position)

    def __enter__(self) -> "DatasetWriter":
        """Create the hidden folder and the empty files of every split."""
        try:
            self._create()
        except BaseException:  # Ctrl-C in here would leave the folder: no __exit__ follows
            self.__exit__(None, None, None)
            raise
        return self

    def _create(self) -> None:
        for split in SPLITS:
            (self._folder / split).mkdir(parents=True)
            for stem in (*COLUMNS, *(f"fields.{kind}" for kind in self._groups)):
                self._write(split, stem, b"")
            for stem in ("start", "value") if self.schema.signals else ():
                self._write(split, f"signals.{stem}", b"")
            for stem in ("start", "length") if self.schema.sequences else ():
                self._write(split, f"history.{stem}", b"")
        if self.schema.sequences:
            (self._folder / "events").mkdir()
            for stem in ("scenario", *(f"ids.{k}" for k in range(len(self.schema.behaviour_columns)))):
                self._write("events", stem, b"")

    def add_events(self, ids: Array, scenario: Array, time: Array | None) -> int:
        """Add n behaviours: ids (n, F), scenario ids and local seconds (n,); return the number of the first.

        `time` is None throughout where the log does not tell when they happened: their age is then 0.
        """
        for k, column in enumerate(self.schema.behaviour_columns):
            self._write("events", f"ids.{k}", ids[:, k].astype(width(self.schema.sizes[column])).tobytes())
        known = width(len(self.schema.scenarios) + 1)
        self._write("events", "scenario", scenario.astype(known).tobytes())
        if time is not None:
            self._write("events", "time", time.astype("i8").tobytes())
        first, self._events = self._events, self._events + len(ids)
        return first

    def append(
        self,
        split: Literal["train", "valid", "test"],
        fields: Array,
        scenario: Array,
        label: Array,
        time: Array,
        row: Array,
        signals: Array | None = None,
        history: tuple[Array, Array] | None = None,
        probability: Array | None = None,
    ) -> None:
        """Add n rows to a split: ids (n, N), scenario, label, time and row (n,).

        `signals` (n, K) are not negative. `history` says where each row's behaviours start among the events
        and how many they are, (n,) each. `probability` (n,) is the true click probability in a planted world.
        """
        for kind, columns in self._groups.items():
            self._write(split, f"fields.{kind}", np.ascontiguousarray(fields[:, columns], kind).tobytes())
        given = {"scenario": scenario, "label": label, "time": time, "row": row}
        for name, dtype in COLUMNS.items():
            self._write(split, name, np.ascontiguousarray(given[name], dtype).tobytes())
        if self.schema.signals:
            if signals is None or not np.all(signals >= 0):
                raise ValueError("this schema has signals: pass numbers that are not negative")
            self._append_signals(split, np.ascontiguousarray(signals, "f4"))
        if probability is not None:
            self._write(split, "probability", np.ascontiguousarray(probability, "f4").tobytes())
        if self.schema.sequences:
            if history is None:
                raise ValueError("this schema has a behaviour sequence: pass history")
            for stem, values, dtype in zip(("start", "length"), history, ("i8", LENGTH), strict=True):
                self._write(split, f"history.{stem}", np.ascontiguousarray(values, dtype).tobytes())
        self._rows[split] += len(fields)

    def _append_signals(self, split: str, signals: Array) -> None:
        """Keep the rows at which a signal changes, and count those of training (SAME, Eq. 5)."""
        if not len(signals):
            return
        if split == "train":
            self._signals.add(np.log1p(signals.astype(np.float64)))
        before = self._latest[split]
        changed = np.ones(len(signals), bool)
        changed[1:] = (signals[1:] != signals[:-1]).any(1)
        changed[0] = before is None or bool((signals[0] != before).any())
        self._latest[split] = signals[-1]
        start = self._rows[split] + np.flatnonzero(changed)
        self._write(split, "signals.start", start.astype("i8").tobytes())
        self._write(split, "signals.value", signals[changed].tobytes())

    def _with_statistics(self) -> Schema:
        """Return the schema with mean and deviation of every signal, 1 where it never varies."""
        statistics = dict(zip([f.name for f in self.schema.signals], self._signals.found(), strict=True))
        fields = [
            field.model_copy(update=dict(zip(("mean", "deviation"), statistics[field.name], strict=True)))
            if field.name in statistics
            else field
            for field in self.schema.fields
        ]
        # A copy would carry along what the old fields were worked out to.
        return Schema(fields=fields, split=self.schema.split, scenarios=self.schema.scenarios)

    def commit(self, origin: Mapping[str, Any], truth: Mapping[str, Any] | None = None) -> Dataset:
        """Finish: write schema, truth and dataset.json, and move the folder to its name."""
        for stream in self._files.values():
            stream.close()
        self._files.clear()
        shuffled = ["train"] if self._rows["train"] >= SHUFFLE_FROM else []
        for split in shuffled:
            self._shuffle(split)
        if self.schema.signals:
            self.schema = self._with_statistics()
        self.schema.save(self._folder / "schema.json")
        digest = hashlib.sha256((self._folder / "schema.json").read_bytes())
        for key in sorted(self._hashes):
            digest.update("/".join(key).encode() + self._hashes[key].digest())
        if truth is not None:
            text = json.dumps(truth, ensure_ascii=False, indent=1)
            (self._folder / "truth.json").write_text(text + "\n", encoding="utf-8")
        meta = {
            "version": VERSION,
            "name": self.path.name,
            "rows": self._rows,
            "fingerprint": digest.hexdigest(),
            **({"shuffled": shuffled} if shuffled else {}),
            **origin,
        }
        text = json.dumps(meta, ensure_ascii=False, indent=1)
        (self._folder / "dataset.json").write_text(text + "\n", encoding="utf-8")
        if self.path.exists():
            old = self.path.with_name(f".{self.path.name}.partial-{os.getpid()}-old")
            self.path.rename(old)
            self._folder.rename(self.path)
            shutil.rmtree(old)
        else:
            self._folder.rename(self.path)
        return open_data(self.path)

    def _shuffle(self, split: str) -> None:
        """Put all files of a split into the same random order; the fingerprint is of what lies there then."""
        folder, rows = self._folder / split, self._rows[split]
        signals: dict[str, int] = {}
        if self.schema.signals:
            signals = signals_by_row(folder, rows, len(self.schema.signals))
            del self._hashes[split, "signals.start"]
        stems = [stem for of, stem in self._hashes if of == split and not stem.startswith("signals.")]
        widths = {stem: (folder / f"{stem}.bin").stat().st_size // rows for stem in stems} | signals
        shuffle = Shuffle(rows, max(widths.values()))
        for stem, width in widths.items():
            self._hashes[split, stem] = shuffle.move(folder / f"{stem}.bin", width)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files and remove what was not committed."""
        for stream in self._files.values():
            stream.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, split: str, stem: str, content: bytes) -> None:
        key = (split, stem)
        if key not in self._files:
            self._files[key] = (self._folder / split / f"{stem}.bin").open("wb")
            self._hashes[key] = hashlib.sha256()
        self._files[key].write(content)
        self._hashes[key].update(content)


class Moments:
    """Mean and standard deviation of K columns, added up chunk by chunk."""

    def __init__(self, columns: int) -> None:
        """Start with no rows."""
        self._rows = 0
        self._mean, self._squares = np.zeros(columns), np.zeros(columns)

    def add(self, values: Array) -> None:
        """Count n rows (n, K), n at least 1 (Chan's update, so that large means cost no digits)."""
        rows, mean = len(values), values.mean(0)
        total = self._rows + rows
        self._squares += ((values - mean) ** 2).sum(0) + (mean - self._mean) ** 2 * self._rows * rows / total
        self._mean += (mean - self._mean) * rows / total
        self._rows = total

    def found(self) -> list[tuple[float, float]]:
        """Return (mean, deviation) of each column; the deviation is 1 where a column never varies."""
        deviation = np.sqrt(self._squares / max(self._rows, 1))
        # Rounding leaves a trace of a deviation also in a constant column.
        varies = deviation > 1e-9 * (1 + np.abs(self._mean))
        return list(zip(self._mean.tolist(), np.where(varies, deviation, 1.0).tolist(), strict=True))


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise MsvizError when `path` exists and must stay."""
    if path.exists() and not overwrite:
        raise refuse("out", str(path), "it exists already; name another folder or pass --overwrite")


def sweep(path: Path, kind: str = "partial") -> None:
    """Remove what a killed import of `path` left behind: hidden folders of processes that are gone."""
    for folder in path.parent.glob(f".{path.name}.{kind}-*"):
        owner = folder.name.rsplit(f"{kind}-", 1)[1].split("-")[0]
        if not (owner.isdigit() and Path(f"/proc/{owner}").exists()) or owner == str(os.getpid()):
            shutil.rmtree(folder, ignore_errors=True)
