"""Run remembers: a trained model as a folder on the shelf. Listing the shelf imports no torch."""

import hashlib
import json
import os
import time
from collections.abc import Iterable
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic import Field as Setting

from msviz.errors import MsvizError, invalid, one_of
from msviz.run_folder import CARD, FILES, HISTORY, METRICS, SCHEMA, is_run
from msviz.schema import Schema, first_problem

VERSION = 1
YOUNG = 2_000_000_000  # nanoseconds in which a file that was written may be written again unnoticed


class TrainedOn(BaseModel):
    """Which data a run saw: its name, its fingerprint, the rows of each split."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    fingerprint: str
    rows: dict[str, int]
    # From the bundle to the dataset, so that neither a machine's paths nor a move of both is a trouble.
    path: str = ""


class Card(BaseModel):
    """The content of run.json: what a run is, and the digests of its other files."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    version: Literal[1] = 1
    model: str
    config: dict[str, Any]
    training: dict[str, Any]
    data: TrainedOn
    seed: int
    epochs: int
    seconds: float
    rows_per_second: float
    parameters: int
    device: str
    created: str
    headline: dict[str, float | None] = Setting(description="test AUC and logloss, for listings")
    doubts: list[str] = Setting([], description="sentences that speak against using it, for listings")
    msviz: str
    digests: dict[str, str]
    digest: str = ""

    def sealed(self) -> "Card":
        """Return the card with the digest of its own content."""
        return self.model_copy(update={"digest": self._own_digest()})

    @property
    def scenario_fields(self) -> str:
        """Return the columns between commas that are the scenario here instead of the data's own; or ""."""
        return str(self.training.get("scenario_fields", ""))

    @property
    def intact(self) -> bool:
        """Tell whether the card is what was sealed."""
        return self.digest == self._own_digest()

    def _own_digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"digest"})
        if not content["doubts"]:
            del content["doubts"]  # as in runs that were written before there were any
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


class Run:
    """A bundle: `card` is read at once, everything else when asked for."""

    def __init__(self, path: Path, card: Card) -> None:
        """Hold the folder and its card; use `Run.open` or `shelf` to get one."""
        self.path = path
        self.card = card

    @property
    def name(self) -> str:
        """Return the folder's name, by which people speak of the run."""
        return self.path.name

    @classmethod
    def peek(cls, path: Path | str) -> "Run":
        """Return a run after reading run.json alone; raise MsvizError when that is not possible."""
        path = Path(path)
        file = path / CARD
        if not file.is_file():
            raise invalid("run", str(path), f"wanted: a folder that holds {CARD}")
        try:
            stat = file.stat()
        except OSError as error:
            raise MsvizError(f"run {path.name}: {CARD} cannot be read: {error.strerror}") from error
        stamp = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        # A disk's clock may tick slowly: what was just written may be written again in the same moment.
        young = time.time_ns() - max(stamp[:2]) < YOUNG
        return cls(path, _read_card(file) if young else _known_card(file, stamp))

    @classmethod
    def open(cls, path: Path | str) -> "Run":
        """Return a run whose files are all there and are those that training wrote, or raise MsvizError."""
        run = cls.peek(path)
        run.card = _read_card(run.path / CARD)  # what is on the disk now, whatever its clock says
        if not run.card.intact:
            raise MsvizError(f"run {run.name}: {CARD} was edited after training (its digest differs)")
        if set(run.card.digests) != set(FILES):
            raise invalid(f"run {run.name}: digests", sorted(run.card.digests), one_of(FILES))
        for file in FILES:
            if not (run.path / file).is_file():
                raise MsvizError(f"run {run.name}: {file} is missing")
            if file_digest(run.path / file) != run.card.digests[file]:
                raise MsvizError(f"run {run.name}: {file} is truncated or was edited (its digest differs)")
        return run

    @cached_property
    def schema(self) -> Schema:
        """Return the schema with the vocabularies the model was trained with."""
        return Schema.load(self.path / SCHEMA)

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """Return metrics.json: per split, overall and per scenario."""
        content: dict[str, Any] = json.loads((self.path / METRICS).read_text(encoding="utf-8"))
        return content

    @cached_property
    def history(self) -> pd.DataFrame:
        """Return the training history, one row per logged step or epoch."""
        return pd.read_parquet(self.path / HISTORY)


def _read_card(file: Path) -> Card:
    """Return the content of run.json; raise MsvizError when it is not what training writes."""
    name = file.parent.name
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        # A lone half of a character is no text that a page or a file could show.
        json.dumps(content, ensure_ascii=False).encode()
    except (OSError, ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise MsvizError(f"run {name}: {CARD} cannot be read: {reason}") from error
    version = content.get("version") if isinstance(content, dict) else None
    if isinstance(version, int) and version > VERSION:
        raise invalid(f"run {name}: version", version, f"this msviz reads up to {VERSION}: update msviz")
    try:
        return Card.model_validate(content)
    except ValidationError as error:
        raise MsvizError(f"run {name}: {CARD}: {first_problem(error)}") from error


@lru_cache(maxsize=10_000)
def _known_card(file: Path, stamp: tuple[int, ...]) -> Card:
    """Return the content of a run.json that has not changed since it was read."""
    return _read_card(file)


def shelf(path: Path | str | None = None) -> list[Run]:
    """Return the runs in a folder (models/ by default, or $MSVIZ_MODELS), newest first.

    Folders without a readable run.json are passed over: a training in progress is no run yet.
    """
    runs = []
    for folder in folders(shelf_folder(path)):
        try:
            runs.append(Run.peek(folder))
        except MsvizError:
            continue
    return newest_first(runs)


def shelf_folder(path: Path | str | None = None) -> Path:
    """Return the folder of the shelf: the given one, $MSVIZ_MODELS, or models/."""
    return Path(path or os.environ.get("MSVIZ_MODELS", "models"))


def folders(folder: Path) -> list[Path]:
    """Return the folders of a shelf that hold a run.json, by name; hidden ones come or go."""
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    except OSError:
        return []
    return [folder / name for name in names if is_run(folder / name)]


def newest_first(runs: Iterable[Run]) -> list[Run]:
    """Return runs in the order of listings."""
    return sorted(runs, key=lambda run: run.card.created, reverse=True)


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file as hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
