"""Signals that hold for a local day, or for a day in one scenario: read, and joined to the log's rows."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from msviz.data.importing import arrow_columns
from msviz.data.importing.learn import WINDOW
from msviz.data.importing.prepare import unfit_signals
from msviz.data.importing.read import Chunk, find
from msviz.data.importing.spill import Spill
from msviz.dataset import Array
from msviz.errors import MsvizError, invalid
from msviz.schema import Schema, mixed_radix

DAY = 86_400
DATES = ("date", "day")


@dataclass(frozen=True)
class Daily:
    """Values (n, K) of the signals `names` on days (n,) since 1970, each with a raw value of every key."""

    file: str
    names: list[str]
    days: Array
    values: Array
    keys: list[str]  # scenario fields beside the day
    words: list[tuple[str, ...]]  # (n,) of one text per key, '' where missing


def read_daily(path: str, schema: Schema) -> Daily:
    """Read a table of signals by day; raise MsvizError naming file, line and column of what is wrong."""
    source = find(path, "signals")
    where = f"signals {source.files[0].name}"
    names = [field.name for field in schema.signals if field.name in source.columns]
    if not names:
        wanted = [field.name for field in schema.signals]
        hint = f"wanted fields with role signal: {', '.join(wanted) or 'the schema has none'}"
        raise invalid(f"{where}: columns", source.columns, hint)
    dates = [name for name in DATES if name in source.columns]
    if len(dates) != 1:
        raise invalid(f"{where}: columns", source.columns, "wanted one column called date or day")
    if schema.role("time") is None:
        raise invalid(
            "signals", path, "the log needs a field with role time, whose local day they are joined by"
        )
    keys = [field.name for field in schema.scenario_fields if field.name in source.columns]
    days: list[Array] = []
    values: list[Array] = []
    words: list[tuple[str, ...]] = []
    for task in source.chunks([*dates, *keys, *names]):
        chunk = task()
        for reject in chunk.rejects[:1]:
            raise MsvizError(f"signals {reject.file} line {reject.line}: {reject.reason}")
        days.append(_days(chunk, dates[0]))
        values.append(np.stack([_numbers(chunk, name) for name in names], axis=1))
        words += (
            zip(*[_texts(chunk.table[name].combine_chunks()) for name in keys], strict=True) if keys else []
        )
    if not days:
        raise invalid(where, "no rows", "wanted: rows below the header line")
    daily = Daily(
        where, names, np.concatenate(days), np.concatenate(values), keys, words or [()] * sum(map(len, days))
    )
    _refuse_twice(daily)
    return daily


def _days(chunk: Chunk, name: str) -> Array:
    seconds, problems = arrow_columns.seconds(chunk.table[name].combine_chunks(), "date")
    _refuse_first(chunk, name, problems)
    return np.floor_divide(seconds, DAY)


def _numbers(chunk: Chunk, name: str) -> Array:
    values, problems = arrow_columns.numbers(chunk.table[name].combine_chunks())
    _refuse_first(chunk, name, unfit_signals(values) | problems)
    return values


def _refuse_first(chunk: Chunk, name: str, problems: dict[int, str]) -> None:
    for position in sorted(problems)[:1]:
        line = int(chunk.line[position])
        raise MsvizError(f"signals {chunk.file} line {line}: {name}: {problems[position]}")


def _texts(column: pa.Array) -> list[str]:
    codes, words, _ = arrow_columns.codes(column)
    return [words[index] if index >= 0 else "" for index in codes.tolist()]


def _refuse_twice(daily: Daily) -> None:
    keys: set[tuple[int, tuple[str, ...]]] = set()
    for day, words in zip(daily.days.tolist(), daily.words, strict=True):
        if (day, words) in keys:
            raise invalid(f"{daily.file}: day", _named(day, daily.keys, words), "it stands there twice")
        keys.add((day, words))


def _named(day: int, keys: Iterable[str], words: Iterable[str]) -> str:
    """Return a day in words: '2022-04-25, tab home'."""
    return ", ".join(
        [str(np.datetime64(day, "D")), *(f"{k} {w or 'missing'}" for k, w in zip(keys, words, strict=True))]
    )


class Joined:
    """Signals by day of a spilled log's rows."""

    def __init__(self, daily: Daily, spill: Spill, books: dict[str, dict[str, int]], rows: int) -> None:
        """Look every row up; raise MsvizError that names the first day without signals."""
        self.names = daily.names
        self._daily, self._spill = daily, spill
        self._books = [books[f"field.{name}"] for name in daily.keys]
        self._first = int(daily.days.min())
        self._sizes = [int(daily.days.max()) - self._first + 1, *(len(book) + 1 for book in self._books)]
        # A scenario that the log never shows gets the code -2 and is left out.
        codes = [
            [book.get(words[column_number], -1 if not words[column_number] else -2) for words in daily.words]
            for column_number, book in enumerate(self._books)
        ]
        digits = np.stack([daily.days - self._first, *(np.array(column) + 1 for column in codes)], axis=1)
        rows_of_log = np.flatnonzero((digits >= 0).all(1))
        key = mixed_radix(digits[rows_of_log], self._sizes)
        order = np.argsort(key)
        self._key, self._row = key[order], rows_of_log[order]
        self._refuse_absent(rows)

    def values(self, start: int, stop: int) -> Array:
        """Return the signals (n, K) of some rows."""
        return np.asarray(self._daily.values[self._row[self._find_rows(self._columns(start, stop))]])

    def _columns(self, start: int, stop: int) -> Array:
        """Return (n, 1 + keys): the row's day from the table's first on, and its codes from 0."""
        day = np.floor_divide(self._spill.read("time", start, stop), DAY) - self._first
        codes = [self._spill.read(f"field.{name}", start, stop) + 1 for name in self._daily.keys]
        return np.stack([day, *codes], axis=1).astype(np.int64)

    def _find_rows(self, columns: Array) -> Array:
        """Return where each row's signals stand among the sorted keys, -1 where nowhere."""
        key = mixed_radix(columns, self._sizes)
        index = np.minimum(np.searchsorted(self._key, key), max(len(self._key) - 1, 0))
        inside = (columns[:, 0] >= 0) & (columns[:, 0] < self._sizes[0])
        matches = self._key[index] == key if len(self._key) else np.zeros(len(key), bool)
        return np.where(inside & matches, index, -1)

    def _refuse_absent(self, rows: int) -> None:
        absent: list[tuple[int, ...]] = []
        for start in range(0, rows, WINDOW):
            columns = self._columns(start, min(start + WINDOW, rows))
            missing = columns[self._find_rows(columns) < 0]
            if len(missing):
                absent.append(tuple(missing[np.lexsort(missing.T[::-1])[0]].tolist()))
        if not absent:
            return
        day, *codes = min(absent)
        texts = [["", *book][code] for book, code in zip(self._books, codes, strict=True)]
        what = "local day" if not self._books else "local day and scenario"
        raise invalid(
            f"{self._daily.file}: day",
            _named(day + self._first, self._daily.keys, texts),
            f"the log has rows of it, the table none; wanted one of every {what} of the log",
        )
