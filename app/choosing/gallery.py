"""Choose the paper whose figures are shown."""

from dataclasses import dataclass

from app import links
from msviz.papers.paper import load_papers
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Gallery", ":material/photo_library:", "Papers", 1


@dataclass(frozen=True)
class Chosen:
    """The paper, by the name of its model."""

    paper: str


def choose(run: Run | None) -> Chosen:
    """Choose one of the papers."""
    del run  # every tile takes the run that suits it
    titles = {paper.name: model for model, paper in load_papers().items()}
    return Chosen(titles[links.switch("Paper", list(titles), "paper")])
