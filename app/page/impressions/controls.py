"""Choose which impressions are listed, in which order, and which one is open."""

from dataclasses import dataclass

import numpy as np
import streamlit as st

from app import choices, links, missing, work
from app.navigation import PageInfo
from app.page.impressions.tables import SORTS, sort_impressions
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

PAGE = PageInfo(
    title="Impressions",
    icon=":material/manage_search:",
    section="Rows",
    order=1,
    questions=("impressions", "attention_instance", "scenario_switch", "behaviour_attention"),
)
LABELS = ("All", "Clicked", "Not clicked")
ANY = "any"


@dataclass(frozen=True)
class ImpressionsChoice:
    """The impressions that fit, in order, and the row of the open one."""

    run: Run
    finding: Finding
    scenario: str
    row: int | None
    rows: tuple[int, ...]
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> ImpressionsChoice | None:
    """Choose which impressions are listed, in which order, and which one is open."""
    if not run:
        missing.explain_no_runs()
        return None
    finding = work.answer("impressions", run, None, "predictions of a sample of impressions")
    if finding is None:
        return None
    data = finding.data
    keep = np.ones(data.sizes["impression"], bool)
    names = data["scenario"].values.astype(str)
    score, label = data["prediction"].values, data["label"].values
    first, second, third, fourth = st.columns(4, vertical_alignment="bottom")
    with first:
        scenario = links.choose("Scenario", [ALL, *sorted(set(names))], "scenario")
        keep &= (names == scenario) | (scenario == ALL)
    with second:
        clicked = links.choose("Clicked or not", LABELS, "label")
        keep &= {"All": True, "Clicked": label > 0.5, "Not clicked": label < 0.5}[clicked]
    with third:
        title = links.choose("Field", [ANY, *data["field"].values.astype(str)], "having")
    with fourth:
        keep &= _choose_value(run, finding, title)
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    with left:
        low, high = st.slider(
            "Predicted click probability, %", 0, 100, (0, 100), key="between", bind="query-params"
        )
        keep &= (score >= low / 100) & (score <= high / 100)
    with middle:
        order = sort_impressions(finding, links.choose("Sort by", SORTS, "sort"))
    with right:
        row = links.choose_number(
            "Open impression", "row", help="Its row number in the log; or choose one in the list"
        )
    rows = order[keep[order]]
    return ImpressionsChoice(
        run=run,
        finding=finding,
        scenario=scenario,
        row=row,
        rows=tuple(rows.tolist()),
        **choices.run_setting(run),
    )


def _choose_value(run: Run, finding: Finding, title: str) -> "np.ndarray | bool":
    """Choose one of a field's values that the sample holds; return which impressions have it."""
    if title == ANY:
        links.choose("Value", [ANY], "value")
        return True
    field = run.schema.field(title)
    ids = finding.data["value"].sel(field=title).values
    values, count = np.unique(ids, return_counts=True)
    values = values[np.argsort(-count, kind="stable")]
    names = [field.value_name(int(number)) for number in values]
    value = links.choose("Value", [ANY, *names], "value")
    return True if value == ANY else ids == values[names.index(value)]
