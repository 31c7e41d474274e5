"""Choose the view of field weights: scenario, head, the two compared, and the fields of the flow."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import links, shelf, work
from app.choosing import _common
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run
from msviz.schema import Field

TITLE, ICON, SECTION, ORDER = "Feature weights", ":material/balance:", "Inside a model", 2
HEADS, SCENARIOS, DIFFERENCE = "Heads and fields", "Scenarios and fields", "Difference"
LOSS, FLOW = "What it costs to lose a field", "Flow of rows"
GROUPS = "Groups inside"
METRICS = {"Logloss": "logloss", "AUC": "AUC"}
WIDTHS = {"Rows": "rows", "Clicks": "clicks", "Click rate": "click rate"}
FLOWS = ("One scenario", "The largest side by side")


@dataclass(frozen=True)
class Chosen:
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


def choose(run: Run | None) -> Chosen | None:
    """Choose the view, and what it is of."""
    if not run:
        _common.nothing()
        return None
    why = shelf.why_not("feature_weights", str(run.path), run.card.digest)
    views = [LOSS, FLOW, GROUPS] if why else [HEADS, SCENARIOS, DIFFERENCE, LOSS, FLOW, GROUPS]
    if why:
        st.caption(
            f"This model shows no weights of fields ({plain(why)}); what it costs to lose a field can be "
            "asked of every model."
        )
    shown = links.switch("View", views, "weights")
    if shown in (FLOW, GROUPS):
        more = _of_log(run, shown)
    else:
        more = _loss(run) if shown == LOSS else _weights(run, shown)
    if more is None:
        return None
    return Chosen(run=run, view=shown, **more, **_common.setting(run))


def _weights(run: Run, shown: str) -> dict[str, Any] | None:
    finding = work.answer("feature_weights", run, None, "field weights in every scenario")
    if finding is None:
        return None
    more: dict[str, Any] = {"finding": finding}
    columns = iter(st.columns(3, vertical_alignment="bottom"))
    heads = [str(name) for name in finding.data["head"].values]
    if shown != SCENARIOS:
        with next(columns):
            names = _common.by_size(finding)
            one = shown == DIFFERENCE and names
            default = names[min(1, len(names) - 1)] if one else None
            choices = names if one else [str(name) for name in finding.data["scenario"].values]
            more["scenario"] = links.choose("Scenario", choices, "scenario", default=default)
    if shown == DIFFERENCE:
        with next(columns):
            rest = [name for name in names if name != more["scenario"]]
            more["against"] = links.choose("Compared with", rest or [ALL], "weights-against")
    if shown != HEADS and len(heads) > 1:
        with next(columns):
            more["head"] = links.choose("Head", heads, "weights-head")
    return more


def _loss(run: Run) -> dict[str, Any] | None:
    finding = work.answer("field_permutation", run, None, "what it costs to lose each field")
    if finding is None:
        return None
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        together = links.switch("Show", ("One scenario", "All"), "weights-show") == "All"
    scenario = ALL
    if not together:
        with middle:
            scenario = _common.scenario(finding)
    with right:
        metric = METRICS[links.switch("Measure", list(METRICS), "weights-measure")]
    return {"finding": finding, "metric": metric, "together": together, "scenario": scenario}


def _of_log(run: Run, shown: str) -> dict[str, Any] | None:
    """Choose two fields of the log, and what the flow or the groups by them are of."""
    try:
        dataset, log = shelf.data_of(run), shelf.log_of(run)
    except MsvizError as error:
        st.info(plain(str(error)), icon=":material/folder_off:")
        return None
    features = [field for field in dataset.schema.features if field.role != "scenario"]
    if len(features) < (3 if shown == GROUPS else 2):
        st.info("This log has too few fields besides the scenario.", icon=":material/inbox:")
        return None
    columns = st.columns(3, vertical_alignment="bottom")
    with columns[0]:
        first = _field("First field", features, "first", [])
    with columns[1]:
        second = _field("Second field", features, "second", [first])
    if shown == FLOW:
        with columns[2]:
            width = WIDTHS[links.switch("Width", list(WIDTHS), "weights-width")]
        finding = work.answer("sankey", *log, "the flow of rows", fields=f"{first},{second}")
        return None if finding is None else {"finding": finding, "width": width, **_flow(finding)}
    with columns[2]:
        third = _field("Answering to", features, "third", [first, second])
    finding = work.answer("sub_scenarios", *log, "groups inside", fields=f"{first},{second}", on=third)
    if finding is None:
        return None
    return {"finding": finding, "scenario": _common.scenario(finding)}


def _field(label: str, features: list[Field], key: str, taken: list[str]) -> str:
    """Choose a feature; by default one of a few values, which can be taken in at a glance."""
    titles = [field.label for field in features if field.label not in taken]
    small = [field.label for field in features if field.size <= 18 and field.label in titles]
    return links.choose(label, titles, key, default=(small or titles)[0])


def _flow(finding: Finding) -> dict[str, Any]:
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    with left:
        together = links.switch("Show", FLOWS, "weights-flow") == FLOWS[1]
    if together:
        return {"together": True}
    with right:
        return {"scenario": _common.scenario(finding)}
