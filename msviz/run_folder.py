"""A run's folder: how it may be called, and what is in it. No other module says the names of its files.

    run.json             the card, sealed over the digests of FILES
    weights.safetensors  schema.json  history.parquet  metrics.json
    notes.json           what people say about the run
    frames/              what was seen of the training
    findings/            answers that were kept
    checkpoint/          only while a training goes on or was stopped; held by one process at a time

The card is written last: with it a folder is a run. What it does not seal may be deleted at any time.
"""

import re
from collections.abc import Iterable
from pathlib import Path

from msviz.errors import invalid

CARD = "run.json"
WEIGHTS = "weights.safetensors"
SCHEMA = "schema.json"
HISTORY = "history.parquet"
METRICS = "metrics.json"
FILES = (WEIGHTS, SCHEMA, HISTORY, METRICS)
NOTES = "notes.json"
FRAMES = "frames"
FINDINGS = "findings"
CHECKPOINT = "checkpoint"
# Inside CHECKPOINT: what the training was asked for, and the file that its process holds.
SETTINGS = "settings.json"
LOCK = "lock"

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
LONGEST = 100  # characters of a run's name


def check_name(name: str, taken: Iterable[str] = ()) -> str:
    """Return a name that a run may have; raise MsvizError for another, and for one of `taken` in any case."""
    if not NAME.fullmatch(name) or len(name) > LONGEST:
        wanted = f"wanted: letters, digits and . _ -, up to {LONGEST}, and no . or - at the start"
        raise invalid("name", name, wanted)
    if name.casefold() in {other.casefold() for other in taken}:
        raise invalid("name", name, "a run of this name is on the shelf, or being trained; choose another")
    return name


def with_end(name: str, end: str) -> str:
    """Return name and end, the name cut where the two together are too long for a run."""
    return name[: LONGEST - len(end)] + end


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / CARD).is_file()


def is_begun(folder: Path) -> bool:
    """Tell whether a training began in a folder and has not become a run: it goes on now, or can."""
    return (folder / CHECKPOINT / SETTINGS).is_file()
