"""Tile: one figure or table of a paper, the question that draws it live, and the runs that it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from msviz.papers.study import ORDINARY, PaperStudy, settings, words
from msviz.run import Run

Settings = Mapping[str, Any]
SHELF = "make demo-runs"
STUDIES = "make papers"
EXPERIMENT = "python benchmarks/demo_experiment.py"


@dataclass(frozen=True)
class Wants:
    """Which run a picture needs: its model, and settings that it must have been trained with."""

    model: str
    settings: Settings = field(default_factory=dict)

    def fits(self, run: Run) -> bool:
        """Tell whether a run is of this kind."""
        if run.card.model != self.model:
            return False
        values, wanted = settings(run), {**ORDINARY, **self.settings}
        return all(values.get(name) == value for name, value in wanted.items())

    def words(self) -> str:
        """Return 'same with experts = 3'."""
        return words(self.model, self.settings)


@dataclass(frozen=True)
class Tile:
    """A figure or a table: what the paper shows, and how msviz shows it.

    In `options`, `choices` and `link`, "{other}" stands for the second run's path or name, "{runs}" for
    those of all runs of the `study`, "{row}" for an impression with a long history, "{log}" for an A/B log.
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
    study: PaperStudy | None = None
    command: str = ""
    note: str = ""

    def missing(self, runs: Sequence[Run]) -> list[str]:
        """Return in words the runs that a shelf lacks for this picture."""
        wanted = [wants for wants in (self.run, self.other) if wants is not None]
        lacking = [wants.words() for wants in wanted if not any(wants.fits(run) for run in runs)]
        return lacking + (self.study.missing(runs) if self.study else [])


@dataclass(frozen=True)
class Ready:
    """A tile with the runs that draw it: what to ask, of which run, and where to look at it."""

    tile: Tile
    run: Run | None
    other: Run | None
    options: dict[str, Any]
    choices: dict[str, Any]
    link: dict[str, str | list[str]]
    several: tuple[Run, ...] = ()

    @property
    def runs(self) -> list[Run]:
        """Return all runs that the picture is of."""
        return [run for run in (self.run, self.other, *self.several) if run is not None]


def ready(
    tile: Tile, runs: Sequence[Run], *, row: int | None = None, log: Path | None = None
) -> Ready | None:
    """Return the tile with runs of the shelf, which all saw the same data; None where one is missing.

    Of several that fit, the first is taken, the newest on a shelf; of a study, runs of every seed. `row` is
    an impression to open, `log` an A/B log.
    """
    marks = {"{row}": row, "{log}": log}
    if any(marks.get(str(value), "") is None for value in tile.options.values()):
        return None
    for data in dict.fromkeys(run.card.data.fingerprint for run in runs):
        beside = [run for run in runs if run.card.data.fingerprint == data]
        if not tile.missing(beside):
            return _fill(tile, beside, row, log)
    return None if tile.missing(runs) or not _free(tile) else _fill(tile, [], row, log)


def _free(tile: Tile) -> bool:
    return tile.run is None and tile.other is None and tile.study is None


def _fill(tile: Tile, runs: Sequence[Run], row: int | None, log: Path | None) -> Ready:
    def first(wants: Wants | None, but: Run | None = None) -> Run | None:
        fitting = [run for run in runs if wants is not None and wants.fits(run) and run is not but]
        return fitting[0] if fitting else None

    run = first(tile.run)
    other = first(tile.other, run)
    several = {run.path: run for group in (tile.study.trained(runs) if tile.study else []) for run in group}
    many = list(several.values())
    main = run or (many[0] if many else None)
    marks: dict[str, Any] = {"{row}": str(row), "{log}": str(log)}
    paths = {**marks, "{other}": str(other.path) if other else ""}
    paths["{runs}"] = ",".join(str(run.path) for run in many)
    names = {**marks, "{other}": other.name if other else "", "{runs}": [run.name for run in many]}
    link = {key: names.get(value, value) for key, value in tile.link.items()}
    return Ready(
        tile,
        main,
        other,
        {key: paths.get(str(value), value) for key, value in tile.options.items()},
        {key: paths.get(str(value), value) for key, value in tile.choices.items()},
        {"run": main.name, **link} if main else link,
        tuple(many),
    )


def of_study(study: PaperStudy, choices: Settings | None = None, **changes: Any) -> Tile:
    """Return the tile of a study: its runs beside one another, as `choices` draw them."""
    chosen = dict(choices or {})
    show = {"runs_show": chosen["view"].capitalize()} if "view" in chosen else {}
    tile = Tile(
        study.label,
        study.title,
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}", **show},
        {"runs": "{runs}"},
        chosen,
        study=study,
        command=f"{STUDIES} PAPER={study.model}",
        note=study.note,
    )
    return replace(tile, **changes)
