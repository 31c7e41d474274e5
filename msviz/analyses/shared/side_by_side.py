"""Runs side by side: which belong together, what their settings change, whose ranking is better."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from msviz.errors import invalid
from msviz.run import Run, shelf
from msviz.run_folder import is_run
from msviz.same_training import deciding

# What an empty setting means, where nothing else says it.
UNSET = {"train_where": "all rows", "scenario_fields": "the data's own"}


@dataclass(frozen=True)
class ComparedRun:
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
    runs: list[Run] = []
    for part in (part.strip() for part in text.split(",")):
        if not part:
            continue
        path = Path(part)
        inside = [] if is_run(path) else shelf(path)
        runs += inside or [Run.peek(path)]
    if not runs:
        raise invalid("runs", text, "wanted: paths of runs, or of a folder of runs, between commas")
    return runs


def entries(first: Run, others: Sequence[Run], fingerprint: str) -> tuple[list[ComparedRun], int]:
    """Return `first` and all others on the same data, alike ones together, and how many saw other data."""
    unique = {run.path.resolve(): run for run in [first, *sorted(others, key=lambda run: run.name)]}
    fitting = [run for run in unique.values() if run.card.data.fingerprint == fingerprint]
    groups: dict[str, list[Run]] = {}
    for run in fitting:
        groups.setdefault(repr((run.card.model, sorted(_settings(run).items()))), []).append(run)
    kinds: dict[str, list[dict[str, str]]] = {}
    for runs in groups.values():
        kinds.setdefault(runs[0].card.model, []).append(_settings(runs[0]))
    varied = {model: _find_varied(model_settings) for model, model_settings in kinds.items()}
    listing = [
        ComparedRun(
            tuple(sorted(runs, key=lambda run: run.card.seed)),
            {key: _settings(runs[0]).get(key, "") for key in varied[runs[0].card.model]},
        )
        for runs in groups.values()
    ]
    own_model = listing[0].model
    listing = [
        listing[0],
        *sorted(listing[1:], key=lambda entry: (entry.model != own_model, entry.model, entry.name)),
    ]
    return listing, len(unique) - len(fitting)


def _settings(run: Run) -> dict[str, str]:
    """Return model and training settings as words; one that is younger than the run had its default."""
    return {
        key: _word(key, value) for key, value in {**deciding(run.card.training), **run.card.config}.items()
    }


def _word(key: str, value: object) -> str:
    if value is None:
        return "auto"
    if value == "" and key in UNSET:
        return UNSET[key]
    return {True: "on", False: "off"}[value] if isinstance(value, bool) else str(value)


def _find_varied(settings_list: Sequence[Mapping[str, str]]) -> list[str]:
    keys = dict.fromkeys(key for settings in settings_list for key in settings)
    return [key for key in keys if len({settings.get(key, "") for settings in settings_list}) > 1]


@dataclass(frozen=True)
class Switched:
    """Two entries by their places in a list: one with what is switched on, the other without it."""

    name: str
    on: int
    off: int


def switched(found: Sequence[ComparedRun]) -> list[Switched]:
    """Return the entries of one model that differ in what is on or off alone: most of it on, most of it off.

    Entries that also differ in other settings make pairs of their own. A pair is called 'model, those
    settings: what is switched'.
    """
    groups: dict[tuple[str, ...], list[int]] = {}
    for number, entry in enumerate(found):
        own_settings = [other.settings for other in found if other.model == entry.model]
        switches = {key for key in entry.settings if {each[key] for each in own_settings} <= {"on", "off"}}
        rest = [value for key, value in entry.settings.items() if key not in switches]
        groups.setdefault((entry.model, *rest), []).append(number)
    pairs = []
    for (model, *rest), places in groups.items():
        count = [sum(value == "on" for value in found[number].settings.values()) for number in places]
        on, off = (places[int(pick(count))] for pick in (np.argmax, np.argmin))
        changed = {key for key, value in found[on].settings.items() if value != found[off].settings[key]}
        if changed and all(found[off].settings[key] == "off" for key in changed):
            kind = f"{model}, {', '.join(rest)}" if rest else model
            titles = [key for key in found[on].settings if key in changed]
            pairs.append(Switched(f"{kind}: {', '.join(titles)}", on, off))
    return pairs
