"""Choose the scenarios that are put side by side."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import choices, links, missing, shelf, work
from app.comparable import scenarios_by_size
from app.navigation import PageInfo
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run

PAGE = PageInfo(
    title="Scenarios",
    icon=":material/compare:",
    section="Models",
    order=3,
    questions=("scenario_comparison", "data_overview"),
)
MOST = 6
ALL_NUMBERS = "Everything"


@dataclass(frozen=True)
class ScenariosChoice:
    """The answer about the chosen scenarios, and which part of it is drawn."""

    run: Run
    finding: Finding
    group: str | None
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> ScenariosChoice | None:
    """Choose two to six scenarios, by default the four largest."""
    if not run:
        missing.explain_no_runs()
        return None
    names = _list_scenarios(run)
    if names is None:
        return None
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        scenarios = links.choose_several(
            "Scenarios", names, "scenarios", default=names[:4], most=MOST, help="Two to six, side by side"
        )
    if len(scenarios) < 2:
        st.info("Choose a second scenario to compare with.", icon=":material/compare:")
        return None
    options: dict[str, Any] = {} if scenarios == names[:4] else {"scenarios": " | ".join(scenarios)}
    finding = work.answer("scenario_comparison", run, None, "everything about these scenarios", **options)
    if finding is None:
        return None
    with right:
        groups = list(dict.fromkeys(str(name) for name in finding.data["group"].values))
        group = links.choose("Show", [ALL_NUMBERS, *groups], "compare")
    return ScenariosChoice(run, finding, None if group == ALL_NUMBERS else group, **choices.run_setting(run))


def _list_scenarios(run: Run) -> list[str] | None:
    """Return the scenarios with rows in the test split, the largest first; None while they are counted."""
    try:
        log = shelf.log_of(run)
    except MsvizError as error:
        st.info(str(error), icon=":material/folder_off:")
        return None
    finding = work.answer("data_overview", *log, "rows of every scenario", split="test")
    if finding is None:
        return None
    scenarios = scenarios_by_size(finding)
    with suppress(ValueError):
        scenarios.remove("unseen combination")
    return scenarios
