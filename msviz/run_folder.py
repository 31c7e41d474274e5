"""A run's folder: what its files and folders are called. No other module says these names.

run.json             the card, written last and sealed over the digests of FILES: with it a folder is a run
weights.safetensors  schema.json  history.parquet  metrics.json
notes.json           what people say about the run; not sealed, may be deleted at any time
frames/              what was seen of the training; not sealed, may be deleted at any time
findings/            answers that were kept; not sealed, may be deleted at any time
checkpoint/          only while a training goes on or was stopped; held by one process at a time
"""

from pathlib import Path

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


def is_run(folder: Path) -> bool:
    """Tell whether a folder holds a finished run."""
    return (folder / CARD).is_file()


def is_begun(folder: Path) -> bool:
    """Tell whether a training began in a folder and has not become a run: it goes on now, or can."""
    return (folder / CHECKPOINT / SETTINGS).is_file()
