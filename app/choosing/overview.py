"""Choose the dataset whose rows and click rates are shown."""

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from app import links, shelf
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Overview", ":material/dashboard:", "Models", 1


@dataclass(frozen=True)
class Chosen:
    """The dataset, None where there is none."""

    dataset: Dataset | None = None


def choose(run: Run | None) -> Chosen:
    """Choose the dataset, by default the one that the run was trained on."""
    found = {dataset.name: dataset for dataset in shelf.datasets()}
    if run:
        with suppress(MsvizError):
            own = shelf.data_of(run).logged  # the page is about the log, whatever a run sees in it
            found = {own.name: own, **found}
    if not found:
        return Chosen()
    with st.sidebar:
        name = links.choose("Data", list(found), "data", help="An encoded log; by default the run's own")
    return Chosen(found[name])
