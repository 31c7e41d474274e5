"""What a reader chooses, page by page: one file a page, which also tells its title and its place.

The widgets live in the entry script, so that links keep them from page to page.
"""

import importlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import streamlit as st

from app import links
from app import shelf as ours  # `shelf` is the name of a page in this folder
from app.words import plain
from msviz.errors import MsvizError
from msviz.run import Run

SECTIONS = ("Models", "Inside a model", "Rows", "Decisions", "Papers")


@dataclass(frozen=True)
class Page:
    """A page as the navigation shows it, and the function that makes its controls."""

    stem: str
    title: str
    icon: str
    section: str
    order: int
    choose: Callable[[Run | None], Any]


@cache
def pages() -> list[Page]:
    """Return the pages in the order of the navigation; the folder is the registry."""
    found = []
    for file in sorted(Path(__file__).parent.glob("[!_]*.py")):
        module = importlib.import_module(f"app.choosing.{file.stem}")
        found.append(Page(file.stem, module.TITLE, module.ICON, module.SECTION, module.ORDER, module.choose))
    return sorted(found, key=lambda page: (SECTIONS.index(page.section), page.order))


def chosen() -> Any:
    """Return what the entry script chose for the page that runs now; None where there is nothing."""
    return st.session_state["_chosen"]


def run(runs: list[Run], here: str = "") -> Run | None:
    """Choose the run that all pages speak of; `here` is the page that is shown."""
    with st.sidebar:
        if not runs:
            st.caption("No runs on the shelf yet.")
            return None
        names = [run.name for run in runs]
        name = links.choose("Run", names, "run", help="A trained model on the shelf")
        found = runs[names.index(name)]
        auc = found.card.headline.get("auc")
        score = f", test AUC {auc:.3f}" if auc is not None else ""
        st.caption(f"{plain(found.card.model)} trained on {plain(found.card.data.name)}{score}")
        with suppress(MsvizError):
            if ours.simulated(ours.data_of(found)):
                st.badge("simulated data", color="orange", icon=":material/science:")
        _retrain(found, here)
        return found


def _retrain(run: Run, here: str) -> None:
    """Link to the form that changes a setting of this run and trains it again; run and slice go along."""
    label, icon = "Retrain this run with …", ":material/model_training:"
    if here == "train":  # a link to the page that is shown leads nowhere
        st.button(label, icon=icon, type="tertiary", key="retrain", on_click=_afresh, args=(run.name,))
    else:
        st.page_link(
            "pages_look/train.py", label=label, icon=icon, query_params={"from": run.name, "afresh": "yes"}
        )


def _afresh(name: str) -> None:
    st.session_state.update({"from": name, "set": "", "grid": "", "train_view": "One training"})
