"""The encoded form of a log: contiguous integer matrices, memory-mapped, one folder per split.

    DIR/dataset.json     version, name, rows, fingerprint, where it came from, what was rejected
    DIR/schema.json      fields, vocabularies, scenarios
    DIR/truth.json       only in a planted world
    DIR/<split>/*.bin    rows of one split, in the order of the log

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

from msviz.errors import MsvizError, one_of, refuse
from msviz.schema import Schema

if TYPE_CHECKING:  # torch is slow to import, and most of what is done with a dataset needs none
    import torch

    from msviz.batch import Batch

VERSION = 1
SPLITS = ("train", "valid", "test")
WIDTHS = (("u1", 2**8), ("u2", 2**16), ("i4", 2**31))
COLUMNS = {"scenario": "i4", "label": "u1", "time": "i8", "row": "i8"}
Array = np.ndarray[Any, Any]


def width(size: int) -> str:
    """Return the narrowest of u1, u2, i4 that holds ids 0..size-1."""
    return next(name for name, limit in WIDTHS if size <= limit)


class Part:
    """The rows of one split, memory-mapped; opening costs the same at any size."""

    def __init__(self, folder: Path, rows: int, schema: Schema) -> None:
        """Map the split's files; raise MsvizError when one is missing or too short."""
        self.name = folder.name
        self.rows = rows
        self.schema = schema
        self._folder = folder
        groups: dict[str, list[int]] = {}
        for position, size in enumerate(schema.sizes):
            groups.setdefault(width(size), []).append(position)
        self._groups = {
            kind: (columns, self._map(f"fields.{kind}", kind, len(columns)))
            for kind, columns in groups.items()
        }
        self.scenario = self._map("scenario", "i4")
        self.label = self._map("label", "u1")
        self.time = self._map("time", "i8")
        self.row = self._map("row", "i8")
        self.signals = self._map("signals", "f4", len(schema.signals)) if schema.signals else None
        # A planted world knows the click probability of every row.
        planted = (folder / "probability.bin").is_file()
        self.probability = self._map("probability", "f4") if planted else None

    def __len__(self) -> int:
        """Return the number of rows."""
        return self.rows

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

    def batch(self, rows: "slice | Array", behaviours: bool = False) -> "Batch":
        """Return the chosen rows as a Batch; with `behaviours`, padded to the longest history among them."""
        import torch

        from msviz.batch import Batch

        extra: dict[str, torch.Tensor] = {}
        if self.signals is not None:
            extra["signals"] = torch.from_numpy(np.array(self.signals[rows], np.float32))
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
        """Return the padded histories (n, T) of the first sequence: items, mask, scenario, age."""
        import torch

        offsets = self._map("behaviours.offset", "i8", rows=self.rows + 1)
        chosen = np.arange(self.rows)[rows]
        start, stop = offsets[chosen], offsets[chosen + 1]
        lengths = stop - start
        longest = max(int(lengths.max(initial=0)), 1)
        # Latest last: histories are pushed to the right end of the padded row.
        place = start[:, None] + np.arange(longest)[None, :] - (longest - lengths)[:, None]
        mask = place >= start[:, None]
        total = int(offsets[-1])
        safe = np.where(mask, place, 0)

        def gather(kind: str, dtype: str) -> torch.Tensor:
            values = self._map(f"behaviours.{kind}", dtype, rows=total)
            if not total:
                return torch.zeros(mask.shape, dtype=torch.int64)
            return torch.from_numpy(np.where(mask, values[safe], 0).astype(np.int64))

        return {
            "behaviours": gather("item", "i4")[:, :, None],
            "behaviour_scenario": gather("scenario", "i4"),
            "behaviour_age": gather("age", "i8"),
            "mask": torch.from_numpy(mask),
        }

    def _map(self, stem: str, dtype: str, columns: int = 0, rows: int | None = None) -> Array:
        rows = self.rows if rows is None else rows
        shape = (rows, columns) if columns else (rows,)
        path = self._folder / f"{stem}.bin"
        wanted = int(np.prod(shape)) * np.dtype(dtype).itemsize
        if not path.is_file() or path.stat().st_size != wanted:
            size = path.stat().st_size if path.is_file() else "no file"
            raise refuse(f"dataset file {self.name}/{path.name}", size, f"wanted {wanted} bytes")
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

    @cached_property
    def schema(self) -> Schema:
        """Return the schema with vocabularies."""
        return Schema.load(self.path / "schema.json")

    def split(self, name: str) -> Part:
        """Return one split; raise MsvizError naming the choices."""
        if name not in self.rows:
            raise refuse("split", name, one_of(self.rows))
        return Part(self.path / name, self.rows[name], self.schema)

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
        raise refuse(f"data {path.name}: version", version, f"this msviz reads version {VERSION}")
    return Dataset(path, meta)


class DatasetWriter:
    """Writes a dataset chunk by chunk at constant memory; it appears whole on `commit`, or not at all.

    Use as a context manager: without a commit the half-written folder is removed.
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
        self._offsets = dict.fromkeys(SPLITS, 0)
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
            if self.schema.signals:
                self._write(split, "signals", b"")
            if self.schema.sequences:
                for stem in ("item", "scenario", "age"):
                    self._write(split, f"behaviours.{stem}", b"")
                self._write(split, "behaviours.offset", np.zeros(1, "i8").tobytes())

    def append(
        self,
        split: Literal["train", "valid", "test"],
        fields: Array,
        scenario: Array,
        label: Array,
        time: Array,
        row: Array,
        signals: Array | None = None,
        behaviours: Mapping[str, Array] | None = None,
        probability: Array | None = None,
    ) -> None:
        """Add n rows to a split: ids (n, N), scenario, label, time and row (n,).

        `behaviours` is ragged: `length` (n,) and, one value per behaviour in row order, `item`,
        `scenario` and `age`. `probability` (n,) is the true click probability in a planted world.
        """
        for kind, columns in self._groups.items():
            self._write(split, f"fields.{kind}", np.ascontiguousarray(fields[:, columns], kind).tobytes())
        given = {"scenario": scenario, "label": label, "time": time, "row": row}
        for name, dtype in COLUMNS.items():
            self._write(split, name, np.ascontiguousarray(given[name], dtype).tobytes())
        if signals is not None:
            self._write(split, "signals", np.ascontiguousarray(signals, "f4").tobytes())
        if probability is not None:
            self._write(split, "probability", np.ascontiguousarray(probability, "f4").tobytes())
        if self.schema.sequences:
            if behaviours is None:
                raise ValueError("this schema has a behaviour sequence: pass behaviours")
            ends = self._offsets[split] + np.cumsum(behaviours["length"], dtype="i8")
            self._offsets[split] = int(ends[-1]) if len(ends) else self._offsets[split]
            self._write(split, "behaviours.offset", ends.astype("i8").tobytes())
            for name, dtype in (("item", "i4"), ("scenario", "i4"), ("age", "i8")):
                self._write(split, f"behaviours.{name}", behaviours[name].astype(dtype).tobytes())
        self._rows[split] += len(fields)

    def commit(self, origin: Mapping[str, Any], truth: Mapping[str, Any] | None = None) -> Dataset:
        """Finish: write schema, truth and dataset.json, and move the folder to its name."""
        for stream in self._files.values():
            stream.close()
        self._files.clear()
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
