"""Behaviours on their way to the dataset: lists in the log's rows, or a table of events, joined by user."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from msviz.data.importing.check import item_column, parts, user_field
from msviz.data.importing.learn import FittedSchema
from msviz.data.importing.read import Chunk
from msviz.data.importing.write import DatasetWriter
from msviz.dataset import Array
from msviz.errors import invalid
from msviz.schema import UNSEEN, Field, Schema

BLOCK = 1 << 18  # events written at a time


class EventTable(Protocol):
    """What events are read from: `LogFiles`, or tables that are joined on the way."""

    @property
    def files(self) -> list[Path]:
        """Return the files, for dataset.json."""

    @property
    def columns(self) -> list[str]:
        """Return the columns that there are."""

    def chunks(self, columns: list[str]) -> Iterator[Callable[[], Chunk]]:
        """Yield one task per chunk, in order."""


@dataclass(frozen=True)
class Events:
    """A table with one row per behaviour, read once: its files, chunks, columns and what these are for."""

    files: list[str]
    tasks: Iterable[Callable[[], Chunk]]
    user: str
    parts: dict[str, str]  # 'behaviours.0' (the item) and so on, as in `parts` -> column
    features: dict[str, str]  # the same keys -> the feature of the log whose ids the column uses
    schema: Schema  # of the events' own columns

    @classmethod
    def of(cls, schema: Schema, source: "EventTable") -> "Events":
        """Return the events that a checked schema's sequence wants of a source."""
        sequence, own, user = schema.sequences[0], schema.role("time"), user_field(schema)
        if own is None or user is None:  # `check` has told it in other words
            raise ValueError("events are joined by user and time")
        named = {key: name for key, (name, _) in parts(schema).items()}
        features = {key: feature for key, (_, feature) in parts(schema).items()}
        named["behaviours.0"] = item_column(schema, source.columns)
        time = Field(name=str(sequence.time), role="time", unit=own.unit, utc_offset=own.utc_offset)
        fields = [Field(name=name) for name in (user.name, *named.values())]
        its = Schema(fields=[*fields, time])
        columns = [field.name for field in its.fields]
        files = [path.name for path in source.files]
        return cls(files, source.chunks(columns), user.name, named, features, its)


class EventHistories(Protocol):
    """Writes behaviours and says which stretch of them is whose."""

    def write(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return where the behaviours of the next rows (n,) begin among the events, and how many they are."""


class EventLists:
    """Histories that stand in the log's rows; windows of rows come in order, so their places add up."""

    def __init__(self, learned: FittedSchema, writer: DatasetWriter) -> None:
        """Keep what turns codes into ids."""
        self._ids = _Ids(learned)
        self._spill = learned.spill
        self._writer = writer
        self._timed = learned.schema.sequences[0].time is not None
        self._stop = 0

    def write(self, start: int, stop: int) -> tuple[Array, Array]:
        """Write the behaviours of the next rows; return where each row's begin and how many."""
        length = self._spill.read("behaviours.length", start, stop)
        first, self._stop = self._stop, self._stop + int(length.sum())
        codes = {key: self._spill.read(key, first, self._stop) for key in self._ids.keys}
        moment = self._spill.read("behaviours.time", first, self._stop) if self._timed else None
        begin = self._writer.add_events(self._ids.items(codes), self._ids.scenario(codes), moment)
        return begin + np.cumsum(length) - length, length


class Windows:
    """Histories that are stretches of a table of events; events that are in none of them are not kept."""

    def __init__(self, learned: FittedSchema, writer: DatasetWriter) -> None:
        """Find every row's stretch and write the events, sorted by user and time."""
        self._spill = learned.spill
        user = user_field(learned.schema)
        self._user = f"field.{user.name if user else ''}"
        self._most = learned.schema.sequences[0].max
        order = self._sort()
        begins = np.zeros(len(order) + 1, np.int32)
        for start, stop in learned.windows():
            begin, length = self._find(start, stop)
            np.add.at(begins, begin, 1)
            np.add.at(begins, begin + length, -1)
            self._spill.append("history.begin", begin)
            self._spill.append("history.length", length)
        used = np.cumsum(begins[:-1], out=begins[:-1]) > 0
        del self._key, begins
        self._place: Array = np.zeros(len(order) + 1, order.dtype)  # of an event among those kept
        np.cumsum(used[:-1], out=self._place[1:-1])
        self._write(learned, writer, order[used])

    def _sort(self) -> Array:
        """Return the order of the events by user and time, equal times as read; raise MsvizError."""
        count = self._spill.size("events.user")
        key = self._spill.read("events.time", 0, count)
        self._low, high = (int(key.min()), int(key.max())) if count else (0, 0)
        self._span = high - self._low + 2  # one second more, for rows that are later than all events
        user = self._spill.read("events.user", 0, count)
        if (int(user.max(initial=0)) + 1) * self._span >= 2**63:
            raise invalid("events: seconds from first to last", self._span, "too many for that many users")
        key -= self._low
        key += user.astype(np.int64) * self._span
        order = np.argsort(key, kind="stable")
        self._key = key[order]
        return order.astype(np.int32 if count < 2**31 else np.int64)

    def _find(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return the stretch of each row: the user's latest events strictly before the row's own second."""
        user = self._spill.read(self._user, start, stop).astype(np.int64) * self._span
        second = np.clip(self._spill.read("time", start, stop) - self._low, 0, self._span - 1)
        end = np.searchsorted(self._key, user + second)
        begin = np.maximum(np.searchsorted(self._key, user), end - self._most)
        return begin, end - begin

    def _write(self, learned: FittedSchema, writer: DatasetWriter, order: Array) -> None:
        ids = _Ids(learned)
        count = self._spill.size("events.user")
        columns = {key: self._spill.read(key, 0, count)[order] for key in (*ids.keys, "events.time")}
        for first in range(0, len(order), BLOCK):
            chosen = {key: values[first : first + BLOCK] for key, values in columns.items()}
            writer.add_events(ids.items(chosen), ids.scenario(chosen), chosen["events.time"])

    def write(self, start: int, stop: int) -> tuple[Array, Array]:
        """Return where each row's behaviours begin among the kept events, and how many they are."""
        begin = self._spill.read("history.begin", start, stop)
        return self._place[begin], self._spill.read("history.length", start, stop)


class _Ids:
    """Turns the codes of behaviours into the ids of the features that they use."""

    def __init__(self, learned: FittedSchema) -> None:
        columns = parts(learned.schema)
        self.keys = list(columns)
        self._tables = {key: learned.tables[feature] for key, (_, feature) in columns.items()}
        self._scenarios: Array | None = None
        if "behaviours.scenario" in columns:
            ids = self._tables.pop("behaviours.scenario")
            self._scenarios = learned.schema.scenario_ids(ids[:, None])
            self._scenarios[0] = UNSEEN  # a behaviour whose scenario is not told

    def items(self, codes: dict[str, Array]) -> Array:
        """Return the ids (n, F) of behaviours: the item, then its sides."""
        return np.stack([table[codes[key] + 1] for key, table in self._tables.items()], axis=1)

    def scenario(self, codes: dict[str, Array]) -> Array:
        """Return the scenarios (n,) in which behaviours happened."""
        if self._scenarios is None:
            return np.full(len(codes["behaviours.0"]), UNSEEN)
        ids: Array = self._scenarios[codes["behaviours.scenario"] + 1]
        return ids
