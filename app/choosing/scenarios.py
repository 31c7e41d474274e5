"""Choose the scenarios that are put side by side."""

from contextlib import suppress
from dataclasses import dataclass

import streamlit as st

from app import links, shelf, work
from app.choosing import _common
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Scenarios", ":material/compare:", "Models", 3
MOST = 6
ALL_NUMBERS = "Everything"


@dataclass(frozen=True)
class Chosen:
    """The answer about the chosen scenarios, and which part of it is drawn."""

    run: Run
    finding: Finding
    group: str | None
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> Chosen | None:
    """Choose two to six scenarios, by default the four largest."""
    if not run:
        _common.nothing()
        return None
    names = _by_rows(run)
    if names is None:
        return None
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        scenarios = links.several(
            "Scenarios", names, "scenarios", default=names[:4], most=MOST, help="Two to six, side by side"
        )
    if len(scenarios) < 2:
        st.info("Choose a second scenario to compare with.", icon=":material/compare:")
        return None
    asked = {} if scenarios == names[:4] else {"scenarios": " | ".join(scenarios)}
    finding = work.answer("scenario_comparison", run, None, "everything about these scenarios", **asked)
    if finding is None:
        return None
    with right:
        groups = list(dict.fromkeys(str(name) for name in finding.data["group"].values))
        group = links.choose("Show", [ALL_NUMBERS, *groups], "compare")
    return Chosen(run, finding, None if group == ALL_NUMBERS else group, **_common.setting(run))


def _by_rows(run: Run) -> list[str] | None:
    """Return the scenarios with rows in the test split, the largest first; None while they are counted."""
    try:
        log = shelf.log_of(run)
    except MsvizError as error:
        st.info(str(error), icon=":material/folder_off:")
        return None
    finding = work.answer("data_overview", *log, "rows of every scenario", split="test")
    if finding is None:
        return None
    found = _common.by_size(finding)
    with suppress(ValueError):
        found.remove("unseen combination")
    return found
