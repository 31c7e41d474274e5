"""Guesses a schema from column names and some rows; the user edits it, nothing is decided here for good."""

import re
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from msviz.data.importing import arrow_columns
from msviz.data.importing.excerpts import excerpt
from msviz.data.importing.read import LogFiles
from msviz.data.sample import scattered
from msviz.schema import FEATURE_ROLES, Field, Role, Schema, Split

FEW, MANY, MOST = 50, 1_000, 20_000  # distinct values: a scenario has few (by its name, MOST), an id many

NAMES: dict[str, str] = {
    "label": r"(is_)?(click|clicked|clk)|label|target|y",
    "time": r"(.*_)?(time|timestamp|datetime|date|ts|t)(_?(ms|s|us))?",
    "scenario": r"(.*_)?(scenario|scene|domain|tab|surface|channel|page|entry|placement|slot|pid)(_?id)?|301",
    "user": r"(user|uid|member|customer|visitor|usr)(_?id)?",
    "item": r"(item|video|ad|adgroup|product|sku|goods|article|movie|doc)(_?id)?",
    # What is known only after the impression tells the label away.
    "after": r"(is_)?(like|follow|comment|forward|share|hate|purchase|buy|fav|conversion|conv|pay|order"
    r"|nonclk|long_view|click|clk|label)|.*(play_time|dwell|stay_time|watch_time).*",
    "number": r".*(price|amount|duration|count|cnt|num|days|ratio|rate|ctr|width|height|length|score|clicks)"
    r"(_\w{1,3})?",
    "count": r".*(count|cnt|num|clicks|times)(_\w{1,3})?",
    "id": r".*(id|idx|code|type|cate|category|brand|feat\d*|level|class|tag)",
}


def is_named(what: str, name: str) -> bool:
    """Return whether a column's name looks like one of NAMES."""
    return re.fullmatch(NAMES[what], name.lower()) is not None


def guess(source: LogFiles) -> tuple[Schema, list[str]]:
    """Return a proposed schema of a table and, one line each, what it assumes and what it leaves out."""
    return _Guess(excerpt(source)).schema()


class _Guess:
    def __init__(self, table: pa.Table) -> None:
        self.columns: dict[str, pa.Array] = {
            name: table[name].combine_chunks() for name in table.column_names
        }
        self.left = dict.fromkeys(table.column_names)
        self.notes: list[str] = []
        self.lists = [name for name in self.left if self._is_list(name)]
        self.words = {
            name: arrow_columns.codes(self.columns[name]) for name in self.left if name not in self.lists
        }

    def distinct(self, name: str) -> int:
        return len(self.words[name].words)

    def schema(self) -> tuple[Schema, list[str]]:
        fields = [*self._label(), *self._time(), *self._scenario(), *self._ids("user"), *self._ids("item")]
        for name in [name for name in self.left if name not in self.lists]:
            if is_named("after", name):
                self._leave(name, "is known only after the impression")
            elif self.distinct(name) == 0:
                self._leave(name, "is empty")
            else:
                fields.append(self._feature(name))
        fields += self._sequence(fields)
        by_time = any(field.role == "time" for field in fields)
        if fields:
            self.notes.append(f"assumed: split {'by time' if by_time else 'at random'}")
        return Schema(fields=fields, split=Split(by="time" if by_time else "random")), self.notes

    def _take(self, name: str, role: Role, why: str) -> str:
        self.left.pop(name)
        self.notes.append(f"assumed: {name} is the {role} ({why})")
        return name

    def _leave(self, name: str, why: str) -> None:
        self.left.pop(name)
        self.notes.append(f"left out: {name} {why}")

    def _first(self, what: str, fits: Callable[[str], bool]) -> str | None:
        return next((n for n in self.left if n in self.words and is_named(what, n) and fits(n)), None)

    def _label(self) -> list[Field]:
        named = [n for n in self.left if n in self.words and is_named("label", n)]
        strange = {n: len(set(self.words[n].words) - {"0", "1"}) for n in named}
        # One with a few other values is still the label: its bad rows are then told one by one.
        fit = [n for n in sorted(named, key=strange.__getitem__) if {"0", "1"} & set(self.words[n].words)]
        if not fit:
            return []
        return [Field(name=self._take(fit[0], "label", "0 or 1, by its name"), role="label")]

    def _time(self) -> list[Field]:
        units = {name: self._time_unit(name) for name in self.left if name in self.words}
        named = [name for name in units if units[name] and is_named("time", name)]
        if not named:
            return []
        # A finer clock orders rows of one day; a date alone does not.
        name = max(named, key=lambda each: (units[each] != "date", self.distinct(each)))
        for other in named:
            if other != name:
                self._leave(other, "is a second time")
        self._take(name, "time", f"in {units[name]}, taken as UTC: set utc_offset to make it local")
        return [Field(name=name, role="time", unit=units[name])]

    def _time_unit(self, name: str) -> str | None:
        column = self.columns[name]
        if pa.types.is_temporal(column.type):
            return "date"
        values, problems = arrow_columns.numbers(column)
        values = values[np.isfinite(values)]
        if len(values) and not problems:
            for unit, low in (("us", 1e14), ("ms", 1e11), ("s", 5e8)):
                if low <= np.median(values) < low * 1e3:
                    return unit
            in_days = (values >= 19_000_101) & (values < 21_000_101)
            return "date" if bool(in_days.all()) else None
        unreadable = arrow_columns.seconds(column, "date").problems
        return "date" if len(unreadable) <= column.null_count < len(column) else None

    def _scenario(self) -> list[Field]:
        name = self._first("scenario", lambda each: 1 <= self.distinct(each) <= MOST)
        why = "by its name"
        if name is None:
            few = [
                n for n in self.left if n in self.words and 2 <= self.distinct(n) <= FEW and is_named("id", n)
            ]
            name = min(few, key=self.distinct, default=None)
            why = "few distinct values; name another field, or several, if this is wrong"
        if name is None:
            return []
        return [Field(name=self._take(name, "scenario", why), role="scenario")]

    def _ids(self, role: Role) -> list[Field]:
        name = self._first(role, lambda each: True)
        if name is None:
            return []
        rare = 2 if self.distinct(name) > MANY else 1
        return [Field(name=self._take(name, role, "by its name"), role=role, min_count=rare)]

    def _feature(self, name: str) -> Field:
        lowered = name.lower()
        role: Role = "context"
        for other, prefixes in (("user", ("user_", "u_")), ("item", ("item_", "video_", "ad_", "product_"))):
            if lowered.startswith(prefixes):
                role = other  # type: ignore[assignment]
        values, problems = arrow_columns.numbers(self.columns[name])
        values = values[np.isfinite(values)]
        if lowered.startswith("signal_"):
            # A promise of the name: other numbers known by day stay features until somebody says so.
            if not problems and len(values) == len(self.columns[name]) and np.all(values >= 0):
                self.notes.append(f"assumed: {name} is a signal (by its name)")
                return Field(name=name, role="signal", kind="numeric")
            self.notes.append(f"assumed: {name} is no signal (some cells are missing, negative or no number)")
        whole = bool(np.all(values == np.floor(values)))
        many = len(np.unique(values)) > 2
        if problems or not len(values) or not many or (is_named("id", name) and whole):
            return Field(name=name, role=role, min_count=2 if self.distinct(name) > MANY else 1)
        if whole and not is_named("number", name) and self.distinct(name) <= MANY:
            return Field(name=name, role=role)
        count = whole and values.min() >= 0 and is_named("count", name)
        return Field(name=name, role=role, kind="numeric", unit="count" if count else None)

    def _is_list(self, name: str) -> bool:
        column = self.columns[name]
        if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
            return True
        if not pa.types.is_string(column.type):
            return False
        # From all over, as the first rows of a log may have no past yet.
        texts = [text for text in column.take(scattered(len(column), 1_000, 0)).to_pylist() if text]
        listed = [text for text in texts if "|" in text or (text[0] == "[" and text[-1] == "]")]
        return len(listed) > len(texts) / 4

    def _sequence(self, fields: list[Field]) -> list[Field]:
        """Return the behaviour sequence: a list column, with the lists of times, scenarios and sides."""
        timed = any(field.role == "time" for field in fields)
        placed = sum(field.role == "scenario" for field in fields) == 1
        time = next((n for n in self.lists if is_named("time", n)), None)
        scenario = next((n for n in self.lists if is_named("scenario", n)), None)
        names = [name for name in self.lists if name not in (time, scenario)]
        item = next((field.name for field in fields if field.role == "item"), None)
        if not names or item is None:
            return []
        features = [f.name for f in fields if f.role in FEATURE_ROLES and f.kind == "categorical"]
        features.remove(item)
        named = {name: _side_of(name, features) for name in names}
        items = next((name for name in names if not named[name]), names[0])
        self.notes.append(f"assumed: {items} is a history of {item}, latest last")
        sides: dict[str, str] = {}
        for name in [name for name in names if name != items]:
            side = named[name]
            if side and side not in sides and self._as_long(name, items):
                sides[side] = name
                self.notes.append(f"assumed: {name} is the {side} of each item of {items} (by its name)")
            else:
                self._leave(name, "is a second sequence")
        return [
            Field(
                name=items,
                role="behaviour",
                kind="sequence",
                of=item,
                sides=sides,
                time=time if timed else None,
                scenario=scenario if placed else None,
            )
        ]

    def _as_long(self, name: str, other: str) -> bool:
        """Return whether two list columns have lists of the same lengths."""
        first, second = arrow_columns.lists(self.columns[name]), arrow_columns.lists(self.columns[other])
        return np.array_equal(first.length, second.length)


def _side_of(name: str, features: list[str]) -> str | None:
    """Return the feature that a list column is called after, the longest name first: history_category."""
    for feature in sorted(features, key=len, reverse=True):
        if re.search(rf"(^|_){re.escape(feature)}s?(_|$)", name, re.IGNORECASE):
            return feature
    return None
