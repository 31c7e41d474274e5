"""What several pages let a reader choose: scenario, layer and head, a second run, days of promotions."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any, TypedDict

import streamlit as st

from app import links, shelf
from app.comparable import same_scenarios
from app.markdown import escape_markdown
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run

PERIODS = "2025-11-01..2025-11-11 Singles' Day; 2025-12-24..2025-12-26 Christmas"
HEADS = ("One head", "All layers and heads")


class RunSetting(TypedDict):
    """What every picture of a run is drawn with."""

    order: tuple[str, ...]
    simulated: bool


def run_setting(run: Run) -> RunSetting:
    """Return the order of scenario colours, and whether the run's data is simulated."""
    simulated = False
    with suppress(MsvizError):
        simulated = shelf.is_simulated(shelf.data_of(run))
    return {"order": tuple(run.schema.scenario_names), "simulated": simulated}


def choose_promotions() -> str:
    """Ask for the days of promotions; a planted world knows its own, on a real log only its owner does."""
    with st.popover("Promotions", icon=":material/event:", width="stretch"):
        return st.text_input(
            "Days of promotions", key="promotions", bind="query-params", placeholder=PERIODS,
            help="first..last name; first..last name. A planted world knows its own, others can be tried.",
        )  # fmt: skip


def choose_layer_and_head(finding: Finding, columns: Iterator[Any]) -> dict[str, Any]:
    """Choose a layer and a head in the next two columns."""
    chosen: dict[str, Any] = {}
    for title in ("Layer", "Head"):
        with next(columns):
            names = [str(name) for name in finding.data[title.lower()].values]
            chosen[title.lower()] = links.choose(title, names, title.lower())
    return chosen


def choose_scenario(finding: Finding, *, default: str | None = None) -> str:
    """Choose one of the scenarios on a finding's axis; all pages share the choice."""
    names = [str(name) for name in finding.data["scenario"].values]
    return links.choose("Scenario", names, "scenario", default=default)


def choose_second_run(run: Run, none: str | None, analysis: str = "") -> Run | None:
    """Choose a second run; `none` is the word for no run, where one need not be chosen.

    With `analysis`, those that can answer it come first. One with other scenarios says so: its views, and a
    slice that speaks of the scenario, go by its own.
    """
    others = [other for other in shelf.runs() if other.path != run.path]
    if analysis:
        able = {other.path for other in shelf.able_runs(analysis, others)}
        others.sort(key=lambda other: other.path not in able)
    runs = {other.name: other for other in others}
    options = [*([none] if none else []), *runs]
    if not options:
        st.selectbox("Second run", ["no other run on the shelf"], disabled=True)
        return None
    second = runs.get(links.choose("Second run", options, "other"))
    if second is not None and not same_scenarios(run, second):
        names = ", ".join(field.label for field in second.schema.scenario_fields)
        st.caption(f"Its scenarios are others: by {escape_markdown(names)}")
    return second
