"""Paper: what a file of `published/` says of a paper; the file is called like its model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from msviz.papers.study import PaperStudy
from msviz.papers.tile import Tile
from msviz.registry import PAPERS


@dataclass(frozen=True, kw_only=True)
class Paper:
    """A paper's figures and tables as tiles, and the studies that train their runs.

    `name` is the model's as the paper writes it; `training` are the settings that the paper trains with. Of
    several papers, the one with the lowest `place` comes first, then they go by name.
    """

    name: str
    tiles: tuple[Tile, ...]
    studies: tuple[PaperStudy, ...] = ()
    training: Mapping[str, Any] = field(default_factory=dict)
    place: int = 100


def load_paper(model: str) -> Paper:
    """Return the paper of a model; raise MsvizError naming the choices when there is none."""
    return PAPERS.load(model, Paper)


def load_papers() -> dict[str, Paper]:
    """Return all papers by their model, in the order in which they are shown."""
    papers = {name: load_paper(name) for name in PAPERS.names()}
    return dict(sorted(papers.items(), key=lambda item: (item[1].place, item[1].name)))
