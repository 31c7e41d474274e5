"""Choose which runs of the shelf are listed, and in which order."""

from collections.abc import Iterable
from dataclasses import dataclass

import streamlit as st

from app import links, shelf
from app.navigation import PageInfo
from msviz.run import Run
from msviz.shelving.listing import ShelfEntry, ShelfListing
from msviz.shelving.search import chosen as search

PAGE = PageInfo(title="Shelf", icon=":material/shelves:", section="Models", order=3)
SORTS = {
    "Newest": "newest",
    "Oldest": "oldest",
    "Best AUC": "auc",
    "Best logloss": "logloss",
    "Name": "name",
    "Model": "model",
    "Fewest parameters": "parameters",
    "Pinned first": "kept",
}
FIND, MODEL, DATA, TAG = "find", "shelf_model", "shelf_data", "shelf_tag"
HELP = (
    "All of these words must be found in a run's name, model, data, tags, description or settings. "
    "experts=3 finds the runs trained with just that."
)


@dataclass(frozen=True)
class ShelfChoice:
    """The whole shelf, and the runs of it that are listed."""

    seen: ShelfListing
    listed: tuple[ShelfEntry, ...]


def choose(run: Run | None) -> ShelfChoice:
    """Choose words to search for, what is filtered, and the order."""
    del run  # all of them are listed
    seen = shelf.look()
    if not seen.entries:
        return ShelfChoice(seen, ())
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        text = st.text_input(
            "Search", key=FIND, bind="query-params", placeholder="words, a tag, experts=3", help=HELP
        )
    with right:
        order = SORTS[links.choose("Sort by", list(SORTS), "shelf_sort")]
    columns = iter(st.columns(3, vertical_alignment="bottom"))
    picked = {}
    for title, key, values in (
        ("Model", MODEL, (entry.card.model for entry in seen.entries)),
        ("Data", DATA, (entry.card.data.name for entry in seen.entries)),
        ("Tag", TAG, (tag for entry in seen.entries for tag in entry.notes.tags)),
    ):
        with next(columns):
            picked[key] = _choose_several(title, key, values)
    listed = search(
        seen.entries, text=text, models=picked[MODEL], data=picked[DATA], tags=picked[TAG], order=order
    )
    return ShelfChoice(seen, tuple(listed))


def _choose_several(title: str, key: str, values: Iterable[str]) -> list[str]:
    options = sorted(set(values))
    return links.choose_several(
        title, options, key, default=[], most=None, help=f"All where no {title} is chosen"
    )


def clear_filters() -> None:
    """List all runs again; for a button's on_click."""
    st.session_state[FIND] = ""
    for key in (MODEL, DATA, TAG):
        st.session_state[key] = []
