"""What several pages let a reader choose, and what they say when a run has nothing to show."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import streamlit as st

from app import links, shelf, view
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

NO_RUN = (
    "A run is a folder that training wrote. Train one here, or copy one from another machine, into "
    "the models folder; it appears at once."
)
TRAIN = "msviz data plant --out data/demo\nmsviz train satrans --data data/demo --out models/my-satrans"
PERIODS = "2025-11-01..2025-11-11 Singles' Day; 2025-12-24..2025-12-26 Christmas"
HEADS = ("One head", "All layers and heads")
OFFERED = 6  # runs that an empty state offers as buttons


def nothing() -> None:
    """Say that the shelf is empty, and what to do."""
    view.empty("No runs on the shelf", NO_RUN, command=TRAIN)


def able(run: Run, analysis: str, title: str) -> bool:
    """Tell whether a run can answer a question; where not, say why and offer the runs that can."""
    why = shelf.why_not(analysis, str(run.path), run.card.digest)
    if not why:
        return True
    others = [other.name for other in shelf.able(analysis)]
    next_step = (
        "These runs do:" if others else "No run on the shelf does; train one of a model that shows it."
    )
    with view.notice(title, f"{plain(why[:1].upper() + why[1:])}. {next_step}", icon="visibility_off"):
        if others:
            with st.container(horizontal=True, gap="small"):
                for name in others[:OFFERED]:
                    st.button(plain(name), key=f"open-{analysis}-{name}", on_click=_open, args=(name,))
    return False


def _open(name: str) -> None:
    st.session_state["run"] = name


def promotions() -> str:
    """Ask for the days of promotions; a planted world knows its own, on a real log only its owner does."""
    with st.popover("Promotions", icon=":material/event:", width="stretch"):
        return st.text_input(
            "Days of promotions", key="promotions", bind="query-params", placeholder=PERIODS,
            help="first..last name; first..last name. A planted world knows its own, others can be tried.",
        )  # fmt: skip


def layer_and_head(finding: Finding, columns: Iterator[Any]) -> dict[str, str]:
    """Choose a layer and a head in the next two columns."""
    chosen = {}
    for title in ("Layer", "Head"):
        with next(columns):
            names = [str(name) for name in finding.data[title.lower()].values]
            chosen[title.lower()] = links.choose(title, names, title.lower())
    return chosen


def scenario(finding: Finding, *, default: str | None = None) -> str:
    """Choose one of the scenarios on a finding's axis; all pages share the choice."""
    names = [str(name) for name in finding.data["scenario"].values]
    return links.choose("Scenario", names, "scenario", default=default)


def by_size(finding: Finding) -> list[str]:
    """Return the single scenarios of a finding, the largest first."""
    data = finding.data
    order = np.argsort(-data["rows"].values, kind="stable")
    return [str(name) for name in data["scenario"].values[order] if name != ALL]


def other_run(run: Run, nobody: str | None, analysis: str = "") -> Run | None:
    """Choose a second run; `nobody` is the word for none, where one need not be chosen.

    With `analysis`, those that can answer it come first. One with other scenarios says so: its views, and a
    slice that speaks of the scenario, go by its own.
    """
    others = [other for other in shelf.runs() if other.path != run.path]
    if analysis:
        first = {other.path for other in shelf.able(analysis, others)}
        others.sort(key=lambda other: other.path not in first)
    runs = {other.name: other for other in others}
    options = [*([nobody] if nobody else []), *runs]
    if not options:
        st.selectbox("Second run", ["no other run on the shelf"], disabled=True)
        return None
    found = runs.get(links.choose("Second run", options, "other"))
    if found is not None and not same_scenarios(run, found):
        names = ", ".join(field.label for field in found.schema.scenario_fields)
        st.caption(f"Its scenarios are others: by {plain(names)}")
    return found


def same_scenarios(run: Run, other: Run) -> bool:
    """Tell whether the same columns are the scenario to two runs."""
    return run.card.scenario_fields == other.card.scenario_fields


def setting(run: Run) -> dict[str, Any]:
    """Return the order of scenario colours, and whether the run's data is simulated."""
    simulated = False
    with suppress(MsvizError):
        simulated = shelf.simulated(shelf.data_of(run))
    return {"order": tuple(run.schema.scenario_names), "simulated": simulated}
