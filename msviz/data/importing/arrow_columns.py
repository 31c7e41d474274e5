"""Arrow columns become NumPy arrays here; each says which of its cells could not be understood."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from msviz.data.importing.read import MISSING_WORDS
from msviz.dataset import Array

SECONDS = {"s": 1, "ms": 1_000, "us": 1_000_000}
LATEST = 10**11  # seconds; the year 5138: a later time was written in another unit


class Column(NamedTuple):
    """Values (n,) and, for cells that cannot be used, the reason by position."""

    values: Array
    problems: dict[int, str]


class Codes(NamedTuple):
    """A categorical column: `place` (n,) int32 into `words`, -1 where the cell is missing."""

    place: Array
    words: list[str]
    problems: dict[int, str]


class Lists(NamedTuple):
    """A column of lists: their lengths (n,) and all items one after the other."""

    length: Array
    items: pa.Array
    problems: dict[int, str]


def codes(column: pa.Array) -> Codes:
    """Return the distinct texts of a column and each row's place among them."""
    problems: dict[int, str] = {}
    if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
        column, problems = _text(column)
    encoded = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
    index = pc.fill_null(encoded.indices.cast(pa.int32()), -1).to_numpy(zero_copy_only=False)
    words = _words(encoded.dictionary)
    absent = np.array([word in MISSING_WORDS for word in words] + [True])
    if absent[:-1].any():
        index = np.where(absent[index], np.int32(-1), index)
    return Codes(index, words, problems)


def _words(values: pa.Array) -> list[str]:
    """Return how distinct values read as text: whole floats without '.0', booleans as 1 and 0."""
    if pa.types.is_boolean(values.type):
        values = values.cast(pa.int8())
    if pa.types.is_floating(values.type):
        return [str(int(v)) if math.isfinite(v) and v == int(v) else str(v) for v in values.to_pylist()]
    if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
        return [str(word).strip() for word in values.to_pylist()]
    return [str(value) for value in values.to_pylist()]


def _text(column: pa.Array) -> tuple[pa.Array, dict[int, str]]:
    """Return bytes as text; cells that are not UTF-8 become missing and are told."""
    try:
        return column.cast(pa.string()), {}
    except pa.ArrowInvalid:
        texts: list[str | None] = []
        problems = {}
        for position, cell in enumerate(column.to_pylist()):
            try:
                texts.append(None if cell is None else cell.decode("utf-8"))
            except UnicodeDecodeError as error:
                texts.append(None)
                problems[position] = f"invalid UTF-8: {error.reason}"
        return pa.array(texts, pa.string()), problems


def numbers(column: pa.Array) -> Column:
    """Return a column as float64 (n,), NaN where missing; text and infinities are problems."""
    try:
        floats = pc.cast(column, pa.float64())
        values = pc.fill_null(floats, math.nan).to_numpy(zero_copy_only=False)
        problems: dict[int, str] = {}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        values, problems = _each(column, float, math.nan, np.float64, "wanted a number")
    for position in np.flatnonzero(np.isinf(values)):
        problems.setdefault(int(position), f"got {values[position]}; wanted a finite number")
    return Column(values, problems)


def labels(column: pa.Array) -> Column:
    """Return a label as uint8 (n,); whatever is not 0 or 1 is a problem."""
    values, problems = numbers(column)
    for position in np.flatnonzero((values != 0) & (values != 1)):
        index = int(position)
        problems[index] = f"got {_quote(column[index])}; wanted 0 or 1"
    return Column(np.where(values == 1, np.uint8(1), np.uint8(0)), problems)


def seconds(column: pa.Array, unit: str | None, utc_offset: float = 0.0) -> Column:
    """Return times as local seconds since 1970-01-01, int64 (n,); missing ones are problems.

    `unit` is s, ms, us or date (any ISO date or time, or 20220425); None decides by the first cell.
    """
    problems: dict[int, str] = {}
    if pa.types.is_temporal(column.type):
        micro = column.cast(pa.timestamp("us", getattr(column.type, "tz", None))).cast(pa.int64())
        whole = pc.fill_null(micro, -(2**63)).to_numpy(zero_copy_only=False)
        values, missing = np.floor_divide(whole, 1_000_000), np.asarray(pc.is_null(column))
    elif unit == "date" or (unit is None and _is_date(column)):
        values, problems = _each(column, _moment, -(2**63), np.int64, "wanted a date")
        missing = values == -(2**63)
    else:
        raw, problems = numbers(column)
        missing = ~np.isfinite(raw)
        values = np.floor_divide(np.where(missing, 0, raw), SECONDS[unit or "s"]).astype(np.int64)
    for position in np.flatnonzero(missing):
        problems.setdefault(int(position), "the time is missing")
    for position in np.flatnonzero(~missing & (np.abs(values) > LATEST)):
        problems.setdefault(
            int(position),
            f"got {_quote(column[int(position)])}; it lies beyond the year 5000, wanted unit ms or us",
        )
    return Column(values + round(utc_offset * 3600), problems)


def _is_date(column: pa.Array) -> bool:
    present = column.drop_null()
    if not len(present) or not pa.types.is_string(present.type):
        return False
    try:
        float(present[0].as_py())
    except ValueError:
        return True
    return False


def _moment(text: str) -> int:
    """Return an ISO date or time as seconds since 1970-01-01; without a zone it counts as UTC."""
    moment = datetime.fromisoformat(text.removesuffix(" UTC"))
    return math.floor((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp())


def _each(
    column: pa.Array, convert: Callable[[str], float], missing: float, dtype: type, wanted: str
) -> tuple[Array, dict[int, str]]:
    """Convert each distinct text once; return the values (n,) and the cells that `convert` refused."""
    index, words, problems = codes(column)
    table: Array = np.full(len(words) + 1, missing, dtype)
    wrong: dict[int, str] = {}
    for number, word in enumerate(words):
        if word in MISSING_WORDS:
            continue
        try:
            table[number] = convert(word)
        except (ValueError, OverflowError):
            wrong[number] = f"got {word[:60]!r}; {wanted}"
    if wrong:
        for position in np.flatnonzero(np.isin(index, list(wrong))):
            problems[int(position)] = wrong[int(index[position])]
    return table[index], problems


def lists(column: pa.Array) -> Lists:
    """Return lists from a list column or from text like 'a|b|c' or '[1, 2]'; missing is an empty list."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        length = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
        return Lists(length.astype(np.int64), column.flatten(), {})
    if not pa.types.is_string(column.type):
        column = column.cast(pa.string())
    cells = column.to_pylist()
    problems: dict[int, str] = {}
    parts: list[list[str]] = []
    for position, cell in enumerate(cells):
        try:
            parts.append(_parts(cell or ""))
        except ValueError:
            problems[position] = f"got {cell[:60]!r}; wanted a list like a|b|c or [1, 2]"
            parts.append([])
    items = pa.array([item for part in parts for item in part], pa.string())
    return Lists(np.array([len(part) for part in parts], np.int64), items, problems)


def _parts(cell: str) -> list[str]:
    cell = cell.strip()
    if cell.startswith("["):
        content = json.loads(cell)
        if not isinstance(content, list) or any(isinstance(item, (list, dict)) for item in content):
            raise ValueError(cell)
        return ["" if item is None else str(item) for item in content]
    return [] if cell in MISSING_WORDS else [part.strip() for part in cell.split("|")]


def _quote(value: pa.Scalar) -> str:
    content = value.as_py()
    return "nothing" if content is None else repr(content)[:60]
