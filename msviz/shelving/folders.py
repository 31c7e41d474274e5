"""Rename runs, delete them with a way back, and empty the bin: what happens to the folders of a shelf."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msviz.errors import MsvizError, invalid, one_of
from msviz.run_folder import CARD, CHECKPOINT, FINDINGS, LOCK, check_name, is_run
from msviz.shelving.notes import read_notes
from msviz.shelving.place import free_name, locked, told

BIN = ".trash"
DAYS = 30  # that a deleted run is kept
STAMP = "%Y%m%dT%H%M%S.%fZ"


@dataclass(frozen=True)
class Deleted:
    """A run in the bin: where it lies, what it was called, when it was deleted."""

    path: Path
    name: str
    when: datetime

    @property
    def shelf(self) -> Path:
        """Return the shelf that it came from."""
        return self.path.parent.parent


def rename(run: Path, name: str) -> Path:
    """Give a run another name and return its new folder.

    Raises MsvizError for a name that a folder may not have or that is taken, and while a training writes
    there.
    """
    _check(run)
    if check_name(name) == run.name:
        return run
    target = run.with_name(name)
    with locked(run.parent), _no_training(run), told(f"run {run.name}"):
        if os.path.lexists(target):
            raise invalid("name", name, "it is taken on this shelf; choose another")
        run.rename(target)
    return target


def delete(run: Path) -> Path:
    """Move a run to the shelf's bin and return where it lies; `empty` is what removes it for good.

    Raises MsvizError while a training writes there, for a run that is kept, and for a link to a folder.
    """
    _check(run)
    if run.is_symlink():
        raise invalid("run", run.name, "it is a link to a folder elsewhere: remove the link by hand")
    if read_notes(run).kept:
        raise invalid("run", run.name, "it is pinned: unpin it first")
    folder = run.parent / BIN
    with locked(run.parent), _no_training(run), told(f"run {run.name}"):
        folder.mkdir(exist_ok=True)
        target = folder / f"{datetime.now(UTC).strftime(STAMP)}-{run.name}"
        run.rename(target)
    return target


def trash(shelf: Path) -> list[Deleted]:
    """Return the runs in a shelf's bin, the last deleted first."""
    runs = []
    for path in shelf.glob(f"{BIN}/*/"):
        stamp, _, name = path.name.partition("-")
        with suppress(ValueError):
            runs.append(Deleted(path, name, datetime.strptime(stamp, STAMP).replace(tzinfo=UTC)))
    return sorted(runs, key=lambda run: run.when, reverse=True)


def restore(entry: Deleted | Path) -> Path:
    """Put a run from the bin back on its shelf, under a free name where its own is taken, and return it.

    Raises MsvizError where it is not in the bin any more.
    """
    path = entry if isinstance(entry, Path) else entry.path
    shelf = path.parent.parent
    deleted = next((run for run in trash(shelf) if run.path.name == path.name), None)
    if deleted is None:
        raise invalid("deleted run", path.name, one_of([run.name for run in trash(shelf)] or ["none"]))
    with locked(shelf), told(f"run {deleted.name}"):
        _drop_answers(shelf / deleted.name)
        target = shelf / free_name(shelf, deleted.name)
        deleted.path.rename(target)
    return target


def empty(shelf: Path, *, days: float = DAYS) -> int:
    """Remove for good what was deleted at least so many days ago, and return how many runs that were."""
    limit = datetime.now(UTC) - timedelta(days=days)
    old = [run for run in trash(shelf) if run.when <= limit]
    for run in old:
        with told(f"deleted run {run.name}"):
            shutil.rmtree(run.path)
    return len(old)


def _check(run: Path) -> None:
    """Raise MsvizError where a path is no run of a shelf."""
    if not run.name or run.name.startswith(".") or not is_run(run):
        raise invalid("run", str(run), f"wanted: a folder that holds {CARD}")


def _drop_answers(folder: Path) -> None:
    """Remove what an answer left behind that ended after its run was deleted: kept findings, nothing else."""
    if folder.is_dir() and {content.name for content in folder.iterdir()} == {FINDINGS}:
        shutil.rmtree(folder)


@contextmanager
def _no_training(run: Path) -> Iterator[None]:
    """Hold what a training would hold; raise MsvizError where one does."""
    try:
        lock = (run / CHECKPOINT / LOCK).open("r")
    except FileNotFoundError:
        yield
        return
    except OSError as error:
        raise MsvizError(f"run {run.name}: {CHECKPOINT}: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise invalid("run", run.name, "a training writes there now: wait, or cancel it") from error
        yield
