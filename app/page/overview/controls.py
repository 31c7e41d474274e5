"""Choose the dataset whose rows and click rates are shown."""

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from app import links, shelf
from app.navigation import PageInfo
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run

PAGE = PageInfo(
    title="Overview",
    icon=":material/dashboard:",
    section="Models",
    order=1,
    questions=("data_overview",),
)


@dataclass(frozen=True)
class OverviewChoice:
    """The dataset, None where there is none."""

    dataset: Dataset | None = None


def choose(run: Run | None) -> OverviewChoice:
    """Choose the dataset, by default the one that the run was trained on."""
    datasets = {dataset.name: dataset for dataset in shelf.datasets()}
    if run:
        with suppress(MsvizError):
            own = shelf.data_of(run).logged  # the page is about the log, whatever a run sees in it
            datasets = {own.name: own, **datasets}
    if not datasets:
        return OverviewChoice()
    with st.sidebar:
        name = links.choose("Data", list(datasets), "data", help="An encoded log; by default the run's own")
    return OverviewChoice(datasets[name])
