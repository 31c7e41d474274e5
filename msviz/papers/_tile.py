"""Tile: one figure or table of a paper, the question that draws it live, and the runs that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from msviz.run import Run

Settings = Mapping[str, Any]
SHELF = "make demo-runs"
EXPERIMENT = "python benchmarks/demo_experiment.py"
# A paper's figures are of all rows, and of the log's own scenarios, unless it says otherwise.
ORDINARY: Settings = {"train_where": "", "train_share": 1.0, "scenario_fields": ""}


@dataclass(frozen=True)
class Wants:
    """Which run a picture needs: its model, and settings that it must have been trained with."""

    model: str
    settings: Settings = field(default_factory=dict)

    def fits(self, run: Run) -> bool:
        """Tell whether a run is of this kind."""
        card = run.card
        if card.model != self.model:
            return False
        own = all(
            card.training.get(name, card.config.get(name)) == value for name, value in self.settings.items()
        )
        return own and all(
            card.training.get(name, value) == value
            for name, value in ORDINARY.items()
            if name not in self.settings
        )

    def words(self) -> str:
        """Return 'same with experts = 3'."""
        settings = ", ".join(f"{name} = {value}" for name, value in self.settings.items())
        return self.model + (f" with {settings}" if settings else "")


@dataclass(frozen=True)
class Tile:
    """A figure or a table: what the paper shows, and how msviz shows it.

    In `options`, `choices` and `link`, "{other}" stands for the second run's path or name, "{runs}" for
    those of all runs in `several`, "{row}" for an impression with a long history, "{log}" for an A/B log,
    "{scenario}" for the second scenario of the run's log.
    """

    label: str
    title: str
    analysis: str
    page: str
    link: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    choices: Mapping[str, Any] = field(default_factory=dict)
    run: Wants | None = None
    other: Wants | None = None
    several: Sequence[Wants] = ()
    command: str = ""
    note: str = ""
    study: str = ""  # the label of the study among the paper's that trains what this needs

    def missing(self, runs: Sequence[Run]) -> list[Wants]:
        """Return the kinds of runs that a shelf lacks for this picture."""
        wanted = [wants for wants in (self.run, self.other, *self.several) if wants is not None]
        return [wants for wants in wanted if not any(wants.fits(run) for run in runs)]


def commands(recipe: str, runs: Mapping[str, str]) -> str:
    """Return one training command a run: the demo's recipe with `key=value` changed, by a short name."""
    model = recipe.split(maxsplit=1)[0]
    common = "--data data/demo --device cpu --seed 0 --set threads=1 --set batch_size=1024"
    lines = []
    for name, changes in runs.items():
        changed = " ".join(f"--set {change}" for change in changes.split())
        place = f"--out models/{model}-{name.replace('_', '-')}"
        lines.append(f"msviz train {recipe} {common} {changed} {place}")
    return "\n".join(lines)


@dataclass(frozen=True)
class Ready:
    """A tile with the runs that draw it: what to ask, of which run, and where to look at it."""

    tile: Tile
    run: Run | None
    other: Run | None
    options: dict[str, Any]
    choices: dict[str, Any]
    link: dict[str, str | list[str]]


def ready(
    tile: Tile, runs: Sequence[Run], *, row: int | None = None, log: Path | None = None
) -> Ready | None:
    """Return the tile with runs of the shelf, which all saw the same data; None where one is missing.

    Of several that fit, the newest is taken. `row` is an impression to open, `log` an A/B log.
    """
    given = {"{row}": row, "{log}": log}
    if any(given.get(str(value), "") is None for value in tile.options.values()):
        return None
    for data in dict.fromkeys(run.card.data.fingerprint for run in runs):
        beside = [run for run in runs if run.card.data.fingerprint == data]
        if not tile.missing(beside):
            return _filled(tile, beside, row, log)
    return None if tile.missing(runs) or not _free(tile) else _filled(tile, [], row, log)


def _free(tile: Tile) -> bool:
    return tile.run is None and tile.other is None and not tile.several


def _filled(tile: Tile, runs: Sequence[Run], row: int | None, log: Path | None) -> Ready:
    def first(wants: Wants | None, but: Run | None = None) -> Run | None:
        fitting = [run for run in runs if wants is not None and wants.fits(run) and run is not but]
        return fitting[0] if fitting else None

    run = first(tile.run)
    other = first(tile.other, run)
    many = [found for wants in tile.several if (found := first(wants)) is not None]
    main = run or (many[0] if many else None)
    marks: dict[str, Any] = {"{row}": str(row), "{log}": str(log), "{scenario}": _scenario(tile, main)}
    paths = {**marks, "{other}": str(other.path) if other else ""}
    paths["{runs}"] = ",".join(str(one.path) for one in many)
    names = {**marks, "{other}": other.name if other else "", "{runs}": [one.name for one in many]}
    link = {key: names.get(value, value) for key, value in tile.link.items()}
    return Ready(
        tile,
        main,
        other,
        {key: paths.get(str(value), value) for key, value in tile.options.items()},
        {key: paths.get(str(value), value) for key, value in tile.choices.items()},
        {"run": main.name, **link} if main else link,
    )


def _scenario(tile: Tile, run: Run | None) -> str:
    """Return the second scenario of a run's log, or the only one; "" where none is asked for."""
    if run is None or "{scenario}" not in (*tile.choices.values(), *tile.link.values()):
        return ""
    names = run.schema.scenario_names
    return names[min(2, len(names) - 1)]
