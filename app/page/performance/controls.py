"""Choose the view: one run scenario by scenario, several runs side by side, or what they cost."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from app import choices, links, missing, shelf
from app.comparable import same_data
from app.navigation import PageInfo
from msviz.figures.theme import ALL
from msviz.run import Run

PAGE = PageInfo(
    title="Performance",
    icon=":material/trending_up:",
    section="Models",
    order=2,
    questions=("performance", "runs_compared", "model_cost"),
)
METRICS = {"AUC": "auc", "Logloss": "logloss", "AUC by user": "gauc", "Bias": "bias"}
VIEWS = ("One run", "Runs", "Cost")
PICTURES = {"Table": "table", "List": "list", "Curve": "curve", "Grid": "grid", "With and without": "pairs"}
MOST_NAMED = 200  # runs that a command line names one by one; beyond, the whole shelf is read
SCOPES = {"Scenarios": "scenario", "Promotions": "period"}
TESTS = ("Not tested", "Tested on the same rows")
COSTS = {
    "Predicting": "predicting",
    "Test set": "test set",
    "Training": "training",
    "Training time": "training time",
    "With and without": "with and without",
    "Memory": "memory",
    "Parameters": "parameters",
    "Growth with scenarios": "growth",
}


@dataclass(frozen=True)
class PerformanceChoice:
    """A run, those beside it, and what is shown of them."""

    run: Run
    view: str
    order: tuple[str, ...]
    simulated: bool
    metric: str = "auc"
    other: Run | None = None
    beside: tuple[str, ...] = ()
    picture: str = "table"
    scenario: str = ALL
    paired: bool = False
    by: str = "scenario"
    periods: str = ""


def choose(run: Run | None) -> PerformanceChoice | None:
    """Choose the view, and what it shows."""
    if not run:
        missing.explain_no_runs()
        return None
    view = links.switch("View", VIEWS, "performance_view")
    setting = choices.run_setting(run)
    if view == "Cost":
        picture = COSTS[links.switch("Show", list(COSTS), "cost")]
        return PerformanceChoice(run, view, **setting, beside=compared_paths(run), picture=picture)
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        metric = METRICS[links.switch("Metric", list(METRICS), "metric")]
    if view == "One run":
        with right:
            return PerformanceChoice(
                run, view, **setting, metric=metric, other=choices.choose_second_run(run, "none")
            )
    with right:
        picture = PICTURES[links.switch("Show", list(PICTURES), "runs_show")]
    names = [other.name for other in same_data(run, shelf.runs())]
    picked = links.choose_several(
        "Runs", names, "runs", default=[], most=None, help="All on the shelf where none is chosen"
    )
    left, middle, right = st.columns([3, 2, 2], vertical_alignment="bottom")
    with left:
        paired = links.switch(
            "Differences", TESTS, "tested", help="Scores every run on the same rows; it takes a while"
        )
    with middle:
        by = SCOPES[links.choose("Measured in", list(SCOPES), "measured")]
    scenario = ALL
    if picture not in ("table", "pairs") and by == "scenario":
        with right:
            names = [ALL, *run.schema.scenario_names[1:]]
            scenario = links.choose("Scenario", names, "scenario")
    return PerformanceChoice(
        run,
        view,
        **setting,
        metric=metric,
        beside=compared_paths(run, picked),
        picture=picture,
        scenario=scenario,
        paired=paired == TESTS[1],
        by=by,
        periods=choices.choose_promotions() if by == "period" else "",
    )


def compared_paths(run: Run, picked: Sequence[str] = ()) -> tuple[str, ...]:
    """Return the paths of the runs picked, or of all on the shelf that were trained on the same data."""
    runs = same_data(run, shelf.runs())
    if not picked and len(runs) > MOST_NAMED:
        return (str(shelf.models().resolve()),)
    names = {*picked, run.name}
    return tuple(sorted(str(other.path.resolve()) for other in runs if not picked or other.name in names))
