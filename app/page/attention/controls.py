"""Choose the view of attention, and scenario, layer and head within it."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import choices, links, missing, view, work
from app.comparable import comparable_parts, scenarios_by_size
from app.navigation import PageInfo
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

PAGE = PageInfo(
    title="Attention",
    icon=":material/grid_on:",
    section="Inside a model",
    order=1,
    questions=(
        "attention_by_scenario",
        "attention_difference",
        "attention_importance",
        "scenario_similarity",
    ),
)
VIEWS = ("By scenario", "Difference", "Two runs", "Importance", "Similar scenarios")
SHARES = {"Shares": "shares", "What changes most": "change"}
MEASURES = {
    "Answers": "answers",
    "Cosine": "cosine",
    "Centred cosine": "centred cosine",
    "CKA of matrices": "CKA",
}
CELLS = ("Significant", "All")
MEASURES_HELP = (
    "Answers: what the model predicts when the same impressions come in both scenarios. The others compare "
    "what the model makes of a scenario inside."
)


@dataclass(frozen=True)
class AttentionChoice:
    """What is looked at; only what the view asks for is set."""

    run: Run
    finding: Finding | None
    view: str
    order: tuple[str, ...]
    simulated: bool
    other: Run | None = None
    scenario: str = ALL
    against: str = ""
    layer: str = "1"
    head: str = ""
    grid: bool = False
    cells: str = "significant"
    shares: str = "shares"
    similarity: Finding | None = None
    measure: str = "answers"
    part: str = "everything"


def choose(run: Run | None) -> AttentionChoice | None:
    """Choose the view, and scenario, layer and head within it."""
    if not run:
        missing.explain_no_runs()
        return None
    if not missing.can_answer(run, "attention_by_scenario", "This model shows no attention between fields"):
        return None
    shown = links.switch("View", VIEWS, "view")
    if shown == "Similar scenarios":
        return _choose_similar(run, shown)
    finding = work.answer("attention_by_scenario", run, None, "attention in every scenario")
    if finding is None:
        return None
    grid = False
    details: dict[str, Any] = {}
    columns = iter(st.columns(4, vertical_alignment="bottom"))
    with next(columns):
        details["scenario"] = _choose_scenario(finding, pair=shown == "Difference")
    if shown == "Difference":
        with next(columns):
            rest = [name for name in scenarios_by_size(finding) if name != details["scenario"]]
            details["against"] = links.choose("Compared with", rest or [ALL], "against")
    elif shown == "Two runs":
        with next(columns):
            details["other"] = choices.choose_second_run(run, None, "attention_by_scenario")
    elif shown == "By scenario":
        with next(columns):
            grid = links.choose("Show", choices.HEADS, "show") == choices.HEADS[1]
    if shown == "Importance":
        with next(columns):
            details["shares"] = SHARES[links.choose("Show", list(SHARES), "shares")]
    if not grid:
        details |= choices.choose_layer_and_head(finding, columns)
    if shown in ("Difference", "Two runs"):
        details["cells"] = links.switch(
            "Coloured cells", CELLS, "cells", help="Significant: false discovery rate 5 % over all cells"
        ).lower()
    return AttentionChoice(
        run=run, finding=finding, view=shown, grid=grid, **details, **choices.run_setting(run)
    )


def _choose_similar(run: Run, shown: str) -> AttentionChoice | None:
    """Choose by which measure, and by which part of the model, scenarios are compared."""
    if len(run.schema.scenarios) < 2:
        view.show_empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return None
    finding = work.answer("scenario_similarity", run, None, "how alike the scenarios are")
    if finding is None:
        return None
    measures = {title: name for title, name in MEASURES.items() if name in finding.data["measure"].values}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        measure = measures[links.switch("Similarity measure", list(measures), "alike", help=MEASURES_HELP)]
    parts = comparable_parts(finding, measure)
    part = parts[0]
    if len(parts) > 1:
        with right:
            part = links.choose("Part of the model", parts, "alike_part")
    return AttentionChoice(
        run=run,
        finding=None,
        view=shown,
        similarity=finding,
        measure=measure,
        part=part,
        **choices.run_setting(run),
    )


def _choose_scenario(finding: Finding, pair: bool) -> str:
    """Choose a scenario; for a pair a single one, by default the second largest."""
    if not pair:
        return choices.choose_scenario(finding)
    names = scenarios_by_size(finding)
    return links.choose("Scenario", names or [ALL], "scenario", default=names[1] if len(names) > 1 else ALL)
