"""A slice of a log as text: 'scenario == "Search" and day >= "2025-04-24"', read without running anything.

Names are columns or titles (in backticks where they are no plain word), and day, hour, clicked, row,
history (its length) and scenario where no column is called so. Values are those that people read, or those
of the log. `chosen("…")` are rows that somebody picked, kept beside the data.

'scenario' is what the rows' schema knows as such: of a run with other scenarios (`regroup.py`), on every
page, its own. A column of that name which is no scenario field is meant where the value is no scenario's
name, and in backticks.
"""

import ast
import hashlib
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from msviz.dataset import Dataset, Rows
from msviz.errors import MsvizError, invalid, one_of
from msviz.schema import FIRST, MISSING, UNKNOWN, Field

Array = np.ndarray[Any, Any]
DAY, HOUR = 86_400, 3_600
OWN = ("scenario", "day", "hour", "clicked", "row", "history")
INLINE = 24  # rows that a link may name one by one
MOST = 4_000  # characters of an expression
COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def conditions(text: str) -> list[str]:
    """Return the parts of an expression joined by "and", each as text; raise MsvizError as `rows` does."""
    if not text.strip():
        return []
    tree, names = _parse(text)
    whole = isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)
    parts = tree.values if whole and isinstance(tree, ast.BoolOp) else [tree]
    return [_written(part, names) for part in parts]


def joined(parts: list[str]) -> str:
    """Return conditions joined by 'and'; those with an 'or' are put in brackets."""
    bracketed = [f"({part})" if len(parts) > 1 and _is_or(part) else part for part in parts]
    return " and ".join(bracketed)


def rows(part: Rows, text: str) -> Array:
    """Return the positions (n,) of the rows of a split for which the expression holds, rising.

    Raises MsvizError for a text that cannot be read, and for a name or a value that the log does not have.
    """
    tree, names = _parse(text)
    return np.flatnonzero(_SliceReader(part, names).truth(tree))


def narrowed(part: Rows, text: str) -> Rows:
    """Return the rows of a split for which the expression holds, or the split itself where it is empty."""
    return part.only(rows(part, text)) if text.strip() else part


def days(first: str, last: str) -> str:
    """Return the condition that an impression was shown from `first` to `last`, days as YYYY-MM-DD."""
    return f'day == "{first}"' if first == last else f'day >= "{first}" and day <= "{last}"'


def quoted(name: str) -> str:
    """Return a name as it stands in an expression: in backticks where it is no plain word, or has them."""
    return name if name.isidentifier() or name[:1] == "`" else f"`{name}`"


def one_value(name: str, values: list[str]) -> str:
    """Return the condition that a column has one of these values."""
    texts = [repr(value) for value in values]
    equal = f"== {texts[0]}" if len(texts) == 1 else f"in ({', '.join(texts)})"
    return f"{quoted(name)} {equal}"


def keep_rows(dataset: Dataset, numbers: Array) -> str:
    """Return the condition that a row of the log is one of `numbers` (n,); many are kept in a file."""
    distinct = np.unique(np.asarray(numbers, np.int64))
    if not len(distinct):
        raise MsvizError("rows: none were chosen")
    if len(distinct) <= INLINE:
        return f"row in ({', '.join(map(str, distinct.tolist()))},)"
    digest = hashlib.sha256(distinct.tobytes()).hexdigest()[:12]
    file = _rows_file(dataset.path, digest)
    if not file.is_file():
        file.parent.mkdir(exist_ok=True)
        partial = file.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.save(stream, distinct)
        partial.replace(file)
    return f'chosen("{digest}")'


def _rows_file(folder: Path, digest: str) -> Path:
    return folder / ".findings" / f"rows-{digest}.npy"


def _parse(text: str) -> tuple[ast.expr, dict[str, str]]:
    """Return the tree of an expression and what stood in backticks, by its stand-in."""
    if len(text) > MOST:
        raise invalid("slice", f"{len(text):,} characters", f"at most {MOST:,}")
    names: dict[str, str] = {}

    def stand_in(match: re.Match[str]) -> str:
        names[f"_quoted_{len(names)}"] = _Quoted(match.group(1))
        return f"_quoted_{len(names) - 1}"

    try:
        tree = ast.parse(re.sub(r"`([^`]+)`", stand_in, text).strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise invalid(
            "slice", text[:80], 'wanted: scenario == "Search" and day >= "2025-04-24", say'
        ) from error
    return tree, names


def _written(node: ast.expr, names: dict[str, str]) -> str:
    text = ast.unparse(node)
    for stand_in, name in names.items():
        text = re.sub(rf"\b{stand_in}\b", lambda _, name=name: f"`{name}`", text)  # type: ignore[misc]
    return text


def _is_or(text: str) -> bool:
    tree, _ = _parse(text)
    return isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.Or)


class _Quoted(str):
    """A name that stood in backticks: a column's."""


class _SliceReader:
    """Reads an expression over the rows of one split."""

    def __init__(self, part: Rows, names: dict[str, str]) -> None:
        self.part = part
        self.names = names

    def truth(self, node: ast.expr) -> Array:
        """Return for every row (rows,) whether a condition holds."""
        if isinstance(node, ast.BoolOp):
            join = np.logical_and if isinstance(node.op, ast.And) else np.logical_or
            return np.asarray(join.reduce([self.truth(part) for part in node.values]))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.truth(node.operand)
        if isinstance(node, ast.Compare):
            return self._compare(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "chosen":
            return self._chosen(node)
        if isinstance(node, ast.Name) and self._name(node) == "clicked":
            return np.asarray(self.part.label == 1)
        raise invalid("slice", _written(node, self.names)[:80], "wanted: a name compared with a value")

    def _compare(self, node: ast.Compare) -> Array:
        mask = np.ones(self.part.rows, bool)
        sides = [node.left, *node.comparators]
        for left, kind, right in zip(sides, node.ops, sides[1:], strict=False):
            if isinstance(left, ast.Name):
                mask &= self._match_column(self._name(left), kind, self._value(right))
            elif isinstance(right, ast.Name) and type(kind) in COMPARE:
                mask &= self._match_column(self._name(right), _turn(kind), self._value(left))
            else:
                raise invalid(
                    "slice", _written(node, self.names)[:80], "wanted: a name compared with a value"
                )
        return mask

    def _match_column(self, name: str, kind: ast.cmpop, value: Any) -> Array:
        values = list(value) if isinstance(value, tuple) else [value]
        within = isinstance(kind, ast.In | ast.NotIn)
        if within != isinstance(value, tuple):
            raise invalid("slice", name, 'wanted: name in ("a", "b"), or name == "a"')
        if within or isinstance(kind, ast.Eq | ast.NotEq):
            equal = self._among(name, values)
            return np.asarray(~equal if isinstance(kind, ast.NotIn | ast.NotEq) else equal)
        if type(kind) not in COMPARE:
            raise invalid("slice", name, "valid comparisons: ==, !=, <, <=, >, >=, in, not in")
        return np.asarray(COMPARE[type(kind)](*self._ordered(name, values[0])))

    def _among(self, name: str, values: list[Any]) -> Array:
        """Return which rows have one of these values."""
        field = self._field(name, values)
        if field is not None:
            column = self.part.column(field.name)
            return np.isin(column, [number for value in values for number in _ids(field, value)])
        if name == "scenario":
            names = self.part.schema.scenario_names
            for value in values:
                if value not in names:
                    raise invalid("slice: scenario", value, one_of(names[1:21]))
            return np.isin(self.part.scenario, [names.index(value) for value in values])
        numbers = [self._ordered(name, value) for value in values]
        if not numbers:
            return np.zeros(self.part.rows, bool)
        return np.isin(numbers[0][0], [wanted for _, wanted in numbers])

    def _ordered(self, name: str, value: Any) -> tuple[Array, Any]:
        """Return what has an order (rows,) and the value it is compared with."""
        field = self._field(name, [value])
        if field is not None:
            numbers = _numbers(field)
            if numbers is None or not isinstance(value, int | float):
                raise invalid(
                    f"slice: {field.name}",
                    value,
                    f"it has no order here; compare with ==, or in: {one_of(_some(field))}",
                )
            return numbers[self.part.column(field.name)], value
        if name == "day":
            try:
                wanted = int(np.datetime64(str(value), "D").astype(np.int64))
            except ValueError as error:
                raise invalid("slice: day", value, 'wanted: "YYYY-MM-DD"') from error
            return np.asarray(self.part.time) // DAY, wanted
        if isinstance(value, bool) and name == "clicked":
            value = int(value)
        if not isinstance(value, int | float):
            raise invalid(f"slice: {name}", value, "wanted: a number")
        if name == "hour":
            return np.asarray(self.part.time) % DAY // HOUR, value
        if name == "clicked":
            return np.asarray(self.part.label), value
        if name == "row":
            return np.asarray(self.part.row), value
        if name == "history" and self.part.schema.sequences:
            return np.asarray(self.part.history_spans[1]), value
        fields = [field.name for field in self.part.schema.features]
        raise invalid("slice", name, one_of([*fields, *OWN]))

    def _chosen(self, node: ast.Call) -> Array:
        digest = self._value(node.args[0]) if len(node.args) == 1 else None
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-f]{12}", digest):
            raise invalid("slice: chosen", digest, "wanted: the name of rows that were kept")
        file = _rows_file(self.part.folder.parent, digest)
        if not file.is_file():
            raise invalid(
                "slice: chosen", digest, "these rows are not kept on this machine; choose them again"
            )
        return np.isin(self.part.row, np.load(file, allow_pickle=False))

    def _field(self, name: str, values: list[Any]) -> Field | None:
        """Return the column of this name; None for a name of our own, also where a column of words has it.

        'hour < 12' is the clock's hour although the log's own hours are written '00:00'.
        """
        for field in self.part.schema.features:
            if name in (field.name, field.title):
                own = name == "scenario" and field.role != "scenario" and not isinstance(name, _Quoted)
                if own and all(value in self.part.schema.scenario_names for value in values):
                    return None
                counted = all(isinstance(value, int | float) for value in values)
                return None if name in OWN and counted and _numbers(field) is None else field
        return None

    def _name(self, node: ast.Name) -> str:
        return self.names.get(node.id, node.id)

    def _value(self, node: ast.expr) -> Any:
        """Return a constant, or a tuple of them; nothing else is read, and nothing is called."""
        if isinstance(node, ast.Tuple | ast.List | ast.Set):
            return tuple(self._value(part) for part in node.elts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            value = self._value(node.operand)
            if isinstance(value, int | float):
                return -value
        if isinstance(node, ast.Constant) and isinstance(node.value, str | int | float):
            return node.value
        raise invalid("slice", _written(node, self.names)[:80], 'wanted: a number, a "text" or (a, b)')


def _turn(kind: ast.cmpop) -> ast.cmpop:
    """Return the comparison as it reads from right to left."""
    turned = {ast.Lt: ast.Gt, ast.LtE: ast.GtE, ast.Gt: ast.Lt, ast.GtE: ast.LtE}
    return turned.get(type(kind), type(kind))()


def _ids(field: Field, value: Any) -> list[int]:
    """Return the ids of a value as people read it or as the log writes it; raise MsvizError for none."""
    text = str(value)
    reserved = {"rare or unknown": UNKNOWN, "missing": MISSING}
    ids = [
        FIRST + index
        for index, raw in enumerate(field.vocabulary)
        if text in (raw, field.names.get(raw)) or (isinstance(value, int | float) and _same(raw, value))
    ]
    if not ids and text in reserved:
        ids = [reserved[text]]
    if not ids:
        raise invalid(f"slice: {field.name}", value, one_of(_some(field)))
    return ids


def _same(raw: str, value: float) -> bool:
    try:
        return float(raw) == value
    except ValueError:
        return False


def _numbers(field: Field) -> Array | None:
    """Return the number that each id stands for, NaN for unknown and missing; None where values are words."""
    try:
        return np.array([np.nan, np.nan, *map(float, field.vocabulary)])
    except ValueError:
        return None


def _some(field: Field, most: int = 20) -> list[str]:
    return [field.value_name(FIRST + index) for index in range(min(most, len(field.vocabulary)))]
