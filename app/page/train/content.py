"""Train: change a setting of a run and train it again, a new model, or a whole sweep; and watch it."""

from dataclasses import replace

import streamlit as st

from app import shelf
from app.markdown import escape_markdown
from app.page.train.controls import VIEWS, TrainChoice
from msviz.run import Run


def show(choice: TrainChoice) -> None:
    """Show the form, or what runs; what draws them is imported only where it is wanted."""
    if choice.view == VIEWS[2]:
        from app.page.train import running

        running.show(choice.job)
    elif choice.dataset is not None:
        _show_form(choice)
    else:
        st.info(
            "Copy the data that the run saw into the data folder, or choose others.",
            icon=":material/database:",
        )


def _show_form(choice: TrainChoice) -> None:
    """Show the form of one training or of a sweep."""
    # Only now: it brings torch.
    from app.page.train.form import cached_checks, estimate, fields, rows, start, sweep
    from msviz.training.plans import Plan

    assert choice.dataset is not None
    data = choice.dataset.path
    base = Plan.of(choice.origin, data) if choice.origin else Plan(choice.model, data)
    if origin := _study_origin(choice):
        base = replace(Plan.of(origin, data), parent=None)
    current = cached_checks.read_draft(base, choice.dataset, choice.origin)
    st.markdown(_describe(choice))
    fields.offer_presets(current)
    fields.show_chips(current)
    if choice.view == VIEWS[1]:
        sweep.choose_values(current, choice.study)
    if choice.origin is not None or choice.view == VIEWS[1]:
        fields.show_changed(current)
    else:
        fields.show_grouped(current)
    with st.container(border=True):
        st.markdown("**Data and rows**")
        rows.show(current)
    for name in ("", "model", "seed"):
        if why := current.problems.get(name):
            st.error(escape_markdown(why), icon=":material/error:")
    with st.container(border=True):
        if choice.view == VIEWS[1]:
            sweep.show(current, choice.study)
        else:
            estimate.show(current)
            start.offer_training(current)


def _study_origin(choice: TrainChoice) -> Run | None:
    """Return the run whose settings a paper's study takes, where the reader names none; None without one."""
    if choice.study is None or choice.origin is not None:
        return None
    return choice.study.begins(shelf.runs())


def _describe(choice: TrainChoice) -> str:
    """Return what is trained, from what."""
    if choice.origin is not None:
        name = escape_markdown(choice.origin.name)
        return f"**{name}**, which is {escape_markdown(choice.model)}, trained again with"
    if choice.study is not None:
        origin = _study_origin(choice)
        whose = f"the settings of {escape_markdown(origin.name)}" if origin else "its defaults"
        return f"**{escape_markdown(choice.model)}** at {whose}; name a run of it above to take that run's"
    return f"A new **{escape_markdown(choice.model)}** with"
