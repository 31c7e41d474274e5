"""Encodes a log in one reading: provisional codes go to disk, and become ids once vocabularies are known."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np

from msviz.data.importing.arrow_columns import Codes
from msviz.data.importing.check import log_schema, parts
from msviz.data.importing.events import EventHistories, EventLists, Events, Windows
from msviz.data.importing.learn import FittedSchema
from msviz.data.importing.prepare import Prepared, prepare
from msviz.data.importing.read import Chunk
from msviz.data.importing.rejects import Rejects
from msviz.data.importing.signals import Daily, Joined
from msviz.data.importing.spill import Spill
from msviz.data.importing.stale import refuse_existing
from msviz.data.importing.write import DatasetWriter
from msviz.dataset import SPLITS, Array, Dataset
from msviz.errors import invalid
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
    events: Events | None = None,
    daily: Daily | None = None,
) -> Dataset:
    """Write the dataset of a log that comes as chunks; raise MsvizError and leave nothing half-written.

    Vocabularies, bins and scenarios are learned on training rows only. An importer that has read the
    files before passes the `rejects` it met among `staged` rows. Histories come from `events` and signals
    from `daily` where these are given, from the log's own rows otherwise.
    """
    refuse_existing(out, overwrite)
    rejects = rejects or Rejects(out)
    try:
        with Spill(out) as spill:
            books = _TextIndex()
            own = log_schema(schema, events is not None, daily.names if daily else ())
            rows, read_rows = _collect(tasks, own, spill, books, rejects)
            if not (staged or read_rows):
                raise invalid("source", "no rows", "wanted: rows below the header line")
            rejects.judge(staged or read_rows, allow_rejects)
            if not rows:
                raise invalid("source", f"{staged or read_rows} rows", "none of them can be used")
            joined = Joined(daily, spill, books.words, rows) if daily else None
            counts: dict[str, Any] = {"rejected": rejects.count}
            if events:
                counts["events"] = _collect_events(events, spill, books, rejects, report)
                rejects.judge(counts["events"]["rows"], allow_rejects, "events")
            rejects.publish()
            if rejects.count:
                report(f"{rejects.count:,} rows could not be read; see {rejects.path.name}")
            learned = FittedSchema(schema, spill, books.words, rows)
            encoding = _Encoding(learned, report, joined)
            return encoding.write(out, overwrite, {**origin, **counts}, Windows if events else EventLists)
    finally:
        rejects.discard()


class _TextIndex:
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

    def known(self, name: str, codes: Codes) -> Array:
        """Return a chunk's codes (n,) int32, -1 also for a text that the log does not hold."""
        book = self.words[name]
        numbers = np.fromiter(map(book.get, codes.words, repeat(-1)), np.int32, len(codes.words))
        return np.append(numbers, np.int32(-1))[codes.place]


def _collect(
    tasks: Tasks, schema: Schema, spill: Spill, books: _TextIndex, rejects: Rejects
) -> tuple[int, int]:
    """Read every chunk once, in order; return the number of usable rows and of rows seen."""
    shared = (
        {key: f"field.{feature}" for key, (_, feature) in parts(schema).items()} if schema.sequences else {}
    )
    rows = read_rows = first = 0
    for part in _ahead(tasks, schema):
        rejects.add(part.rejects)
        for name, values in part.arrays.items():
            spill.append(name, values + first if name == "place" else values)
        for name, codes in part.codes.items():
            spill.append(name, books.merge(shared.get(name, name), codes))
        rows += len(part.arrays["label"])
        read_rows += part.seen
        first += part.records
    return rows, read_rows


def _collect_events(
    events: Events, spill: Spill, books: _TextIndex, rejects: Rejects, report: Report
) -> dict[str, Any]:
    """Read the events of the log's users; return what dataset.json tells of them."""
    rows = anonymous = read = 0
    before = rejects.count
    for part in _ahead(events.tasks, events.schema):
        rejects.add(part.rejects)
        codes = part.codes[f"field.{events.user}"]
        user = books.known(f"field.{events.user}", codes)
        nameless = (codes.place < 0) | (part.codes[f"field.{events.parts['behaviours.0']}"].place < 0)
        keep = (user >= 0) & ~nameless
        spill.append("events.user", user[keep])
        spill.append("events.time", part.arrays["time"][keep])
        for key, name in events.parts.items():
            read_codes = part.codes[f"field.{name}"]
            own = Codes(read_codes.place[keep], read_codes.words, {})
            spill.append(key, books.merge(f"field.{events.features[key]}", own))
        rows, read = rows + part.seen, read + int(keep.sum())
        anonymous += int(nameless.sum())
    if not rows:
        raise invalid("events", "no rows", "wanted: rows below the header line")
    report(f"{read:,} of {rows:,} events are of the log's users; {anonymous:,} name no user or no item")
    if not read:
        report("warning: no event is of a user of the log, so no row has a history")
    return {"source": events.files, "rows": rows, "read": read, "rejected": rejects.count - before}


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

    def __init__(self, learned: FittedSchema, report: Report, joined: Joined | None) -> None:
        self.learned = learned
        self.joined = joined
        self.spill = learned.spill
        self.schema = learned.schema
        self.report = report
        # Rows and clicks of each scenario.
        self.total: Array = np.zeros((len(self.schema.scenarios) + 1, 2), np.int64)

    def write(
        self,
        out: Path,
        overwrite: bool,
        origin: dict[str, Any],
        kind: Callable[[FittedSchema, DatasetWriter], EventHistories],
    ) -> Dataset:
        """Write every split; raise MsvizError and leave nothing behind when it cannot be finished."""
        with DatasetWriter(out, self.schema, overwrite) as writer:
            histories = kind(self.learned, writer) if self.schema.sequences else None
            for start, stop in self.learned.windows():
                self._write_window(writer, start, stop, histories)
            created = datetime.now(UTC).isoformat(timespec="seconds")
            dataset = writer.commit({"origin": {**origin, "created": created}})
        self._summary(dataset)
        return dataset

    def _write_window(
        self, writer: DatasetWriter, start: int, stop: int, histories: EventHistories | None
    ) -> None:
        spill, schema = self.spill, self.schema
        ids = np.stack([self.learned.ids(field, start, stop) for field in schema.features], axis=1)
        scenario = schema.scenario_ids(ids[:, schema.scenario_columns])
        label = spill.read("label", start, stop)
        time = spill.read("time", start, stop) if "time" in spill else np.zeros(stop - start, np.int64)
        row = spill.read("row" if "row" in spill else "place", start, stop)
        signals = self._signals(start, stop)
        self.total[:, 0] += np.bincount(scenario, minlength=len(self.total))
        self.total[:, 1] += np.bincount(scenario[label == 1], minlength=len(self.total))
        split = self.learned.split(start, stop)
        history = histories.write(start, stop) if histories else None
        for number, name in enumerate(SPLITS):
            chosen = split == number
            writer.append(
                name,  # type: ignore[arg-type]
                ids[chosen],
                scenario[chosen],
                label[chosen],
                time[chosen],
                row[chosen],
                signals=None if signals is None else signals[chosen],
                history=(history[0][chosen], history[1][chosen]) if history else None,
            )

    def _signals(self, start: int, stop: int) -> Array | None:
        """Return the signals (n, K) of some rows, in the schema's order, or None where it has none."""
        if not self.schema.signals:
            return None
        by_name: dict[str, Array] = {}
        if self.joined:
            by_name = dict(zip(self.joined.names, self.joined.values(start, stop).T, strict=True))
        names = [field.name for field in self.schema.signals]
        columns = [by_name[n] if n in by_name else self.spill.read(f"field.{n}", start, stop) for n in names]
        return np.stack(columns, axis=1)

    def _summary(self, dataset: Dataset) -> None:
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
        for split in dataset.shuffled:
            self.report(
                f"rows of {split} lie in random order, as so many are read block by block in training"
            )
        shares = ", ".join(f"{rows:,} {split}" for split, rows in dataset.rows.items())
        scenarios, features = len(self.schema.scenarios), len(self.schema.features)
        rows = sum(dataset.rows.values())
        self.report(f"{rows:,} rows ({shares}), {scenarios:,} scenarios, {features} fields -> {dataset.name}")

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
