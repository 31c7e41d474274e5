"""Choose what is trained: from which run or model, on which data, and what of it is changed."""

from dataclasses import dataclass

import streamlit as st

from app import links, shelf, view
from app.navigation import PageInfo
from app.page.train import queue_list
from app.setting_text import CHANGES, GRID
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.papers.paper import load_papers
from msviz.papers.study import PaperStudy
from msviz.registry import MODELS
from msviz.run import Run

PAGE = PageInfo(
    title="Train",
    icon=":material/model_training:",
    section="Models",
    order=4,
    questions=("training_history",),
)
VIEWS = ("One training", "Sweep", "Running")
THIS, NEW, OWN_DATA, OWN_VALUES = "this run", "a new model", "its own", "own values"
NO_DATA = (
    "A training needs an encoded log. Plant a simulated one, or import yours, into the data folder; it "
    "appears here at once."
)
PLANT = "msviz data plant --out data/demo\nmsviz data import table clicks.csv --out data/clicks"


@dataclass(frozen=True)
class TrainChoice:
    """What the form starts from; of the view Running, the job that is looked at."""

    view: str
    model: str = ""
    origin: Run | None = None
    dataset: Dataset | None = None
    study: PaperStudy | None = None
    job: str = ""


def choose(run: Run | None) -> TrainChoice | None:
    """Choose the view, and what is trained from what."""
    if st.query_params.pop("afresh", None):
        # Changes of an earlier visit are of another run.
        st.session_state.update({CHANGES: "", GRID: "", "train_view": VIEWS[0]})
    if "train_view" not in {*st.session_state, *st.query_params} and "study" in st.query_params:
        st.session_state["train_view"] = VIEWS[1]  # a link that names a study alone
    shown = links.switch("View", VIEWS, "train_view")
    if shown == VIEWS[2]:
        return TrainChoice(shown, job=_take_up_job())
    st.query_params.pop(queue_list.JOB, None)
    datasets = {dataset.path.name: dataset for dataset in shelf.datasets()}
    if not datasets and run is None:
        view.show_empty("No data yet", NO_DATA, command=PLANT, icon="database")
        return None
    columns = iter(st.columns(4, vertical_alignment="bottom"))
    study = None
    if shown == VIEWS[1]:
        with next(columns):
            study = _choose_study()
    with next(columns):
        origin, is_named = _choose_origin(run)
    model = origin.card.model if origin else ""
    if study is not None and (not is_named or model != study.model):
        # A paper's study has settings of its own, unless a run of its model is named to start from.
        origin, model = None, study.model
    elif origin is None:
        with next(columns):
            model = links.choose("Model", MODELS.names(), "model")
    with next(columns):
        dataset = _choose_data(origin or run, datasets)
    with st.popover("As text", icon=":material/link:", type="tertiary"):
        st.text_input(
            "Changed settings", key=CHANGES, bind="query-params", placeholder="experts:3,heads:4",
            help="What the link says; a plus stands for a comma, as in hidden:128+64",
        )  # fmt: skip
        if shown == VIEWS[1]:
            st.text_input(
                "Values of the sweep",
                key=GRID,
                bind="query-params",
                placeholder="experts:2+3+4,norm:on+off",
            )
    return TrainChoice(shown, model, origin, dataset, study)


def _choose_origin(run: Run | None) -> tuple[Run | None, bool]:
    """Choose the run to start from, or none for a new model; and tell whether the link names it."""
    runs = {other.name: other for other in shelf.runs()}
    options = [*([THIS] if run else []), NEW, *runs]
    help = "A run to change, or a model at its defaults; this run is the one on the left"
    name = links.choose("Start from", options, "from", help=help)
    return (run if name == THIS else runs.get(name)), name in runs


def _choose_data(run: Run | None, datasets: dict[str, Dataset]) -> Dataset | None:
    """Choose the data: what the run saw, or another dataset of the data folder."""
    own = None
    if run is not None:
        try:
            own = shelf.data_of(run).logged
        except MsvizError as error:
            links.note("Data", run.card.data.name, str(error))
    options = [*([OWN_DATA] if own else []), *datasets]
    if not options:
        st.selectbox("Data", ["no data here"], disabled=True)
        return None
    name = links.choose("Data", options, "data", help="Its own is what the run saw")
    return own if name == OWN_DATA else datasets[name]


def _choose_study() -> PaperStudy | None:
    """Choose values of one's own, or a table or a curve of a paper."""
    studies = {
        f"{paper}:{study.label}": study
        for paper, published in load_papers().items()
        for study in published.studies
    }
    help = "Values of your own, or a table or a curve of a paper"
    return studies.get(links.choose("What is varied", [OWN_VALUES, *studies], "study", help=help))


def _take_up_job() -> str:
    """Return the job that the link speaks of, "" for all of them.

    No widget holds it: one that is made in the very run in which it is set never reaches the address.
    """
    if (wanted := st.session_state.pop(queue_list.WANTED, None)) == queue_list.ALL_JOBS:
        st.query_params.pop(queue_list.JOB, None)
    elif wanted is not None:
        st.query_params[queue_list.JOB] = wanted
    return str(st.query_params.get(queue_list.JOB, ""))
