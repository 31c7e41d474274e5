"""Rows and clicks by combinations of fields' values, read in pieces from any splits of a log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import invalid, one_of
from msviz.probing.reducers import row_keys
from msviz.schema import FIRST

if TYPE_CHECKING:
    from msviz.dataset import Rows
    from msviz.schema import Field, Schema

Array = np.ndarray[Any, Any]
CHUNK = 1_000_000


def chosen(schema: Schema, fields: str, question: str) -> tuple[Field, Field]:
    """Return the two fields; raise MsvizError where there are not two different features."""
    features = [field for field in schema.features if field.role != "scenario"]
    if not fields:
        small = [field for field in features if field.size - FIRST <= 16] or features
        if len(features) < 2:
            raise invalid(
                f"{question} fields", [field.name for field in features], "the log needs two features"
            )
        defaults = (small + [field for field in features if field not in small])[:2]
        return defaults[0], defaults[1]
    # A title may hold a comma, so that the cut is looked for.
    wanted = fields.split(",")
    by_name = {name: field for field in features for name in (field.name, field.label)}
    for cut in range(1, len(wanted)):
        pair = [by_name.get(",".join(side).strip()) for side in (wanted[:cut], wanted[cut:])]
        if pair[0] is not None and pair[1] is not None and pair[0] is not pair[1]:
            return pair[0], pair[1]
    raise invalid(
        f"{question} fields",
        fields,
        f"wanted: two different ones, joined by a comma, of {one_of([f.name for f in features][:40])}",
    )


def places_of(parts: list[Rows], field: Field, top: int) -> tuple[Array, list[str]]:
    """Return the place (size,) of each id among those shown, in the field's own order, and their names."""
    count = np.zeros(field.size, np.int64)
    for part in parts:
        for start in range(0, part.rows, CHUNK):
            count += np.bincount(part.column(field.name)[start : start + CHUNK], minlength=field.size)
    present = np.flatnonzero(count)
    largest = np.sort(present[np.argsort(-count[present], kind="stable")][:top])
    # Unknown and missing say least: they come last.
    largest = np.concatenate([largest[largest >= FIRST], largest[largest < FIRST]])
    index = np.full(field.size, len(largest), np.int64)
    index[largest] = np.arange(len(largest))
    names = _distinct([field.value_name(int(value)) for value in largest])
    rest = len(present) - len(largest)
    if rest:
        return index, [*names, f"{rest:,} other values"]
    index[index == len(largest)] = 0  # ids without rows: never counted
    return index, names


def _distinct(names: list[str]) -> list[str]:
    """Return the names, numbered where two values carry the same one."""
    counts: dict[str, int] = {}
    out = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        out.append(name if counts[name] == 1 else f"{name} ({counts[name]})")
    return out


def counted(
    parts: list[Rows], names: tuple[str, ...], places: list[Array], kept: list[int], halves: bool = False
) -> Array:
    """Return rows and clicks (H, 2, 1 + K, A, B, ...) by the fields' places, all scenarios first.

    H is 1, or 2 with `halves`: the rows fall at random, by their numbers in the log, into two.
    """
    sizes = [int(index.max()) + 1 for index in places]
    rank = np.full(len(parts[0].schema.scenarios) + 1, len(kept), np.int64)
    rank[kept] = np.arange(len(kept))
    shape = (1 + halves, len(kept) + 1, *sizes)
    out = np.zeros((2, int(np.prod(shape))), np.int64)
    for part in parts:
        columns = [part.column(name) for name in names]
        for start in range(0, part.rows, CHUNK):
            rows = slice(start, start + CHUNK)
            key = rank[part.scenario[rows]]
            if halves:
                key = key + (row_keys(part.row[rows], 0) % np.uint64(2)).astype(np.int64) * shape[1]
            for column, index, size in zip(columns, places, sizes, strict=True):
                key = key * size + index[column[rows]]
            out[0] += np.bincount(key, minlength=out.shape[1])
            out[1] += np.bincount(key[part.label[rows] > 0], minlength=out.shape[1])
    counts = out.reshape(2, *shape).swapaxes(0, 1)
    return np.concatenate([counts.sum(2, keepdims=True), counts[:, :, :-1]], 2)


def chance(p: float) -> str:
    """Return a p-value as people read it: '0.031', 'below 0.001'."""
    return "below 0.001" if p < 0.001 else f"{p:.2g}"
