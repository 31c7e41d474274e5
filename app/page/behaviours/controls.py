"""Choose the view of past clicks: one impression, migration between scenarios, gates, or diversity."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
import streamlit as st

from app import choices, links, missing, shelf, slicing
from app.markdown import escape_markdown
from app.navigation import PageInfo
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.figures.theme import ALL
from msviz.run import Run

PAGE = PageInfo(
    title="Behaviours",
    icon=":material/history:",
    section="Inside a model",
    order=6,
    questions=("behaviour_attention", "migration", "tailoring", "category_diversity"),
)
ONE, MIGRATION = "One impression", "Migration"
TAILORING, DIVERSITY = "Tailoring", "Diversity"
VIEWS = (ONE, MIGRATION, TAILORING, DIVERSITY)
SHOWN = {"Where heads look": "heads", "What each click is worth": "worth"}
METHODS = {"Taking clicks away": "removal", "Attention": "attention"}
SHARES = {"Beyond an even share": "beyond even", "Share of attention": "share"}
GATES = {"Scenarios": "scenarios", "Single units": "units"}
TOPS, REQUESTS, DAYS = ("5", "10", "20", "50"), ("1", "3", "5"), ("1", "7", "30", "90")
MARKS = {"Dots": "dots", "Bars": "bars"}
ALL_CLICKS, NO_RUN = "All clicks", "none"
MOST_LISTED = 50  # impressions with long histories


@dataclass(frozen=True)
class BehavioursChoice:
    """What is looked at: the question's options, the picture's choices, and a second run beside it."""

    run: Run
    view: str
    order: tuple[str, ...]
    simulated: bool
    other: Run | None = None
    options: dict[str, Any] = field(default_factory=dict)
    picture: dict[str, Any] = field(default_factory=dict)
    scenario: str = ALL
    row: int | None = None
    histories: pd.DataFrame | None = None


def choose(run: Run | None) -> BehavioursChoice | None:
    """Choose the view, and what it is of."""
    if not run:
        missing.explain_no_runs()
        return None
    able = missing.can_answer(run, "behaviour_attention", "This model looks at no past clicks")
    if not able and not run.schema.sequences:
        return None
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    with left:
        # How varied its best items are can be asked of every model.
        shown = links.switch("View", VIEWS if able else (DIVERSITY,), "behaviours")
    with right:
        other = choices.choose_second_run(run, NO_RUN)
    choosers = {
        ONE: _choose_impression,
        MIGRATION: _choose_migration,
        TAILORING: _choose_tailoring,
        DIVERSITY: _choose_diversity,
    }
    details = choosers[shown](run)
    if details is None:
        return None
    return BehavioursChoice(run=run, view=shown, other=other, **details, **choices.run_setting(run))


def _choose_impression(run: Run) -> dict[str, Any] | None:
    try:
        dataset = shelf.data_of(run)
    except MsvizError as error:
        st.info(escape_markdown(str(error)), icon=":material/folder_off:")
        return None
    columns = iter(st.columns([2, 2, 1, 2], vertical_alignment="bottom"))
    names = [ALL, *run.schema.scenario_names[1:]]
    with next(columns):
        scenario = links.choose("Scenario", names, "scenario", help="Whose impressions are listed below")
    tap, part, axis = _choose_attention(run, columns)
    with next(columns):
        row = links.choose_number(
            "Open impression", "row", help="Its row number in the log; or choose one in the list"
        )
    shown = SHOWN[links.switch("Show", list(SHOWN), "behaviourshow")]
    histories = _long_histories(run.card.digest, dataset.fingerprint, scenario, slicing.current(), dataset)
    if row is None and len(histories):
        row = int(histories["Row"].iloc[0])
    picture = {"view": shown, **({"part": part} if part and axis and shown == "heads" else {})}
    return {"options": tap, "picture": picture, "scenario": scenario, "row": row, "histories": histories}


def _choose_attention(run: Run, columns: Any) -> tuple[dict[str, str], str | None, str | None]:
    """Choose an attention and its layer or expert; return the question's option, the part and its axis."""
    taps = _attentions(str(run.path), run.card.digest)
    with next(columns):
        tap = _choose_tap(taps)
    count, axis = taps[tap]
    part = None
    with next(columns):
        if axis:
            part = links.choose(axis.capitalize(), [str(n + 1) for n in range(count)], "behaviourpart")
    return ({"tap": tap} if tap != next(iter(taps)) else {}), part, axis


def _choose_tailoring(run: Run) -> dict[str, Any] | None:
    if not missing.can_answer(run, "tailoring", "This model has no gates on past clicks"):
        return None
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    with left:
        view = GATES[links.switch("Show", list(GATES), "tailoringshow")]
    with right:
        layers = [str(number + 1) for number in range(_count_gated_layers(str(run.path), run.card.digest))]
        layer = links.choose("Layer", layers, "tailoringlayer")
    return {"picture": {"view": view, "layer": layer}}


def _choose_diversity(run: Run) -> dict[str, Any] | None:
    titles = [run.schema.features[column].label for column in run.schema.behaviour_columns][1:]
    if not titles:
        st.info(
            "Past clicks of this log carry nothing but the item: there is no category to count.",
            icon=":material/inbox:",
        )
        return None
    columns = iter(st.columns(5, vertical_alignment="bottom"))
    with next(columns):
        title = links.choose("Different values of", titles, "diversityfield")
    options: dict[str, Any] = {"field": title} if title != titles[0] else {}
    for label, values, key, default in (
        ("Items shown to each user", TOPS, "top", TOPS[1]),
        ("Requests of each user", REQUESTS, "requests", REQUESTS[0]),
        ("Days of past clicks", DAYS, "days", DAYS[2]),
    ):
        with next(columns):
            value = links.choose(label, values, f"diversity{key}", default=default)
        options |= {key: int(value)} if value != default else {}
    with next(columns):
        marks = MARKS[links.choose("Drawn as", list(MARKS), "diversityshow")]
    return {"options": options, "picture": {"view": marks}}


@st.cache_resource(max_entries=32, show_spinner=False)
def _count_gated_layers(path: str, digest: str) -> int:
    """Return how many layers have gates on past clicks."""
    from msviz.analyses.run import meta_net
    from msviz.probing import hooks

    points = hooks.points(meta_net(Run.peek(path)))
    return sum(point.axes == ("layer", "behaviour", "unit") for point in points)


def _choose_tap(taps: Iterable[str]) -> str:
    """Choose where the model looks at past clicks, in words; return the tap's name."""
    named = {name.replace("_", " "): name for name in taps}
    help = "Where the model looks at past clicks; the first is nearest to its prediction"
    return named[links.choose("Attention", list(named), "behaviourtap", help=help)]


def _choose_migration(run: Run) -> dict[str, Any]:
    left, middle, right = st.columns(3, vertical_alignment="bottom")
    with left:
        method = METHODS[links.switch("Measured by", list(METHODS), "migrationby")]
    columns = run.schema.behaviour_columns
    titles = [run.schema.features[column].label for column in columns]
    same_values = {f"Same {title.lower()} as the impression": title for title in titles}
    with middle:
        clicks = links.choose("Which clicks", [ALL_CLICKS, *same_values], "migrationonly")
    with right:
        names = [ALL, *run.schema.scenario_names[1:]]
        scenario = links.choose("Scenario", names, "scenario", help="Where impressions are shown")
    options: dict[str, Any] = {"only": same_values[clicks]} if clicks != ALL_CLICKS else {}
    picture: dict[str, Any] = {}
    if method == "removal":
        options["method"] = method
    else:
        left, right, _ = st.columns(3, vertical_alignment="bottom")
        taps = list(_attentions(str(run.path), run.card.digest))
        with left:
            picture["view"] = SHARES[links.switch("Show", list(SHARES), "migrationshow")]
        with right:
            tap = _choose_tap(taps)
        options |= {"tap": tap} if tap != taps[0] else {}
    return {"options": options, "picture": picture, "scenario": scenario}


@st.cache_resource(max_entries=32, show_spinner=False)
def _attentions(path: str, digest: str) -> dict[str, tuple[int, str | None]]:
    """Return where a model looks at past clicks, with how many layers or experts it does so in."""
    from msviz.analyses.run import meta_net
    from msviz.analyses.shared.behaviours import PARTS, attending
    from msviz.probing import hooks

    net = meta_net(Run.peek(path))
    points = hooks.points(net)
    axes = {point.name: point.axes for point in points}
    attentions: dict[str, tuple[int, str | None]] = {}
    for name in attending(axes):
        axis = next((part for part in PARTS if part in axes[name]), None)
        layers = sum(point.name == name for point in points)
        attentions[name] = (layers if axis == "layer" else int(getattr(net.config, "experts", 1)), axis)
    return attentions


@st.cache_resource(max_entries=32, show_spinner=False)
def _long_histories(
    digest: str, fingerprint: str, scenario: str, slice: str, _dataset: Dataset
) -> pd.DataFrame:
    """Return impressions with long histories, a line each, those that mix like clicks with others first."""
    from msviz.analyses.shared.behaviours import interesting
    from msviz.data.slices import narrowed

    part = narrowed(_dataset.split("test"), slice)
    schema = part.schema
    impressions = interesting(part, None if scenario == ALL else schema.scenario(scenario), MOST_LISTED)
    ids = part.fields(impressions)
    names = schema.scenario_names
    own = {
        schema.features[column].label: [schema.features[column].value_name(int(i)) for i in ids[:, column]]
        for column in schema.behaviour_columns
    }
    return pd.DataFrame(
        {
            "Row": part.row[impressions],
            "Scenario": [names[int(number)] for number in part.scenario[impressions]],
            "Past clicks": part.history_spans[1][impressions] if schema.sequences else [],
            **own,
            "Clicked": part.label[impressions] > 0,
        }
    )
