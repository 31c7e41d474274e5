"""The papers as their authors write them, in the order in which pages list them."""

from collections.abc import Iterable

PAPER_TITLES = {
    "satrans": "SATrans",
    "optmsm": "OptMSM",
    "sainet": "SAINet",
    "hierrec": "HierRec",
    "same": "SAME",
}


def papers_by_title(papers: Iterable[str]) -> dict[str, str]:
    """Return the papers by their titles, those that are known here first; a title is else the name itself."""
    listed = set(papers)
    return {PAPER_TITLES.get(name, name): name for name in (*PAPER_TITLES, *sorted(listed)) if name in listed}
