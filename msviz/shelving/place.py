"""Places on a shelf: names that a folder may have, and hidden folders in which a run is made ready."""

import errno
import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from msviz.errors import MsvizError, invalid
from msviz.run_folder import LONGEST, with_end

Progress = Callable[[float, str], None]  # a share from 0 to 1, and words

INCOMING = ".incoming-"
FORGOTTEN = 86_400  # seconds after which a hidden folder is left over, where a disk knows no locks


def silent(share: float, words: str) -> None:
    """Hear how far work is, and say nothing."""


def step(progress: Progress, before: float, total: float, words: str) -> Callable[[int], None]:
    """Return what hears a file's bytes and tells the share of all; `before` are those of the files before."""
    return lambda at: progress((before + at) / max(total, 1), words)


def as_name(text: str) -> str:
    """Return the name that is nearest to a text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).lstrip(".-")[:LONGEST].rstrip("-") or "run"


def free_name(shelf: Path, name: str) -> str:
    """Return the name, or the first of name-2, name-3 … that is not taken on a shelf."""
    free, number = name, 2
    while os.path.lexists(shelf / free):
        free, number = with_end(name, f"-{number}"), number + 1
    return free


@contextmanager
def told(what: str) -> Iterator[None]:
    """Turn what the disk refuses into one line that begins with `what`."""
    try:
        yield
    except OSError as error:
        raise MsvizError(f"{what}: {error.strerror or error}") from error


def _hold(handle: int, wait: bool) -> bool | None:
    """Lock an open folder; False where another holds it, None where the disk knows no such locks."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno in (errno.EBADF, errno.ENOLCK, errno.ENOTSUP, errno.EINVAL):
            return None
        raise
    return True


@contextmanager
def locked(folder: Path, *, wait: bool = True) -> Iterator[bool | None]:
    """Hold a folder against other threads and processes; yield False where another holds it now.

    The kernel lets go when the process dies, however it dies. Some network disks lock no folders: None.
    """
    with told(f"folder {folder.name}"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _hold(handle, wait)
    finally:
        os.close(handle)


@contextmanager
def incoming(shelf: Path) -> Iterator[Path]:
    """Make a hidden folder on a shelf in which a run is made ready; at the end it is gone, however it ends.

    Folders left by processes that were killed go first. Raises MsvizError where the shelf may not be written.
    """
    with told(f"shelf {shelf}"):
        shelf.mkdir(parents=True, exist_ok=True)
    sweep(shelf)
    with ExitStack() as stack:
        while True:
            with told(f"shelf {shelf}"):
                folder = Path(tempfile.mkdtemp(prefix=INCOMING, dir=shelf))
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
            with suppress(MsvizError):
                stack.enter_context(locked(folder))
            # Somebody may have swept it in the moment before it was held.
            if folder.is_dir():
                break
        yield folder


def sweep(shelf: Path) -> None:
    """Remove the hidden folders of processes that died; those in use are held by theirs."""
    for folder in shelf.glob(f"{INCOMING}*"):
        with suppress(OSError, MsvizError), locked(folder, wait=False) as free:
            if free or (free is None and time.time() - folder.stat().st_mtime > FORGOTTEN):
                shutil.rmtree(folder, ignore_errors=True)


def room_for(shelf: Path, size: int) -> None:
    """Raise MsvizError where a shelf's disk has no room for so many bytes."""
    with told(f"shelf {shelf}"):
        free = shutil.disk_usage(shelf).free
    if size > free:
        raise invalid("shelf", str(shelf), f"{megabytes(size)} are needed and {megabytes(free)} are free")


def megabytes(size: float) -> str:
    """Return '12.3 MB'."""
    return f"{size / 2**20:,.1f} MB" if size < 2**30 else f"{size / 2**30:,.2f} GB"
