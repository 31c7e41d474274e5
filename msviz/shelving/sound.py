"""Whether a bundle that arrived can be opened without harm: `python -m msviz.shelving.sound FOLDER`.

Run in a process of its own: it exits with 0, or with 2 and one line that says what is wrong.
"""

import contextlib
import json
import math
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from msviz.errors import MsvizError, invalid, one_of
from msviz.finding import OLDER, Finding
from msviz.registry import MODELS
from msviz.run import Run
from msviz.run_folder import CARD, HISTORY, METRICS, NOTES, SCHEMA, WEIGHTS
from msviz.shelving.notes import parse_notes

ROWS, COLUMNS = 1_000_000, 1_000  # of a training's history
LARGEST = 2**29  # bytes that one file's arrays may fill in memory
MOST = 10_000  # arrays and groups in one file


def check(folder: Path) -> None:
    """Raise MsvizError where a bundle is not what training writes."""
    run = Run.open(folder)
    card = run.card
    if card.model not in MODELS.names():
        raise invalid(f"run {run.name}: model", card.model, one_of(MODELS.names()))
    with _readable(run, CARD):
        if datetime.fromisoformat(card.created).tzinfo is None:
            raise ValueError("created: it tells no time zone")
        if not 0 <= card.parameters < 2**53:
            raise ValueError("parameters: no net has so many")
        numbers = [card.seconds, card.rows_per_second, *card.headline.values()]
        if not all(math.isfinite(number) for number in numbers if number is not None):
            raise ValueError("wanted: finite numbers")
    with _readable(run, SCHEMA):
        str(run.schema.model_dump_json())
    with _readable(run, METRICS):
        if not isinstance(run.metrics, dict):
            raise ValueError("wanted: measures by split")
    _weights(run)
    _history(run)
    if (run.path / NOTES).is_file():
        parse_notes((run.path / NOTES).read_bytes())
    for file in sorted(run.path.glob("*/*")):
        with _readable(run, f"{file.parent.name}/{file.name}"):
            if file.suffix == ".nc":
                _arrays(file)
            else:
                _lines(file)


@contextlib.contextmanager
def _readable(run: Run, name: str) -> Iterator[None]:
    """Turn whatever a reader of files says about one into a line that names it."""
    try:
        yield
    except MsvizError:
        raise
    except Exception as error:  # libraries raise what they like over a file that is none of theirs
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise MsvizError(f"run {run.name}: {name} cannot be read: {reason}") from error


def _weights(run: Run) -> None:
    from safetensors import safe_open

    with _readable(run, WEIGHTS), safe_open(run.path / WEIGHTS, "np") as opened:
        opened.keys()


def _history(run: Run) -> None:
    """Look at the table's size before anything is read of it."""
    from pyarrow.parquet import ParquetFile

    with _readable(run, HISTORY), ParquetFile(run.path / HISTORY) as table:
        about = table.metadata
        if about.num_rows > ROWS or about.num_columns > COLUMNS:
            raise ValueError(f"{about.num_rows:,} rows of {about.num_columns:,} columns are no history")
        table.read()


def _lines(file: Path) -> None:
    """Look at what a training told of itself: an object, or one a line, of which the last may be cut off."""
    text = file.read_text("utf-8")
    for line in text.splitlines()[:-1] if file.suffix == ".jsonl" else [text]:
        if not isinstance(json.loads(line), dict):
            raise ValueError("wanted: objects")


def _arrays(file: Path) -> None:
    """Look through a file of arrays: none may lead to another file, or be larger than a page can hold."""
    with file.open("rb") as stream:
        older = stream.read(len(OLDER)) == OLDER
    size = file.stat().st_size if older else _inside(file)
    if size > LARGEST:
        raise ValueError("its arrays are larger than a page can hold")
    Finding.load(file)


def _inside(file: Path) -> int:
    """Return the bytes that a file's arrays fill in memory, which may be far more than the file's."""
    import h5py

    with h5py.File(file, "r") as opened:
        waiting, count, size = [opened["/"]], 0, 0
        while waiting:
            group = waiting.pop()
            for name in group:
                count += 1
                if count > MOST or not isinstance(group.get(name, getlink=True), h5py.HardLink):
                    raise ValueError("it holds links, or too many parts")
                item = group[name]
                if isinstance(item, h5py.Group):
                    waiting.append(item)
                elif isinstance(item, h5py.Dataset):
                    if item.external or item.is_virtual:
                        raise ValueError("it shows what lies in another file")
                    size += item.nbytes
    return int(size)


def main() -> int:
    """Check the folder that is named on the command line."""
    try:
        check(Path(sys.argv[1]))
    except MsvizError as error:
        print(error)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
