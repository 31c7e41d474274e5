"""Writes an encoded dataset (`msviz/dataset.py`) chunk by chunk at constant memory."""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

import numpy as np

from msviz.data.importing.shuffle import Shuffle, signals_by_row
from msviz.data.importing.stale import refuse_existing, remove_stale
from msviz.dataset import COLUMNS, LENGTH, SPLITS, VERSION, Array, Dataset, open_data, width
from msviz.schema import Schema

SHUFFLE_FROM = 50_000_000  # rows of train that are too many to be gathered from anywhere for each batch


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
        remove_stale(self.path)
        self._folder = self.path.with_name(f".{self.path.name}.partial-{os.getpid()}")
        self._files: dict[tuple[str, str], BinaryIO] = {}
        self._hashes: dict[tuple[str, str], Any] = {}
        self._rows = dict.fromkeys(SPLITS, 0)
        self._events = 0
        self._latest: dict[str, Array | None] = dict.fromkeys(SPLITS, None)
        self._signals = RunningMoments(len(schema.signals))
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
        dtype = width(len(self.schema.scenarios) + 1)
        self._write("events", "scenario", scenario.astype(dtype).tobytes())
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
        arrays = {"scenario": scenario, "label": label, "time": time, "row": row}
        for name, dtype in COLUMNS.items():
            self._write(split, name, np.ascontiguousarray(arrays[name], dtype).tobytes())
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
        for stem, size in widths.items():
            self._hashes[split, stem] = shuffle.move(folder / f"{stem}.bin", size)

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


class RunningMoments:
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
