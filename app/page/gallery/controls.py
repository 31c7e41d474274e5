"""Choose the paper whose figures are shown."""

from dataclasses import dataclass

from app import links
from app.navigation import PageInfo
from app.papers import papers_by_title
from msviz import registry
from msviz.run import Run

PAGE = PageInfo(title="Gallery", icon=":material/photo_library:", section="Papers", order=1)


@dataclass(frozen=True)
class GalleryChoice:
    """The paper, by the name of its model."""

    paper: str


def choose(run: Run | None) -> GalleryChoice:
    """Choose one of the papers."""
    del run  # every tile takes the run that suits it
    papers = papers_by_title(registry.names("papers"))
    return GalleryChoice(papers[links.switch("Paper", list(papers), "paper")])
