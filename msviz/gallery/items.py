"""The gallery: every figure and table of the papers drawn from the shelf, or the command that makes it so."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode

import numpy as np

from msviz.data import experiment
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.papers.paper import load_paper, load_papers
from msviz.papers.study import SHELF
from msviz.papers.tile import Ready, Tile, ready
from msviz.run import Run, shelf

NAMED = 3  # runs that a tile says it lacks
LOGS = ("*experiment*.csv", "*experiment*.tsv", "*experiment*.parquet")


def runs_of(models: Path) -> list[Run]:
    """Return the runs on a shelf, and behind them those that `make papers` trains and no page lists."""
    return [*shelf(models), *shelf(models / SHELF)]


def studied(run: Run) -> bool:
    """Tell whether a run is one that `make papers` trained, which no page but the gallery knows."""
    return run.path.parent.name == SHELF


@dataclass(frozen=True)
class GalleryItem:
    """A tile on the wall: what draws it, or why nothing does."""

    paper: str
    tile: Tile
    ready: Ready | None
    missing: str = ""


def papers() -> list[str]:
    """Return the papers by the name of their model."""
    return list(load_papers())


def gallery_items(runs: Sequence[Run], dataset: Dataset | None, log: Path | None) -> list[GalleryItem]:
    """Return every tile of every paper with the runs that draw it, or what is missing."""
    row = None if dataset is None else telling_row(dataset)
    items = []
    for paper in papers():
        for tile in load_paper(paper).tiles:
            with_runs = ready(tile, runs, row=row, log=log)
            items.append(GalleryItem(paper, tile, with_runs, "" if with_runs else _missing(tile, runs)))
    return items


def telling_row(dataset: Dataset) -> int | None:
    """Return the number of the first test row with the longest history; None without rows."""
    part = dataset.split("test")
    if not part.rows:
        return None
    position = int(np.argmax(part.history_spans[1])) if dataset.schema.sequences else 0
    return int(part.row[position])


def ab_log(folder: Path) -> Path | None:
    """Return the first A/B log in a data folder, by name."""
    return next((file for pattern in LOGS for file in sorted(folder.glob(pattern))), None)


def findings(hung: Sequence[GalleryItem]) -> Iterator[tuple[GalleryItem, Finding | None, str]]:
    """Yield every tile with its finding, computed and kept where it is not yet; or None and the reason."""
    from msviz.analyses.run import analyse

    for item in hung:
        if item.ready is None:
            yield item, None, item.missing
            continue
        try:
            yield item, analyse(item.tile.analysis, item.ready.run, **item.ready.options), ""
        except MsvizError as error:
            yield item, None, str(error)


def page(found: Sequence[tuple[GalleryItem, Finding | None, str]]) -> str:
    """Return docs/gallery.md: what is live, by which command, and how it scores; and what is not, and why."""
    drawn = sum(finding is not None for _, finding, _ in found)
    return (
        "# The papers' figures and tables, live\n\n"
        "Written by `msviz gallery --out docs/gallery.md` from the shelf that comes with the project; the "
        "app's Gallery shows the same, and each tile opens its view. Diagrams of architectures are left out. "
        "Ablations and curves are of runs that `make papers` trains into `models/papers`; their numbers are "
        "kept in [papers.md](papers.md). "
        "A score is against the truth of the planted demo (docs/truth.md says how); it speaks of the first "
        f"thing that the view scores.\n\n{drawn} of {len(found)} can be drawn from the runs on the shelf.\n\n"
        + table(found)
    )


def table(found: Sequence[tuple[GalleryItem, Finding | None, str]]) -> str:
    """Return the lines of the table: paper, figure, view, run, command and score, one a tile."""
    lines = [
        "| paper | figure | what it shows | view | run | command | score |",
        "|---|---|---|---|---|---|---|",
    ]
    for item, finding, why in found:
        tile = item.tile
        run = item.ready.run.name if item.ready and item.ready.run else "–"
        if item.ready and item.ready.other:
            run += f", {item.ready.other.name}"
        state = _score(item, finding) if finding else f"not on this shelf: {why}"
        command = (
            f"`msviz analyse {tile.analysis} {_arguments(item)}`" if item.ready else _block(tile.command)
        )
        cells = [item.paper, tile.label, tile.title, f"`{_view(item)}`", run, command, state]
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"


def _missing(tile: Tile, runs: Sequence[Run]) -> str:
    lacking = tile.missing(runs)
    left = f" and {len(lacking) - NAMED} more" if len(lacking) > NAMED else ""
    return "needs " + (", ".join(lacking[:NAMED]) + left if lacking else "an A/B log in the data folder")


def _view(item: GalleryItem) -> str:
    """Return the address of a tile's view: the gallery's own where other pages do not list its runs."""
    if item.ready is None:
        return item.tile.page
    if any(map(studied, item.ready.runs)):
        return f"gallery?paper={item.paper}"
    link = item.ready.link
    return f"{item.tile.page}?{urlencode(link, doseq=True)}" if link else item.tile.page


def _arguments(item: GalleryItem) -> str:
    assert item.ready is not None
    run = _short_path(item.ready.run.path) if item.ready.run else "-"
    options = [f"--set {key}={_short(value)}" for key, value in item.ready.options.items()]
    return " ".join([run, *options])


def _short(value: object) -> str:
    """Return paths as a reader would type them from the root of the project."""
    paths = str(value).split(",")
    return ",".join(_short_path(Path(path)) if "/" in path else path for path in paths)


def _short_path(path: Path) -> str:
    return "/".join(path.parts[-3 if path.parent.name == SHELF else -2 :])


def _block(command: str) -> str:
    lines = command.splitlines()
    return "<br>".join(f"`{line}`" for line in lines)


def _score(item: GalleryItem, finding: Finding) -> str:
    """Return the scores against a planted truth, the first of them in words."""
    from msviz.analyses.run import score
    from msviz.data.run_data import find_data

    if item.ready is None or item.ready.run is None:
        log = finding.provenance.parameters.get("log")
        planted = experiment.truth(Path(log)) if log else None
        scores = score(finding, planted, None) if planted else []
    else:
        dataset = find_data(item.ready.run)
        scores = [] if dataset.truth is None else score(finding, dataset.truth, dataset.schema)
    if not scores:
        return "nothing to score"
    first = scores[0]
    bounds = "" if np.isnan(first.low) else f" ({first.low:.2f} to {first.high:.2f})"
    return f"{first.measure} {first.value:.2f}{bounds}, {first.name}; by chance {first.chance:.2g}"
