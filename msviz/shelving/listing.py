"""What lies on a shelf, with its notes. Made for thousands of runs: only what changed is read again."""

import json
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from msviz.errors import MsvizError, invalid, one_of
from msviz.run import YOUNG, Card, Run
from msviz.run_folder import CARD, NOTES, SCHEMA
from msviz.shelving.notes import NOTHING, Notes, read_notes
from msviz.shelving.search import settings


@dataclass(frozen=True)
class ShelfEntry:
    """A run and what people say about it."""

    run: Run
    notes: Notes

    @property
    def name(self) -> str:
        """Return the run's name."""
        return self.run.name

    @property
    def card(self) -> Card:
        """Return what training wrote about the run."""
        return self.run.card

    @cached_property
    def shape(self) -> str:
        """Return what decides which questions a run can answer: its model, config and schema."""
        config = json.dumps(self.card.config, sort_keys=True)
        return f"{self.card.model} {config} {self.card.digests.get(SCHEMA)}"

    @cached_property
    def settings(self) -> dict[str, str]:
        """Return the settings of model and training as words, and the seed."""
        return settings(self.card)

    @cached_property
    def text(self) -> str:
        """Return all that a search looks through, in lower case."""
        card, notes = self.card, self.notes
        parent = notes.parent.name if notes.parent else ""
        words = [self.name, card.model, card.data.name, notes.description, *notes.tags, parent]
        return "\n".join([*words, *(f"{key}={value}" for key, value in self.settings.items())]).casefold()

    def fits(self, words: Sequence[str]) -> bool:
        """Tell whether each of these words (lower case) is found; `experts=3` asks for a setting's value."""
        for word in words:
            key, equals, value = word.partition("=")
            if equals and key in self._low:
                if self._low[key] != value:
                    return False
            elif word not in self.text:
                return False
        return True

    @cached_property
    def _low(self) -> dict[str, str]:
        return {key.casefold(): value.casefold() for key, value in self.settings.items()}


@dataclass(frozen=True)
class Broken:
    """A folder whose run.json cannot be read, and why."""

    path: Path
    why: str


@dataclass(frozen=True)
class ShelfListing:
    """A shelf as it was found: its runs, the newest first, and folders whose run cannot be read."""

    entries: tuple[ShelfEntry, ...] = ()
    broken: tuple[Broken, ...] = ()

    @cached_property
    def runs(self) -> list[Run]:
        """Return the runs alone."""
        return [entry.run for entry in self.entries]

    @cached_property
    def by_digest(self) -> dict[str, ShelfEntry]:
        """Return the entries by what tells runs apart, whatever they are called."""
        return {entry.card.digest: entry for entry in self.entries}

    def parent(self, entry: ShelfEntry) -> ShelfEntry | None:
        """Return the run that one was retrained from, where it is on the shelf."""
        return self.by_digest.get(entry.notes.parent.digest) if entry.notes.parent else None

    def named(self, name: str) -> ShelfEntry:
        """Return a run by its name; raise MsvizError where there is none."""
        match = next((entry for entry in self.entries if entry.name == name), None)
        if match is None:
            near = [entry.name for entry in self.entries][:20]
            raise invalid("run", name, one_of(near) if near else "the shelf is empty")
        return match


class Listing:
    """A shelf that is looked at again and again: a file is read anew when it changed. Shared by threads."""

    def __init__(self, folder: Path) -> None:
        """Name the shelf; nothing is read before `look`."""
        self.folder = folder
        self._lock = threading.Lock()
        self._known: dict[str, tuple[Any, ShelfEntry | Broken]] = {}
        self._stamps: Any = None
        self.last = ShelfListing()  # what was found at the last look

    def look(self) -> ShelfListing:
        """Return what lies on the shelf now."""
        with self._lock:
            stamps = _stamps(self.folder)
            if stamps != self._stamps:
                read = {}
                for name, stamp in stamps.items():
                    before = self._known.get(name)
                    same = before is not None and before[0] == stamp
                    read[name] = before if before and same else (stamp, self._read(name, stamp))
                self._known, self.last = read, _sort_listing(entry for _, entry in read.values())
                # What was written just now may be written again before the disk's clock ticks.
                limit = time.time_ns() - YOUNG
                young = [name for name, stamp in stamps.items() if max(_times(stamp)) > limit]
                self._known.update({name: ((None, None), read[name][1]) for name in young})
                self._stamps = None if young else stamps
            return self.last

    def _read(self, name: str, stamp: tuple[Any, Any]) -> ShelfEntry | Broken:
        path = self.folder / name
        before = self._known.get(name)
        try:
            # The run stays the same object while its card does: what it has read so far stays read.
            same = before is not None and before[0][0] == stamp[0] and isinstance(before[1], ShelfEntry)
            run = before[1].run if same else Run.peek(path)  # type: ignore[index,union-attr]
        except MsvizError as error:
            return Broken(path, str(error).removeprefix(f"run {name}: "))
        return ShelfEntry(run, read_notes(path) if stamp[1] else NOTHING)


def listed(folder: Path) -> ShelfListing:
    """Return what lies on a shelf, for who looks once."""
    return Listing(folder).look()


def _stamps(folder: Path) -> dict[str, tuple[Any, Any]]:
    """Return what changes with run.json and notes.json, by folder; one without the first is no run yet."""
    out: dict[str, tuple[Any, Any]] = {}
    try:
        with os.scandir(folder) as contents:
            names = sorted(entry.name for entry in contents if not entry.name.startswith("."))
    except OSError:
        return out
    for name in names:
        card = _stamp(f"{folder}/{name}/{CARD}")
        if card is not None:
            out[name] = (card, _stamp(f"{folder}/{name}/{NOTES}"))
    return out


def _times(stamp: tuple[Any, Any]) -> list[int]:
    return [time for file in stamp if file is not None for time in file[:2]]


def _stamp(file: str) -> tuple[int, ...] | None:
    try:
        stat = os.stat(file)  # noqa: PTH116 - thousands a look: a Path each would cost more than the call
    except OSError:
        return None
    return stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino


def _sort_listing(items: Iterable[ShelfEntry | Broken]) -> ShelfListing:
    entries, broken = [], []
    for item in items:
        if isinstance(item, ShelfEntry):
            entries.append(item)
        else:
            broken.append(item)
    entries.sort(key=lambda entry: entry.card.created, reverse=True)
    return ShelfListing(tuple(entries), tuple(broken))
