"""Choose the view of attention, and scenario, layer and head within it."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import links, view, work
from app.choosing import _common
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Attention", ":material/grid_on:", "Inside a model", 1
VIEWS = ("By scenario", "Difference", "Two runs", "Importance", "Similar scenarios")
SHARES = {"Shares": "shares", "What changes most": "change"}
ALIKE = {
    "Answers": "answers",
    "Cosine": "cosine",
    "Centred cosine": "centred cosine",
    "CKA of matrices": "CKA",
}
CELLS = ("Significant", "All")
ALIKE_HELP = (
    "Answers: what the model predicts when the same impressions come in both scenarios. The others compare "
    "what the model makes of a scenario inside."
)


@dataclass(frozen=True)
class Chosen:
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
    alike: Finding | None = None
    measure: str = "answers"
    part: str = "everything"


def choose(run: Run | None) -> Chosen | None:
    """Choose the view, and scenario, layer and head within it."""
    if not run:
        _common.nothing()
        return None
    if not _common.able(run, "attention_by_scenario", "This model shows no attention between fields"):
        return None
    shown = links.switch("View", VIEWS, "view")
    if shown == "Similar scenarios":
        return _similar(run, shown)
    finding = work.answer("attention_by_scenario", run, None, "attention in every scenario")
    if finding is None:
        return None
    grid = False
    more: dict[str, Any] = {}
    columns = iter(st.columns(4, vertical_alignment="bottom"))
    with next(columns):
        more["scenario"] = _one(finding, pair=shown == "Difference")
    if shown == "Difference":
        with next(columns):
            rest = [name for name in _common.by_size(finding) if name != more["scenario"]]
            more["against"] = links.choose("Compared with", rest or [ALL], "against")
    elif shown == "Two runs":
        with next(columns):
            more["other"] = _common.other_run(run, None, "attention_by_scenario")
    elif shown == "By scenario":
        with next(columns):
            grid = links.choose("Show", _common.HEADS, "show") == _common.HEADS[1]
    if shown == "Importance":
        with next(columns):
            more["shares"] = SHARES[links.choose("Show", list(SHARES), "shares")]
    if not grid:
        more |= _common.layer_and_head(finding, columns)
    if shown in ("Difference", "Two runs"):
        more["cells"] = links.switch(
            "Coloured cells", CELLS, "cells", help="Significant: false discovery rate 5 % over all cells"
        ).lower()
    return Chosen(run=run, finding=finding, view=shown, grid=grid, **more, **_common.setting(run))


def _similar(run: Run, shown: str) -> Chosen | None:
    """Choose by which measure, and by which part of the model, scenarios are compared."""
    if len(run.schema.scenarios) < 2:
        view.empty("Only one scenario", "There is no second scenario to compare with.", icon="compare")
        return None
    found = work.answer("scenario_similarity", run, None, "how alike the scenarios are")
    if found is None:
        return None
    known = {title: name for title, name in ALIKE.items() if name in found.data["measure"].values}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        measure = known[links.switch("Alike by", list(known), "alike", help=ALIKE_HELP)]
    parts = [
        str(part)
        for part in found.data["part"].values
        if found.data["value"].sel(measure=measure, part=part).notnull().any()
    ]
    part = parts[0]
    if len(parts) > 1:
        with right:
            part = links.choose("Part of the model", parts, "alike_part")
    return Chosen(
        run=run, finding=None, view=shown, alike=found, measure=measure, part=part, **_common.setting(run)
    )


def _one(finding: Finding, pair: bool) -> str:
    """Choose a scenario; for a pair a single one, by default the second largest."""
    if not pair:
        return _common.scenario(finding)
    names = _common.by_size(finding)
    return links.choose("Scenario", names or [ALL], "scenario", default=names[1] if len(names) > 1 else ALL)
