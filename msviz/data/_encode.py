"""Encodes a log in one reading: provisional codes go to disk, and become ids once vocabularies are known."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from msviz.data._dataset import SPLITS, Array, Dataset, DatasetWriter, refuse_existing
from msviz.data._learn import Learned
from msviz.data._prepare import Prepared, prepare
from msviz.data._read import Chunk
from msviz.data._rejects import Rejects
from msviz.data._spill import Spill
from msviz.data._values import Codes
from msviz.errors import refuse
from msviz.schema import UNSEEN, Schema

SHOWN = 20  # scenarios that get their own warning line
Report = Callable[[str], None]
Tasks = Iterable[Callable[[], Chunk]]


def encode(
    tasks: Tasks,
    schema: Schema,
    out: Path,
    origin: dict[str, Any],
    report: Report,
    *,
    allow_rejects: bool = False,
    overwrite: bool = False,
    rejects: Rejects | None = None,
    staged: int = 0,
) -> Dataset:
    """Write the dataset of a log that comes as chunks; raise MsvizError and leave nothing half-written.

    Vocabularies, bins and scenarios are learned on training rows only. An importer that has read the
    files before passes the `rejects` it met among `staged` rows.
    """
    refuse_existing(out, overwrite)
    rejects = rejects or Rejects(out)
    try:
        with Spill(out) as spill:
            books = _Books()
            rows, seen = _collect(tasks, schema, spill, books, rejects)
            if not (staged or seen):
                raise refuse("source", "no rows", "wanted: rows below the header line")
            rejects.close(staged or seen, allow_rejects)
            if not rows:
                raise refuse("source", f"{staged or seen} rows", "none of them can be used")
            learned = Learned(schema, spill, books.words, rows)
            return _Encoding(learned, report).write(out, overwrite, rejects, origin)
    finally:
        rejects.discard()


class _Books:
    """Every distinct text of every categorical column, numbered in the order of its first appearance."""

    def __init__(self) -> None:
        self.words: dict[str, dict[str, int]] = {}

    def merge(self, name: str, codes: Codes) -> Array:
        """Return a chunk's codes (n,) int32 in the log's own numbering, -1 where missing."""
        book = self.words.setdefault(name, {})
        numbers = list(map(book.get, codes.words))
        for position, number in enumerate(numbers):
            if number is None:
                numbers[position] = book.setdefault(codes.words[position], len(book))
        return np.array([*numbers, -1], np.int32)[codes.place]


def _collect(tasks: Tasks, schema: Schema, spill: Spill, books: _Books, rejects: Rejects) -> tuple[int, int]:
    """Read every chunk once, in order; return the number of usable rows and of rows seen."""
    shared: dict[str, str] = {}
    for sequence in schema.sequences:
        shared["behaviours.item"] = f"field.{sequence.of}"
        shared["behaviours.scenario"] = f"field.{schema.scenario_fields[0].name}"
    rows = seen = first = 0
    for part in _ahead(tasks, schema):
        rejects.add(part.rejects)
        for name, values in part.arrays.items():
            spill.append(name, values + first if name == "place" else values)
        for name, codes in part.codes.items():
            spill.append(name, books.merge(shared.get(name, name), codes))
        rows += len(part.arrays["label"])
        seen += part.seen
        first += part.records
    return rows, seen


def _ahead(tasks: Tasks, schema: Schema) -> Iterator[Prepared]:
    """Yield prepared chunks in order while threads work on the next ones."""
    workers = min(os.cpu_count() or 1, 8)
    waiting: deque[Future[Prepared]] = deque()
    with ThreadPoolExecutor(workers) as pool:
        try:
            for task in tasks:
                waiting.append(pool.submit(_run, task, schema))
                if len(waiting) > workers + 1:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _run(task: Callable[[], Chunk], schema: Schema) -> Prepared:
    return prepare(task(), schema)


class _Encoding:
    """The second half: writes ids, split by split, and tells what came of it."""

    def __init__(self, learned: Learned, report: Report) -> None:
        self.learned = learned
        self.spill = learned.spill
        self.schema = learned.schema
        self.report = report
        # Rows and clicks of each scenario.
        self.total: Array = np.zeros((len(self.schema.scenarios) + 1, 2), np.int64)

    def write(self, out: Path, overwrite: bool, rejects: Rejects, origin: dict[str, Any]) -> Dataset:
        """Write every split; raise MsvizError and leave nothing behind when it cannot be finished."""
        histories = _Histories(self.learned) if self.schema.sequences else None
        with DatasetWriter(out, self.schema, overwrite) as writer:
            for start, stop in self.learned.windows():
                self._write_window(writer, start, stop, histories)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            origin = {**origin, "rejected": rejects.count, "created": created}
            dataset = writer.commit({"origin": origin})
        self._summary(dataset, rejects)
        return dataset

    def _write_window(
        self, writer: DatasetWriter, start: int, stop: int, histories: "_Histories | None"
    ) -> None:
        spill, schema = self.spill, self.schema
        ids = np.stack([self.learned.ids(field, start, stop) for field in schema.features], axis=1)
        scenario = schema.scenario_ids(ids[:, schema.scenario_columns])
        label = spill.read("label", start, stop)
        time = spill.read("time", start, stop) if "time" in spill else np.zeros(stop - start, np.int64)
        row = spill.read("row" if "row" in spill else "place", start, stop)
        signals = [spill.read(f"field.{field.name}", start, stop) for field in schema.signals]
        self.total[:, 0] += np.bincount(scenario, minlength=len(self.total))
        self.total[:, 1] += np.bincount(scenario[label == 1], minlength=len(self.total))
        split = self.learned.split(start, stop)
        history = histories.write(writer, start, stop, time) if histories else None
        for number, name in enumerate(SPLITS):
            chosen = split == number
            writer.append(
                name,  # type: ignore[arg-type]
                ids[chosen],
                scenario[chosen],
                label[chosen],
                time[chosen],
                row[chosen],
                signals=np.stack(signals, axis=1)[chosen] if signals else None,
                history=(history[0][chosen], history[1][chosen]) if history else None,
            )

    def _summary(self, dataset: Dataset, rejects: Rejects) -> None:
        """Tell what came of the import, and of what a user should beware."""
        warnings = self._warnings()
        for line in warnings[:SHOWN]:
            self.report(line)
        if len(warnings) > SHOWN:
            self.report(f"warning: {len(warnings) - SHOWN:,} more scenarios have one row or one class only")
        if self.total[UNSEEN, 0]:
            self.report(
                f"warning: {self.total[UNSEEN, 0]:,} rows are of scenarios that no training row shows"
            )
        for split, rows in dataset.rows.items():
            if not rows:
                self.report(f"warning: no rows in split {split}")
        if rejects.count:
            self.report(f"{rejects.count:,} rows could not be read; see {rejects.path.name}")
        parts = ", ".join(f"{rows:,} {split}" for split, rows in dataset.rows.items())
        scenarios, features = len(self.schema.scenarios), len(self.schema.features)
        rows = sum(dataset.rows.values())
        self.report(f"{rows:,} rows ({parts}), {scenarios:,} scenarios, {features} fields -> {dataset.name}")

    def _warnings(self) -> list[str]:
        """Return one line for each scenario with one row, no clicks or clicks only."""
        lines = []
        for name, (rows, clicks) in zip(self.schema.scenario_names, self.total.tolist(), strict=True):
            if name == self.schema.scenario_names[UNSEEN] or (rows > 1 and 0 < clicks < rows):
                continue
            what = (
                "one row only"
                if rows == 1
                else f"{'clicks only' if clicks else 'no clicks'} in {rows:,} rows"
            )
            lines.append(f"warning: scenario {name!r} has {what}: its AUC is not defined")
        return lines


class _Histories:
    """The behaviours of a window of rows; windows come in order, so their places add up."""

    def __init__(self, learned: Learned) -> None:
        sequence = learned.schema.sequences[0]
        self.spill = learned.spill
        self.items = learned.tables[str(sequence.of)]
        self.scenarios: Array | None = None
        self.timed = sequence.time is not None
        self.stop = 0
        if sequence.scenario:
            ids = learned.tables[learned.schema.scenario_fields[0].name]
            self.scenarios = learned.schema.scenario_ids(ids[:, None])
            self.scenarios[0] = UNSEEN  # a behaviour whose scenario is not told

    def write(self, writer: DatasetWriter, start: int, stop: int, time: Array) -> tuple[Array, Array]:
        """Write the behaviours of the next window of rows; return where each row's begin and how many."""
        length = self.spill.read("behaviours.length", start, stop)
        first, self.stop = self.stop, self.stop + int(length.sum())
        item = self.items[self.spill.read("behaviours.item", first, self.stop) + 1]
        scenario = np.full(len(item), UNSEEN)
        if self.scenarios is not None:
            scenario = self.scenarios[self.spill.read("behaviours.scenario", first, self.stop) + 1]
        moment = None
        if self.timed:
            moment = np.repeat(time, length) - self.spill.read("behaviours.age", first, self.stop)
        begin = writer.add_events(item[:, None], scenario, moment)
        return begin + np.cumsum(length) - length, length
