"""Choose the paper whose figures are shown."""

from dataclasses import dataclass

from app import links
from app.navigation import PageInfo
from msviz.papers.paper import load_papers
from msviz.run import Run

PAGE = PageInfo(title="Gallery", icon=":material/photo_library:", section="Papers", order=1)


@dataclass(frozen=True)
class GalleryChoice:
    """The paper, by the name of its model."""

    paper: str


def choose(run: Run | None) -> GalleryChoice:
    """Choose one of the papers."""
    del run  # every tile takes the run that suits it
    papers = {paper.name: model for model, paper in load_papers().items()}
    return GalleryChoice(papers[links.switch("Paper", list(papers), "paper")])
