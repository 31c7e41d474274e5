"""Small JSON files that are whole or not there, and locks that die with their process."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import get_ident
from typing import Any

RESERVED = 4096  # bytes kept for a job's last words, so that a full disk cannot silence it


def read(path: Path) -> dict[str, Any] | None:
    """Return the content of a file, or None where there is none that can be read."""
    try:
        content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return content


def write(path: Path, content: dict[str, Any]) -> None:
    """Write a file, whole or not at all, also through a crash of the machine."""
    _replace(path, content, sync=True)


def write_quickly(path: Path, content: dict[str, Any]) -> None:
    """Write a file, whole or not at all; a crash of the machine may take it along."""
    _replace(path, content, sync=False)


def _replace(path: Path, content: dict[str, Any], sync: bool) -> None:
    partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial")
    try:
        with partial.open("w", encoding="utf-8") as stream:
            stream.write(json.dumps(content, ensure_ascii=False) + "\n")
            if sync:
                stream.flush()
                os.fsync(stream.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def reserve(path: Path) -> None:
    """Take the disk space for `write_reserved` in advance."""
    with path.open("wb") as stream:
        stream.write(b" " * RESERVED)
        stream.flush()
        os.fsync(stream.fileno())


def write_reserved(reserved: Path, path: Path, content: dict[str, Any]) -> None:
    """Write a file into the space that `reserve` took, then give it its name."""
    text = json.dumps(content, ensure_ascii=False).encode()
    if not reserved.is_file() or len(text) > RESERVED:
        write(path, content)
        return
    with reserved.open("r+b") as stream:
        stream.write(text.ljust(RESERVED))
        stream.flush()
        os.fsync(stream.fileno())
    reserved.replace(path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock that one process and thread has at a time; the kernel frees it when the process dies."""
    with path.open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def held(path: Path) -> bool:
    """Tell whether somebody holds the lock of a file."""
    if not path.is_file():
        return False
    with path.open("r+") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
