"""Which files of a bundle travel, how large they may be, and whether what arrived is sound."""

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from msviz.errors import MsvizError, invalid
from msviz.registry import ROOT
from msviz.run import Run, shelf
from msviz.run_folder import CARD, FILES, FINDINGS, FRAMES, HISTORY, METRICS, NOTES, SCHEMA, check_name
from msviz.shelving import notes
from msviz.shelving.place import as_name, free_name, locked, megabytes, told

# What lies beside the sealed files, by folder: pictures of the training, and answers that were kept.
FOLDERS = {FRAMES: ("nc", "json", "jsonl"), FINDINGS: ("nc",)}
INSIDE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,150}")
# Bytes at most, by name or ending. These are read whole into memory, and some of them for every listing.
LARGEST = {
    CARD: 2**20,
    METRICS: 2**26,
    HISTORY: 2**28,
    SCHEMA: 2**29,
    NOTES: notes.SIZE,
    "json": 2**20,
    "jsonl": 2**22,
}
PATIENCE = 900  # seconds for the check of what arrived


@dataclass(frozen=True)
class Limits:
    """What may arrive: bytes in all, files, and how much more than what was sent they may unpack to."""

    total: int = 2 * 2**30
    files: int = 10_000
    ratio: float = 200.0
    free: int = 16 * 2**20  # bytes that may be packed however tightly


def known(name: str) -> bool:
    """Tell whether a file of this name, relative to the run's folder, belongs to a bundle."""
    folder, slash, file = name.rpartition("/")
    if not slash:
        return name in (CARD, NOTES, *FILES)
    kind = file.rpartition(".")[2]
    return folder in FOLDERS and kind in FOLDERS[folder] and INSIDE.fullmatch(file) is not None


def check_sizes(sizes: Iterable[tuple[str, int]], limits: Limits, what: str) -> int:
    """Return the bytes in all; raise MsvizError where a file, their number or all of them are too large."""
    total = count = 0
    for name, size in sizes:
        total, count = total + size, count + 1
        most = LARGEST.get(name) or LARGEST.get(name.rpartition(".")[2]) or limits.total
        if size > most:
            raise invalid(what, f"{name}, {megabytes(size)}", f"it may have {megabytes(most)}")
    if count > limits.files:
        raise invalid(what, f"{count:,} files", f"it may have {limits.files:,}")
    if total > limits.total:
        raise invalid(what, megabytes(total), f"it may have {megabytes(limits.total)} in all")
    return total


def contents(run: Path, *, findings: bool) -> dict[str, Path]:
    """Return the files of a run that travel, by their name in the bundle; run.json is the last."""
    names = [name for name in (*FILES, NOTES) if (run / name).is_file()]
    for folder in (FRAMES, *([FINDINGS] if findings else [])):
        inside = sorted(path.name for path in (run / folder).glob("*") if path.is_file())
        names += [f"{folder}/{name}" for name in inside if known(f"{folder}/{name}")]
    return {name: run / name for name in [*names, CARD]}


def admit(folder: Path, place: Path, name: str | None) -> Path:
    """Check a run that lies in a hidden folder, move it onto the shelf and return where it lies.

    With `name` it takes that or is refused; else its folder's name, or the first free one like it. Raises
    MsvizError where it is no sound bundle, and where the same run is on the shelf already.
    """
    _check(folder)
    digest = Run.peek(folder).card.digest
    with locked(place):
        same = next((run for run in shelf(place) if run.card.digest == digest), None)
        if same is not None:
            raise invalid("bundle", folder.name, f"this very run is on the shelf already, as {same.name}")
        target = place / free_name(place, name or folder.name)
        if name and target.name != name:
            raise invalid("name", name, "it is taken on this shelf; choose another")
        with told(f"shelf {place}"):
            folder.rename(target)
    return target


def suggested(text: str, name: str | None) -> str:
    """Return the name that a bundle has while it is checked: the asked for, or one made from a text."""
    return check_name(name) if name else as_name(text)


def _check(folder: Path) -> None:
    """Raise MsvizError where what arrived is no sound bundle.

    Files of unknown origin are read by libraries written in C; a process of its own pays for their mistakes.
    """
    command = [sys.executable, "-m", "msviz.shelving.sound", str(folder.resolve())]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT.parent,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise invalid("bundle", folder.name, f"its check took longer than {PATIENCE} s") from error
    if done.returncode == 0:
        return
    lines = done.stdout.splitlines()
    if done.returncode == 2 and lines:
        raise MsvizError(lines[-1])
    raise invalid("bundle", folder.name, f"its files cannot be read (the check ended with {done.returncode})")
