"""Runs side by side: which belong together, what their settings change, whose ranking is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import rankdata

from msviz.analyses._words import Z
from msviz.errors import refuse
from msviz.run import Run, shelf

Array = np.ndarray[Any, Any]
# What a training may differ in without being another training.
ASIDE = ("threads", "checkpoint_seconds", "checks_per_epoch")
# What an empty setting means, where nothing else says it.
UNSET = {"train_where": "all rows", "scenario_fields": "the data's own"}


@dataclass(frozen=True)
class Entry:
    """Trainings that differ in their seed alone, and the settings in which models of their kind differ."""

    runs: tuple[Run, ...]
    settings: dict[str, str]

    @property
    def model(self) -> str:
        """Return the model's name."""
        return self.runs[0].card.model

    @property
    def name(self) -> str:
        """Return the first run's name, with how many others stand behind it."""
        seeds = len(self.runs)
        return self.runs[0].name + (f" ({seeds} seeds)" if seeds > 1 else "")


def named(text: str | None) -> list[Run]:
    """Return the runs of a comma list of paths; a folder of runs is all in it; None is the shelf."""
    if text is None:
        return shelf()
    found: list[Run] = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        path = Path(part)
        inside = [] if (path / "run.json").is_file() else shelf(path)
        found += inside or [Run.peek(path)]
    if not found:
        raise refuse("runs", text, "wanted: paths of runs, or of a folder of runs, between commas")
    return found


def entries(first: Run, others: Sequence[Run], fingerprint: str) -> tuple[list[Entry], int]:
    """Return `first` and all others on the same data, alike ones together, and how many saw other data."""
    unique = {run.path.resolve(): run for run in [first, *sorted(others, key=lambda run: run.name)]}
    fitting = [run for run in unique.values() if run.card.data.fingerprint == fingerprint]
    groups: dict[str, list[Run]] = {}
    for run in fitting:
        groups.setdefault(repr((run.card.model, sorted(_settings(run).items()))), []).append(run)
    kinds: dict[str, list[dict[str, str]]] = {}
    for runs in groups.values():
        kinds.setdefault(runs[0].card.model, []).append(_settings(runs[0]))
    varied = {model: _varied(found) for model, found in kinds.items()}
    found = [
        Entry(
            tuple(sorted(runs, key=lambda run: run.card.seed)),
            {key: _settings(runs[0]).get(key, "") for key in varied[runs[0].card.model]},
        )
        for runs in groups.values()
    ]
    mine = found[0].model
    found = [found[0], *sorted(found[1:], key=lambda one: (one.model != mine, one.model, one.name))]
    return found, len(unique) - len(fitting)


def _settings(run: Run) -> dict[str, str]:
    """Return model and training settings as words; one that is younger than the run had its default."""
    from msviz.training.loop import Training

    training = {**Training().model_dump(mode="json"), **run.card.training}
    training = {key: value for key, value in training.items() if key not in ASIDE}
    return {key: _word(key, value) for key, value in {**training, **run.card.config}.items()}


def _word(key: str, value: object) -> str:
    if value == "" and key in UNSET:
        return UNSET[key]
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _varied(found: Sequence[Mapping[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for settings in found for key in settings)
    return [key for key in keys if len({settings.get(key, "") for settings in found}) > 1]


@dataclass(frozen=True)
class Switched:
    """Two entries by their places in a list: one with what is switched on, the other without it."""

    name: str
    on: int
    off: int


def switched(found: Sequence[Entry]) -> list[Switched]:
    """Return the entries of one model that differ in what is on or off alone: most of it on, most of it off.

    Entries that also differ in other settings make pairs of their own. A pair is called 'model, those
    settings: what is switched'.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for place, one in enumerate(found):
        mine = [other.settings for other in found if other.model == one.model]
        switches = {key for key in one.settings if {each[key] for each in mine} <= {"on", "off"}}
        rest = [value for key, value in one.settings.items() if key not in switches]
        groups.setdefault((one.model, *rest), []).append(place)
    pairs = []
    for (model, *rest), places in groups.items():
        count = [sum(value == "on" for value in found[place].settings.values()) for place in places]
        on, off = (places[int(pick(count))] for pick in (np.argmax, np.argmin))
        changed = {key for key, value in found[on].settings.items() if value != found[off].settings[key]}
        if changed and all(found[off].settings[key] == "off" for key in changed):
            kind = f"{model}, {', '.join(rest)}" if rest else model
            told = [key for key in found[on].settings if key in changed]
            pairs.append(Switched(f"{kind}: {', '.join(told)}", on, off))
    return pairs


@dataclass(frozen=True)
class Placements:
    """What an AUC is made of: the share of others below each click, and of clicks above each other."""

    clicks: Array  # (clicks,) share of the others that stand below
    others: Array  # (others,) share of the clicks that stand above

    @property
    def auc(self) -> float:
        """Return the area under the curve."""
        return float(self.clicks.mean())


def placements(label: Array, score: Array) -> Placements | None:
    """Return V10 and V01 of DeLong, DeLong and Clarke-Pearson (1988) by midranks (Sun and Xu 2014).

    None where one class has fewer than two rows.
    """
    hit = np.asarray(label) > 0.5
    positive, negative = np.asarray(score, np.float64)[hit], np.asarray(score, np.float64)[~hit]
    if min(len(positive), len(negative)) < 2:
        return None
    ranks = rankdata(np.concatenate([positive, negative]))
    beaten = (ranks[: len(positive)] - rankdata(positive)) / len(negative)
    beats = 1 - (ranks[len(positive) :] - rankdata(negative)) / len(positive)
    return Placements(beaten, beats)


def mean_placements(parts: Sequence[Placements]) -> Placements:
    """Return the placements of the mean AUC of several scorings of the same rows."""
    return Placements(*(np.mean([getattr(p, side) for p in parts], 0) for side in ("clicks", "others")))


@dataclass(frozen=True)
class Paired:
    """A difference second - first on the same rows, its 95 % interval and two-sided p."""

    difference: float
    low: float
    high: float
    p: float


NOTHING = Paired(np.nan, np.nan, np.nan, np.nan)


def delong(first: Placements, second: Placements) -> Paired:
    """Return DeLong's test of two correlated AUCs: var = var(ΔV10) / clicks + var(ΔV01) / others."""
    clicks, others = second.clicks - first.clicks, second.others - first.others
    error = float(np.sqrt(clicks.var(ddof=1) / len(clicks) + others.var(ddof=1) / len(others)))
    return _normal(second.auc - first.auc, error)


def paired_mean(first: Array, second: Array) -> Paired:
    """Return the paired test of two means (n,) over the same rows, normal since rows are many."""
    if len(first) < 2:
        return NOTHING
    apart = second - first
    return _normal(float(apart.mean()), float(apart.std(ddof=1) / len(apart) ** 0.5))


def _normal(difference: float, error: float) -> Paired:
    if error == 0:
        return Paired(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    p = 2 * float(ndtr(-abs(difference) / error))
    return Paired(difference, difference - Z * error, difference + Z * error, p)
