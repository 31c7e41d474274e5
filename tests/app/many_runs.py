"""A shelf of very many runs: clones of a few, with other names, settings, days and notes."""

import json
import os
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from msviz.run import Card, Run
from msviz.run_folder import FILES
from msviz.shelving.notes import Notes, Parent, write_notes

DAY = datetime(2026, 1, 1, tzinfo=UTC)
TAGS = ("baseline", "flash-sale", "good", "sweep", "wide")


def clone(runs: Sequence[Path], shelf: Path, count: int, *, seed: int = 0, shapes: int = 20) -> list[Run]:
    """Put `count` clones on a shelf and return them, the oldest first.

    Their weights are the originals' (hard links), so one whose config changed does not score; `shapes` is in
    how many ways the config of a model differs. Two thirds are retrained from the one before.
    """
    shelf.mkdir(parents=True, exist_ok=True)
    draw, made = random.Random(seed), []
    for number in range(count):
        original = Run.peek(runs[number % len(runs)])
        card = original.card
        config = dict(card.config)
        if number % (shapes * len(runs)) >= len(runs) and "dropout" in config:
            config["dropout"] = (number % (shapes * len(runs))) / 10_000
        training = {**card.training, "learning_rate": round(draw.uniform(1e-4, 1e-2), 6)}
        changed = {
            "config": config,
            "training": training,
            "seed": number,
            "created": (DAY + timedelta(minutes=number)).isoformat(timespec="seconds"),
            "headline": {
                "auc": round(draw.uniform(0.6, 0.75), 5),
                "logloss": round(draw.uniform(0.4, 0.6), 5),
            },
        }
        made.append(_write(original, shelf / f"{card.model}-{number:04}", card.model_copy(update=changed)))
        before = made[-1 - len(runs)] if number % 3 and len(made) > len(runs) else None
        parent = Parent(name=before.name, digest=before.card.digest) if before else None
        tags = tuple(draw.sample(TAGS, draw.randrange(3)))
        write_notes(made[-1].path, Notes(description=f"Trial number {number}.", tags=tags, parent=parent))
    return made


def _write(original: Run, place: Path, card: Card) -> Run:
    place.mkdir()
    for file in FILES:
        os.link(original.path / file, place / file)
    relative = os.path.relpath((original.path / card.data.path).resolve(), place.resolve())
    card = card.model_copy(update={"data": card.data.model_copy(update={"path": relative})}).sealed()
    (place / "run.json").write_text(json.dumps(card.model_dump(mode="json")), encoding="utf-8")
    return Run(place, card)
