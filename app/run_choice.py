"""The run that all pages speak of, chosen in the sidebar."""

from contextlib import suppress

import streamlit as st

from app import links, navigation, shelf
from app.markdown import escape_markdown
from app.setting_text import CHANGES, GRID
from msviz.errors import MsvizError
from msviz.run import Run


def choose_run(runs: list[Run], page: str) -> Run | None:
    """Choose the run that all pages speak of; `page` is the name of the page that is open."""
    with st.sidebar:
        if not runs:
            st.caption("No runs on the shelf yet.")
            return None
        names = [run.name for run in runs]
        name = links.choose("Run", names, "run", help="A trained model on the shelf")
        run = runs[names.index(name)]
        auc = run.card.headline.get("auc")
        score = f", test AUC {auc:.3f}" if auc is not None else ""
        model, data = escape_markdown(run.card.model), escape_markdown(run.card.data.name)
        st.caption(f"{model} trained on {data}{score}")
        with suppress(MsvizError):
            if shelf.is_simulated(shelf.data_of(run)):
                st.badge("simulated data", color="orange", icon=":material/science:")
        _link_to_retrain(run, page)
        return run


def select_run(name: str) -> None:
    """Let all pages speak of another run; for a button's on_click."""
    st.session_state["run"] = name


def _link_to_retrain(run: Run, page: str) -> None:
    """Link to the form that changes a setting of this run and trains it again; run and slice go along."""
    label, icon = "Retrain this run with …", ":material/model_training:"
    if page == "train":  # a link to the page that is shown leads nowhere
        st.button(label, icon=icon, type="tertiary", key="retrain", on_click=_clear_form, args=(run.name,))
    else:
        query = {"from": run.name, "afresh": "yes"}
        navigation.link_to("train", label=label, icon=icon, query_params=query)


def _clear_form(name: str) -> None:
    st.session_state.update({"from": name, CHANGES: "", GRID: "", "train_view": "One training"})
