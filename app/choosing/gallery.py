"""Choose the paper whose figures are shown."""

from dataclasses import dataclass

from app import links
from msviz import registry
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Gallery", ":material/photo_library:", "Papers", 1
NAMES = {"satrans": "SATrans", "optmsm": "OptMSM", "sainet": "SAINet", "hierrec": "HierRec", "same": "SAME"}


@dataclass(frozen=True)
class Chosen:
    """The paper, by the name of its model."""

    paper: str


def choose(run: Run | None) -> Chosen:
    """Choose one of the papers."""
    del run  # every tile takes the run that suits it
    known = registry.names("papers.published")
    titles = {NAMES.get(name, name): name for name in (*NAMES, *known) if name in known}
    return Chosen(titles[links.switch("Paper", list(titles), "paper")])
