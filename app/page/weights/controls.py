"""Choose the view of field weights: scenario, head, the two compared, and the fields of the flow."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import choices, links, missing, shelf, work
from app.comparable import glanceable_fields, scenarios_by_size
from app.markdown import escape_markdown
from app.navigation import PageInfo
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run
from msviz.schema import Field

PAGE = PageInfo(
    title="Feature weights",
    icon=":material/balance:",
    section="Inside a model",
    order=2,
    questions=("feature_weights", "field_permutation", "sankey", "sub_scenarios"),
)
HEADS, SCENARIOS, DIFFERENCE = "Heads and fields", "Scenarios and fields", "Difference"
LOSS, FLOW = "Permutation importance", "Flow of rows"
GROUPS = "Subgroups"
METRICS = {"Logloss": "logloss", "AUC": "AUC"}
WIDTHS = {"Rows": "rows", "Clicks": "clicks", "Click rate": "click rate"}
FLOWS = ("One scenario", "The largest side by side")


@dataclass(frozen=True)
class FeatureWeightsChoice:
    """What is looked at; only what the view asks for is set."""

    run: Run
    view: str
    order: tuple[str, ...]
    simulated: bool
    finding: Finding | None = None
    scenario: str = ALL
    against: str = ""
    head: str = ""
    metric: str = "logloss"
    width: str = "rows"
    together: bool = False


def choose(run: Run | None) -> FeatureWeightsChoice | None:
    """Choose the view, and what it is of."""
    if not run:
        missing.explain_no_runs()
        return None
    why = shelf.why_not("feature_weights", str(run.path), run.card.digest)
    views = [LOSS, FLOW, GROUPS] if why else [HEADS, SCENARIOS, DIFFERENCE, LOSS, FLOW, GROUPS]
    if why:
        st.caption(
            f"This model shows no weights of fields ({escape_markdown(why)}); permutation importance, "
            "what it costs to lose a field, can be asked of every model."
        )
    shown = links.switch("View", views, "weights")
    if shown in (FLOW, GROUPS):
        details = _choose_of_log(run, shown)
    else:
        details = _choose_loss(run) if shown == LOSS else _choose_weights(run, shown)
    if details is None:
        return None
    return FeatureWeightsChoice(run=run, view=shown, **details, **choices.run_setting(run))


def _choose_weights(run: Run, shown: str) -> dict[str, Any] | None:
    finding = work.answer("feature_weights", run, None, "field weights in every scenario")
    if finding is None:
        return None
    details: dict[str, Any] = {"finding": finding}
    columns = iter(st.columns(3, vertical_alignment="bottom"))
    heads = [str(name) for name in finding.data["head"].values]
    if shown != SCENARIOS:
        with next(columns):
            names = scenarios_by_size(finding)
            single = shown == DIFFERENCE and names
            default = names[min(1, len(names) - 1)] if single else None
            options = names if single else [str(name) for name in finding.data["scenario"].values]
            details["scenario"] = links.choose("Scenario", options, "scenario", default=default)
    if shown == DIFFERENCE:
        with next(columns):
            rest = [name for name in names if name != details["scenario"]]
            details["against"] = links.choose("Compared with", rest or [ALL], "weights-against")
    if shown != HEADS and len(heads) > 1:
        with next(columns):
            details["head"] = links.choose("Head", heads, "weights-head")
    return details


def _choose_loss(run: Run) -> dict[str, Any] | None:
    finding = work.answer("field_permutation", run, None, "what it costs to lose each field")
    if finding is None:
        return None
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        together = links.switch("Show", ("One scenario", "All"), "weights-show") == "All"
    scenario = ALL
    if not together:
        with middle:
            scenario = choices.choose_scenario(finding)
    with right:
        metric = METRICS[links.switch("Measure", list(METRICS), "weights-measure")]
    return {"finding": finding, "metric": metric, "together": together, "scenario": scenario}


def _choose_of_log(run: Run, shown: str) -> dict[str, Any] | None:
    """Choose two fields of the log, and what the flow or the groups by them are of."""
    try:
        dataset, log = shelf.data_of(run), shelf.log_of(run)
    except MsvizError as error:
        st.info(escape_markdown(str(error)), icon=":material/folder_off:")
        return None
    features = [field for field in dataset.schema.features if field.role != "scenario"]
    if len(features) < (3 if shown == GROUPS else 2):
        st.info("This log has too few fields besides the scenario.", icon=":material/inbox:")
        return None
    columns = st.columns(3, vertical_alignment="bottom")
    with columns[0]:
        first = _choose_field("First field", features, "first", [])
    with columns[1]:
        second = _choose_field("Second field", features, "second", [first])
    if shown == FLOW:
        with columns[2]:
            width = WIDTHS[links.switch("Width", list(WIDTHS), "weights-width")]
        finding = work.answer("sankey", *log, "the flow of rows", fields=f"{first},{second}")
        return None if finding is None else {"finding": finding, "width": width, **_choose_flow(finding)}
    with columns[2]:
        third = _choose_field("Answering to", features, "third", [first, second])
    finding = work.answer("sub_scenarios", *log, "groups inside", fields=f"{first},{second}", on=third)
    if finding is None:
        return None
    return {"finding": finding, "scenario": choices.choose_scenario(finding)}


def _choose_field(label: str, features: list[Field], key: str, taken: list[str]) -> str:
    """Choose a feature; by default one of a few values, which can be taken in at a glance."""
    titles = [field.label for field in features if field.label not in taken]
    small = [field.label for field in glanceable_fields(features, 0, 18) if field.label in titles]
    return links.choose(label, titles, key, default=(small or titles)[0])


def _choose_flow(finding: Finding) -> dict[str, Any]:
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        together = links.switch("Show", FLOWS, "weights-flow") == FLOWS[1]
    if together:
        return {"together": True}
    with right:
        return {"scenario": choices.choose_scenario(finding)}
