"""What a reader chooses on each page. The widgets live in the entry script, so that links keep them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from app import links, shelf, view, work
from app.words import plain
from msviz.data._dataset import Dataset
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

NO_RUN = (
    "A run is a folder that training wrote. Train one here, or copy one from another machine, into "
    "the models folder; it appears at once."
)
TRAIN = "msviz data plant --out data/demo\nmsviz train satrans --data data/demo --out models/my-satrans"
VIEWS = ("By scenario", "Difference", "Two runs", "Importance")
HEADS = ("One head", "All layers and heads")
CELLS = ("Significant", "All")
LABELS = ("All", "Clicked", "Not clicked")
SORTS = ("Highest prediction", "Lowest prediction", "Largest error", "Smallest error", "Row")
ANY = "any"


@dataclass(frozen=True)
class Chosen:
    """What was chosen on the page that is shown; only what the page asks for is set."""

    run: Run | None = None
    other: Run | None = None
    dataset: Dataset | None = None
    finding: Finding | None = None
    second: Finding | None = None
    view: str = ""
    field: str = ""
    metric: str = ""
    scenario: str = ALL
    against: str = ""
    layer: str = "1"
    head: str = ""
    grid: bool = False
    cells: str = "significant"
    row: int | None = None
    rows: tuple[int, ...] = ()
    order: tuple[str, ...] = ()
    simulated: bool = False


def chosen() -> Chosen:
    """Return what the entry script chose for the page that runs now."""
    found: Chosen = st.session_state["_chosen"]
    return found


def run(runs: list[Run]) -> Run | None:
    """Choose the run that all pages speak of."""
    with st.sidebar:
        if not runs:
            st.caption("No runs on the shelf yet.")
            return None
        names = [run.name for run in runs]
        name = links.choose("Run", names, "run", help="A trained model on the shelf")
        found = runs[names.index(name)]
        auc = found.card.headline.get("auc")
        score = f", test AUC {auc:.3f}" if auc is not None else ""
        st.caption(f"{plain(found.card.model)} trained on {plain(found.card.data.name)}{score}")
        with suppress(MsvizError):
            if shelf.simulated(shelf.data_of(found)):
                st.badge("simulated data", color="orange", icon=":material/science:")
        return found


def overview(run: Run | None) -> Chosen:
    """Choose the dataset, by default the one that the run was trained on."""
    found = {dataset.name: dataset for dataset in shelf.datasets()}
    if run:
        with suppress(MsvizError):
            own = shelf.data_of(run)
            found = {own.name: own, **found}
    if not found:
        return Chosen(run=run)
    with st.sidebar:
        name = links.choose("Data", list(found), "data", help="An encoded log; by default the run's own")
    return Chosen(run=run, dataset=found[name])


def performance(run: Run | None) -> Chosen:
    """Choose the metric, and a run to compare with."""
    if not run:
        return _nothing()
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        titles = {"AUC": "auc", "Logloss": "logloss", "AUC by user": "gauc", "Bias": "bias"}
        metric = titles[links.switch("Metric", list(titles), "metric")]
    with right:
        other = _other(run, "none")
    return Chosen(run=run, other=other, metric=metric, **_setting(run))


def attention(run: Run | None) -> Chosen:
    """Choose the view, and scenario, layer and head within it."""
    if not run:
        return _nothing()
    if why := shelf.why_not("attention_by_scenario", str(run.path), run.card.digest):
        able = [
            r.name
            for r in shelf.runs()
            if not shelf.why_not("attention_by_scenario", str(r.path), r.card.digest)
        ]
        next_step = (
            f"These runs do: {plain(', '.join(able))}." if able else "Train satrans or autoint, which do."
        )
        view.empty(
            "This model shows no attention", f"{plain(why.capitalize())}. {next_step}", icon="visibility_off"
        )
        return Chosen()
    shown = links.switch("View", VIEWS, "view")
    finding = work.answer("attention_by_scenario", run, None, "attention in every scenario")
    if finding is None:
        return Chosen(run=run, view=shown)
    grid = False
    more: dict[str, Any] = {}
    columns = iter(st.columns(4, vertical_alignment="bottom"))
    with next(columns):
        more["scenario"] = _scenario(finding, pair=shown == "Difference")
    if shown == "Difference":
        with next(columns):
            rest = [name for name in _by_size(finding) if name != more["scenario"]]
            more["against"] = links.choose("Compared with", rest or [ALL], "against")
    elif shown == "Two runs":
        with next(columns):
            more["other"] = _other(run, None)
    elif shown == "By scenario":
        with next(columns):
            grid = links.choose("Show", HEADS, "show") == HEADS[1]
    if not grid:
        more |= layer_and_head(finding, columns)
    if shown in ("Difference", "Two runs"):
        more["cells"] = links.switch(
            "Coloured cells", CELLS, "cells", help="Significant: false discovery rate 5 % over all cells"
        ).lower()
    return Chosen(run=run, finding=finding, view=shown, grid=grid, **more, **_setting(run))


def layer_and_head(finding: Finding, columns: Iterator[Any]) -> dict[str, str]:
    """Choose a layer and a head in the next two columns."""
    chosen = {}
    for title in ("Layer", "Head"):
        with next(columns):
            names = [str(name) for name in finding.data[title.lower()].values]
            chosen[title.lower()] = links.choose(title, names, title.lower())
    return chosen


def _scenario(finding: Finding, pair: bool) -> str:
    """Choose a scenario; for a pair a single one, by default the second largest."""
    if not pair:
        return links.choose("Scenario", [str(name) for name in finding.data["scenario"].values], "scenario")
    names = _by_size(finding)
    return links.choose("Scenario", names or [ALL], "scenario", default=names[1] if len(names) > 1 else ALL)


def _by_size(finding: Finding) -> list[str]:
    """Return the single scenarios, the largest first."""
    data = finding.data
    order = np.argsort(-data["rows"].values, kind="stable")
    return [str(name) for name in data["scenario"].values[order] if name != ALL]


def impressions(run: Run | None) -> Chosen:
    """Choose which impressions are listed, in which order, and which one is open."""
    if not run:
        return _nothing()
    finding = work.answer("impressions", run, None, "predictions of a sample of impressions")
    if finding is None:
        return Chosen(run=run)
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
        keep &= _with_value(run, finding, title)
    left, middle, right = st.columns([2, 1, 1], vertical_alignment="bottom")
    with left:
        low, high = st.slider(
            "Predicted click probability, %", 0, 100, (0, 100), key="between", bind="query-params"
        )
        keep &= (score >= low / 100) & (score <= high / 100)
    with middle:
        order = _sorted(finding, links.choose("Sort by", SORTS, "sort"))
    with right:
        row = links.whole(
            "Open impression", "row", help="Its row number in the log; or choose one in the list"
        )
    rows = order[keep[order]]
    return Chosen(
        run=run, finding=finding, scenario=scenario, row=row, rows=tuple(rows.tolist()), **_setting(run)
    )


def _with_value(run: Run, finding: Finding, title: str) -> "np.ndarray | bool":  # type: ignore[type-arg]
    """Choose one of a field's values that the sample holds; return which impressions have it."""
    if title == ANY:
        links.choose("Value", [ANY], "value")
        return True
    field = run.schema.field(title)
    ids = finding.data["value"].sel(field=title).values
    known, count = np.unique(ids, return_counts=True)
    known = known[np.argsort(-count, kind="stable")]
    names = [field.value_name(int(number)) for number in known]
    value = links.choose("Value", [ANY, *names], "value")
    return True if value == ANY else ids == known[names.index(value)]


def _sorted(finding: Finding, by: str) -> np.ndarray:  # type: ignore[type-arg]
    data = finding.data
    keys = {
        SORTS[0]: -data["prediction"].values,
        SORTS[1]: data["prediction"].values,
        SORTS[2]: -np.abs(data["error"].values),
        SORTS[3]: np.abs(data["error"].values),
        SORTS[4]: data["row"].values,
    }
    return np.argsort(keys[by], kind="stable")


def _other(run: Run, nobody: str | None) -> Run | None:
    runs = {other.name: other for other in shelf.runs() if other.path != run.path}
    options = [*([nobody] if nobody else []), *runs]
    if not options:
        st.selectbox("Second run", ["no other run on the shelf"], disabled=True)
        return None
    return runs.get(links.choose("Second run", options, "other"))


def _setting(run: Run) -> dict[str, Any]:
    simulated = False
    with suppress(MsvizError):
        simulated = shelf.simulated(shelf.data_of(run))
    return {"order": tuple(run.schema.scenario_names), "simulated": simulated}


def _nothing() -> Chosen:
    view.empty("No runs on the shelf", NO_RUN, command=TRAIN)
    return Chosen()
