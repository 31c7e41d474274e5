"""Runs found by words, filtered and sorted; and what tells one run's settings from another's."""

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msviz.errors import invalid, one_of
from msviz.run import Card
from msviz.same_training import deciding

if TYPE_CHECKING:
    from msviz.shelving.listing import ShelfEntry


def chosen(
    entries: Iterable["ShelfEntry"],
    *,
    text: str = "",
    models: Sequence[str] = (),
    data: Sequence[str] = (),
    tags: Sequence[str] = (),
    order: str = "newest",
) -> list["ShelfEntry"]:
    """Return the entries that hold all words of `text`, of these models and data, with all these tags.

    `entries` come newest first; they leave in one of ORDERS. Raises MsvizError for another.
    """
    words = text.casefold().split()
    matching = [
        entry
        for entry in entries
        if (not models or entry.card.model in models)
        and (not data or entry.card.data.name in data)
        and set(tags) <= set(entry.notes.tags)
        and entry.fits(words)
    ]
    return ordered(matching, order)


def ordered(entries: Sequence["ShelfEntry"], order: str) -> list["ShelfEntry"]:
    """Return entries, given newest first, in one of ORDERS; runs without a measure come last."""
    if order not in ORDERS:
        raise invalid("order", order, one_of(ORDERS))
    if order == "oldest":
        return list(reversed(entries))
    return sorted(entries, key=ORDERS[order])


def _measure(name: str, sign: int) -> "Callable[[ShelfEntry], Any]":
    def key(entry: "ShelfEntry") -> float:
        value = entry.card.headline.get(name)
        return math.inf if value is None or math.isnan(value) else sign * value

    return key


def _natural(entry: "ShelfEntry") -> list[tuple[int, int, str]]:
    """Return a key that puts same-2 before same-10."""
    parts = re.split(r"([0-9]+)", entry.name.casefold())
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts]


# By the name of an order: what its runs are sorted by, those alike from new to old.
ORDERS: "dict[str, Callable[[ShelfEntry], Any]]" = {
    "newest": lambda entry: 0,
    "oldest": lambda entry: 0,
    "name": _natural,
    "model": lambda entry: entry.card.model,
    "auc": _measure("auc", -1),
    "logloss": _measure("logloss", 1),
    "parameters": lambda entry: entry.card.parameters,
    "kept": lambda entry: not entry.notes.kept,
}


def settings(card: Card) -> dict[str, str]:
    """Return a run's settings of model and training as words, and its seed."""
    return {key: _word(value) for key, value in {**card.config, **_training(card)}.items()}


def differences(before: Card, after: Card) -> dict[str, tuple[str, str]]:
    """Return what differs between two runs, as words before and after: model, data and settings.

    Of two models only the settings of training are compared.
    """
    alike = before.model == after.model
    old, new = (
        {"model": card.model, "data": _data(card), **(card.config if alike else {}), **_training(card)}
        for card in (before, after)
    )
    pairs = {key: (_word(old.get(key, "")), _word(new.get(key, ""))) for key in {**new, **old}}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def _training(card: Card) -> dict[str, Any]:
    return {**deciding(card.training), "seed": card.seed}


def _data(card: Card) -> str:
    return f"{card.data.name} ({card.data.fingerprint[:8]})"


def change_words(changes: Mapping[str, tuple[str, str]]) -> str:
    """Return 'experts 2 → 3, seed 0 → 1'."""
    return ", ".join(f"{key} {old or 'none'} → {new or 'none'}" for key, (old, new) in changes.items())


def _word(value: object) -> str:
    if value is None:
        return "auto"
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)
