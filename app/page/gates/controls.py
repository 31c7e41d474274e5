"""Choose how weights over time are drawn, whose, and between which days."""

from dataclasses import dataclass
from datetime import date
from typing import Any

import streamlit as st

from app import choices, links, missing, shelf, work
from app.markdown import escape_markdown
from app.navigation import PageInfo
from msviz.figures.pictures.gates_over_time import ALL_EXPERTS
from msviz.finding import Finding
from msviz.run import Run
from msviz.schema import Schema

PAGE = PageInfo(
    title="Gates over time",
    icon=":material/timeline:",
    section="Inside a model",
    order=5,
    questions=("gates_over_time", "rates_over_time", "rate_distribution"),
)
RATES = "Rates"
PICTURES = {"Heatmap": "histogram", "Bands": "bands", "Ridges": "ridgelines", "Signals": "signals"}
VIEWS = (*PICTURES, RATES)
SHOWN = {"By day": ("days", "rate"), "By period": ("periods", "rate"), "AUC by period": ("periods", "auc")}
USERS = "By user"
ALL_ROWS = "All rows"


@dataclass(frozen=True)
class GatesChoice:
    """An answer about gates or rates, and what of it is drawn."""

    run: Run
    finding: Finding
    view: str
    picture: dict[str, Any]
    part: str
    days: tuple[str, str] | None
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> GatesChoice | None:
    """Choose the view, then whose weights or rates, and between which days."""
    if not run:
        missing.explain_no_runs()
        return None
    taps = _gate_taps(run)
    if not taps:
        _explain_no_gate(run)
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    with left:
        shown = links.switch("View", VIEWS, "gates") if taps else RATES
    with right:
        periods = choices.choose_promotions()
    options: dict[str, Any] = {"periods": periods} if periods else {}
    if shown == RATES:
        return _choose_rates(run, options)
    return _choose_gates(run, shown, taps, options)


def _choose_gates(run: Run, shown: str, taps: tuple[str, ...], options: dict[str, Any]) -> GatesChoice | None:
    columns = iter(st.columns(4 if len(taps) > 1 else 3, vertical_alignment="bottom"))
    groupings = _groupings(run.schema)
    with next(columns):
        title = links.choose("Grouped by", list(groupings), "gateby")
    if groupings[title] != "scenario":
        options = {**options, "by": groupings[title]}
    if len(taps) > 1:
        with next(columns):
            tap = links.choose("Weights", taps, "gatetap", help="The model weighs experts in several places")
        options = {**options, "tap": tap} if tap != taps[0] else options
    finding = work.answer("gates_over_time", run, None, "weights over time", **options)
    if finding is None:
        return None
    names = [str(name) for name in finding.data["group"].values]
    part = names[0]
    with next(columns):
        if groupings[title] == "scenario":
            part = links.choose("Scenario", names, "scenario")
        elif len(names) > 1:
            part = links.choose(title, names, f"gates-{groupings[title]}")
    picture: dict[str, Any] = {"view": PICTURES[shown], "group": part}
    with next(columns):
        experts = [ALL_EXPERTS, *(str(name) for name in finding.data["expert"].values)]
        picture["expert"] = links.choose("Expert", experts, "expert")
    days = _choose_days(finding) if shown != "Signals" else None
    return GatesChoice(run, finding, shown, picture, part, days, **choices.run_setting(run))


def _choose_rates(run: Run, options: dict[str, Any]) -> GatesChoice | None:
    finding = work.answer("rates_over_time", run, None, "click rates over time", **options)
    if finding is None:
        return None
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    has_periods = finding.data.sizes["period"] > 1
    with left:
        users = [USERS] if has_periods and run.schema.role("user") else []
        shown = links.switch("Show", [*SHOWN, *users] if has_periods else ["By day"], "rates")
    if shown == USERS:
        return _choose_users(run, options)
    kind, metric = SHOWN[shown]
    with right:
        names = [str(name) for name in finding.data["scenario"].values]
        # The page opens with several scenarios; one that other pages speak of is taken over.
        part = links.choose("Scenario", [names[0], *names[1:]], "scenario")
    setting = choices.run_setting(run)
    scenario = None if part == names[0] else part
    picture = {"view": kind, "metric": metric, "scenario": scenario, "order": setting["order"]}
    days = _choose_days(finding) if kind == "days" else None
    return GatesChoice(run, finding, RATES, picture, part, days, **setting)


def _choose_users(run: Run, options: dict[str, Any]) -> GatesChoice | None:
    finding = work.answer("rate_distribution", run, None, "users' click rates", **options)
    if finding is None:
        return None
    setting = choices.run_setting(run)
    return GatesChoice(run, finding, RATES, {"order": setting["order"]}, "", None, **setting)


def _choose_days(finding: Finding) -> tuple[str, str] | None:
    """Choose a stretch of days; None while all are chosen, or there are too few to choose."""
    days = [str(day) for day in finding.data["day"].values]
    if len(days) < 3:
        return None
    first, last = date.fromisoformat(days[0]), date.fromisoformat(days[-1])
    chosen = st.slider("Days", first, last, (first, last), format="DD MMM", key=f"days-{days[0]}-{days[-1]}")
    return None if chosen == (first, last) else (str(chosen[0]), str(chosen[1]))


def _groupings(schema: Schema) -> dict[str, str]:
    """Return what weights can be kept apart by: titles and what the question calls them."""
    fields = {field.label: field.name for field in schema.features if field.role != "scenario"}
    first = {"Scenario": "scenario", ALL_ROWS: "none"}
    if not {"hour", "Hour"} & {*fields, *fields.values()}:
        first["Hour"] = "hour"
    return first | fields


def _gate_taps(run: Run) -> tuple[str, ...]:
    """Return where a model weighs experts against each other."""
    from msviz.analyses.questions.gates_over_time import TAPS

    return tuple(name for name, axes in shelf.taps(run).items() if axes in TAPS)


def _explain_no_gate(run: Run) -> None:
    """Say what the other views need, and offer the runs that have it."""
    others = [other.name for other in shelf.able_runs("gates_over_time")]
    what = (
        f"{escape_markdown(run.card.model)} mixes no experts by weights that can move: the other views need "
        "a gate over two experts or more (SAME, or OptMSM with transfer moe or cgc). Click rates are shown "
        "below."
    )
    missing.offer_runs("This model has no gate over experts", what, others, "gates")
