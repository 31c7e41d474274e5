"""One chunk of a log under a schema: its columns as arrays, its unusable rows as rejects."""

import csv
import io
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from msviz.data.importing import arrow_columns
from msviz.data.importing.arrow_columns import Codes
from msviz.data.importing.check import parts
from msviz.data.importing.read import Chunk
from msviz.data.importing.rejects import Reject
from msviz.dataset import SPLITS, Array
from msviz.schema import Field, Schema

LARGEST = float(np.finfo(np.float32).max)  # a signal is kept as a float of 32 bits


@dataclass(frozen=True)
class Prepared:
    """n usable rows: label, time, row, split and numeric fields (n,); behaviours flat, their length (n,).

    Codes are 'field.<name>' (n,); flat are 'behaviours.0' (items), 'behaviours.1' on (their sides) and
    'behaviours.scenario'.
    """

    arrays: dict[str, Array]
    codes: dict[str, Codes]
    records: int
    seen: int
    rejects: list[Reject]


def is_count(field: Field) -> bool:
    """Return whether a numeric field counts something and so cannot be negative."""
    return field.unit == "count" or (field.role == "cross" and field.kind == "numeric" and not field.unit)


def unfit_signals(values: Array) -> dict[int, str]:
    """Return why some values (n,) cannot be a signal, by their position."""
    problems = {int(i): "the signal is missing" for i in np.flatnonzero(np.isnan(values))}
    for position in np.flatnonzero((values < 0) | (values > LARGEST)):
        wanted = "signals are read as log(1 + x), so none is negative or beyond 32 bits"
        problems[int(position)] = f"got {values[position]:g}; {wanted}"
    return problems


def prepare(chunk: Chunk, schema: Schema) -> Prepared:
    """Read a chunk's columns as the schema says; rows with a cell that cannot be used are rejected."""
    reader = _ChunkReader(chunk)
    for field in schema.fields:
        if field.role != "behaviour":
            reader.read(field)
    if schema.split.by == "given" and schema.split.column:
        reader.read_split(schema.split.column)
    reader.arrays["place"] = chunk.place
    for field in schema.sequences:
        reader.read_sequence(field, schema)
    return reader.finish()


class _ChunkReader:
    def __init__(self, chunk: Chunk) -> None:
        self.chunk = chunk
        self.arrays: dict[str, Array] = {}
        self.codes: dict[str, Codes] = {}
        self.problems: dict[int, str] = {}
        self.flat: dict[str, Array] = {}
        self.flat_codes: dict[str, Codes] = {}
        self.owner: Array = np.empty(0, np.int64)  # the row of each behaviour

    def column(self, name: str) -> pa.Array:
        return self.chunk.table[name].combine_chunks()

    def note(self, name: str, problems: dict[int, str]) -> None:
        for position, reason in problems.items():
            self.problems.setdefault(position, f"{name}: {reason}")

    def read(self, field: Field) -> None:
        column = self.column(field.name)
        if field.role == "label":
            self.arrays["label"], problems = arrow_columns.labels(column)
        elif field.role == "time":
            self.arrays["time"], problems = arrow_columns.seconds(column, field.unit, field.utc_offset)
        elif field.role == "row_id":
            values, problems = arrow_columns.numbers(column)
            problems |= {int(i): "the row id is missing" for i in np.flatnonzero(np.isnan(values))}
            self.arrays["row"] = np.where(np.isfinite(values), values, 0).astype(np.int64)
        elif field.role == "signal" or field.kind == "numeric":
            values, problems = arrow_columns.numbers(column)
            if is_count(field):
                for position in np.flatnonzero(values < 0):
                    problems[int(position)] = f"got {values[position]:g}; a count cannot be negative"
            if field.role == "signal":
                problems = unfit_signals(values) | problems
            self.arrays[f"field.{field.name}"] = values
        else:
            codes = self.codes[f"field.{field.name}"] = arrow_columns.codes(column)
            problems = codes.problems
        self.note(field.name, problems)

    def read_split(self, name: str) -> None:
        index, words, _ = arrow_columns.codes(self.column(name))
        numbers = np.array(
            [SPLITS.index(word) if word in SPLITS else 255 for word in words] + [255], np.uint8
        )
        self.arrays["split"] = numbers[index]
        for position in np.flatnonzero(self.arrays["split"] == 255):
            word = words[index[position]] if index[position] >= 0 else "nothing"
            self.problems.setdefault(int(position), f"{name}: got {word!r}; wanted train, valid or test")

    def read_sequence(self, field: Field, schema: Schema) -> None:
        """Read histories: sorted by time, cut strictly before the row's own second, the latest `max` kept."""
        length, items, problems = arrow_columns.lists(self.column(field.name))
        self.note(field.name, problems)
        rows = len(length)
        self.owner = np.repeat(np.arange(rows), length)
        self.flat_codes["behaviours.0"] = arrow_columns.codes(items)
        keep = self.flat_codes["behaviours.0"].place >= 0
        order = np.arange(len(items))
        own = schema.role("time")
        if field.time and own is not None:
            other = self._companion(field.time, length)
            seconds = np.zeros(len(items), np.int64)
            if other is not None:
                seconds, wrong = arrow_columns.seconds(other, own.unit, own.utc_offset)
                self.note(field.time, {int(self.owner[i]): reason for i, reason in wrong.items()})
                keep &= seconds < self.arrays["time"][self.owner]
                if np.any((np.diff(seconds) < 0) & (np.diff(self.owner) == 0)):
                    order = np.lexsort((seconds, self.owner))
            self.flat["behaviours.time"] = seconds
        for key, (name, _) in parts(schema).items():
            if key != "behaviours.0":
                other = self._companion(name, length)
                self.flat_codes[key] = arrow_columns.codes(
                    pa.nulls(len(items), pa.string()) if other is None else other
                )
        usable = np.ones(rows, bool)
        usable[list(self.problems)] = False
        keep &= usable[self.owner]
        order = order[keep[order]]
        count = np.bincount(self.owner[order], minlength=rows)
        ends = np.cumsum(count)
        from_end = ends[self.owner[order]] - np.arange(len(order))
        order = order[from_end <= field.max]
        self.arrays["behaviours.length"] = np.minimum(count, field.max)
        self.flat = {key: values[order] for key, values in self.flat.items()}
        for key, (index, words, _) in self.flat_codes.items():
            self.flat_codes[key] = Codes(index[order], words, {})

    def _companion(self, name: str, length: Array) -> pa.Array | None:
        """Return a list column's items when every row has as many as the sequence, else note who has not."""
        other = arrow_columns.lists(self.column(name))
        self.note(name, other.problems)
        for position in np.flatnonzero(other.length != length):
            reason = f"got {other.length[position]} entries; the sequence has {length[position]}"
            self.problems.setdefault(int(position), f"{name}: {reason}")
        if np.array_equal(other.length, length):
            return other.items
        # Rows of the wrong length are rejected; the others' items keep their places.
        fits = other.length == length
        starts = np.cumsum(other.length) - other.length
        within = np.arange(len(self.owner)) - (np.cumsum(length) - length)[self.owner]
        source = np.where(fits[self.owner], starts[self.owner] + within, 0)
        if not len(other.items):
            return None
        return other.items.take(pa.array(source))

    def finish(self) -> Prepared:
        """Return what was read without the rows that have a problem."""
        rejects = [
            Reject(self.chunk.file, int(self.chunk.line[i]), self.problems[i], self._raw(i))
            for i in sorted(self.problems)
        ]
        if self.problems:
            keep = np.ones(len(self.chunk.table), bool)
            keep[list(self.problems)] = False
            self.arrays = {name: values[keep] for name, values in self.arrays.items()}
            self.codes = {name: Codes(c.place[keep], c.words, {}) for name, c in self.codes.items()}
        rejects = sorted([*self.chunk.rejects, *rejects], key=lambda reject: reject.line)
        lines = len(self.chunk.table) + len(self.chunk.rejects)
        arrays, codes = self.arrays | self.flat, self.codes | self.flat_codes
        return Prepared(arrays, codes, self.chunk.records, lines, rejects)

    def _raw(self, position: int) -> str:
        stream = io.StringIO()
        cells = self.chunk.table.slice(position, 1).to_pylist()[0]
        csv.writer(stream, lineterminator="").writerow(cells.values())
        return stream.getvalue()
