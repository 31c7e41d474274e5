"""What training rows teach: vocabularies, bins and scenarios, and with them the id of every cell."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from msviz.data.importing import bins
from msviz.data.importing.spill import Spill
from msviz.data.importing.split import TRAIN, splitter
from msviz.dataset import Array
from msviz.errors import invalid
from msviz.schema import FIRST, MISSING, UNKNOWN, Field, Schema, mixed_radix

WINDOW = 1 << 17  # rows looked at or turned into ids at a time
SAMPLE = 1_000_000  # training values that decide a numeric field's bins; all of them in a smaller log


class FittedSchema:
    """The finished schema of a spilled log, and the ids it gives to each row."""

    def __init__(self, schema: Schema, spill: Spill, books: dict[str, dict[str, int]], rows: int) -> None:
        """Read the spilled columns; raise MsvizError when the split leaves no row for training."""
        self.spill = spill
        self.books = books
        self.rows = rows
        self.split = splitter(schema.split, spill)
        train = sum(int((self.split(*window) == TRAIN).sum()) for window in self.windows())
        if not train:
            raise invalid(
                "split", schema.split.model_dump(exclude_defaults=True), "no row is left for training"
            )
        self.train = train
        self.tables: dict[str, Array] = {}  # code + 1 -> id
        with ThreadPoolExecutor(min(os.cpu_count() or 1, 8)) as pool:
            fields = list(pool.map(self._learn, schema.fields))
        schema = schema.model_copy(update={"fields": fields, "scenarios": []})
        self.schema = Schema.model_validate(schema.model_dump())
        self.schema = self.schema.model_copy(update={"scenarios": self.scenarios()})

    def windows(self) -> Iterator[tuple[int, int]]:
        """Yield (start, stop) of consecutive windows over all rows."""
        for start in range(0, self.rows, WINDOW):
            yield start, min(start + WINDOW, self.rows)

    def _learn(self, field: Field) -> Field:
        """Return the field with the vocabulary (or bins) of its training rows."""
        field = field.model_copy(update={"vocabulary": [], "edges": []})
        if f"field.{field.name}" not in self.spill or field.role == "signal":
            return field
        if field.kind == "numeric":
            return self._learn_bins(field)
        return self._learn_words(field)

    def _learn_words(self, field: Field) -> Field:
        words = self.books[f"field.{field.name}"]
        count = np.zeros(len(words) + 1, np.int64)
        for window in self.windows():
            codes = self.spill.read(f"field.{field.name}", *window)
            chosen = codes[self.split(*window) == TRAIN]
            count += np.bincount(chosen + 1, minlength=len(count))
        texts = list(words)
        frequent = [code for code in range(len(texts)) if count[code + 1] >= max(field.min_count, 1)]
        frequent.sort(key=lambda code: (-count[code + 1], texts[code]))
        table = np.full(len(count), UNKNOWN, np.int32)
        table[0] = MISSING
        table[np.array(frequent, np.int64) + 1] = np.arange(FIRST, FIRST + len(frequent))
        self.tables[field.name] = table
        return field.model_copy(update={"vocabulary": [texts[code] for code in frequent]})

    def _learn_bins(self, field: Field) -> Field:
        step = -(-self.train // SAMPLE)
        parts = []
        for window in self.windows():
            values = self.spill.read(f"field.{field.name}", *window)
            part = values[self.split(*window) == TRAIN]
            parts.append(part[np.isfinite(part)][::step])
        sample = np.concatenate(parts)
        edges = bins.edges(sample, field.bins)
        return field.model_copy(update={"edges": edges, "vocabulary": bins.names(edges, field.unit, sample)})

    def ids(self, field: Field, start: int, stop: int) -> Array:
        """Return one feature's ids (n,) of some rows."""
        raw = self.spill.read(f"field.{field.name}", start, stop)
        if field.kind == "categorical":
            word_ids: Array = self.tables[field.name][raw + 1]
            return word_ids
        binned = FIRST + np.searchsorted(np.array(field.edges), raw, side="right")
        return np.where(np.isnan(raw), MISSING, binned).astype(np.int32)

    def scenarios(self) -> list[list[int]]:
        """Return the combinations of the training rows, the most frequent first."""
        fields = self.schema.scenario_fields
        count: dict[tuple[int, ...], int] = {}
        for window in self.windows():
            chosen = self.split(*window) == TRAIN
            columns = [self.ids(field, *window)[chosen] for field in fields]
            # One integer per combination: far faster than np.unique over rows of a matrix.
            keys = mixed_radix(np.stack(columns, axis=1), [field.size for field in fields])
            _, first, times = np.unique(keys, return_index=True, return_counts=True)
            for row, rows in zip(first.tolist(), times.tolist(), strict=True):
                key = tuple(int(column[row]) for column in columns)
                count[key] = count.get(key, 0) + rows
        return [list(key) for key in sorted(count, key=lambda key: (-count[key], key))]
