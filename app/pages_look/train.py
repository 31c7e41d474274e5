"""Train: change a setting of a run and train it again, a new model, or a whole sweep; and watch it."""

from dataclasses import replace

import streamlit as st

from app import shelf
from app.choosing import chosen
from app.choosing.train import VIEWS, Chosen
from app.words import plain
from msviz.run import Run


def form(choice: Chosen) -> None:
    """Show the form of one training or of a sweep."""
    # Only now: it brings torch.
    from app.training_form import before, draft, fields, rows, start, sweep
    from msviz.training.plans import Plan

    assert choice.dataset is not None
    data = choice.dataset.path
    base = Plan.of(choice.origin, data) if choice.origin else Plan(choice.model, data)
    if origin := study_origin(choice):
        base = replace(Plan.of(origin, data), parent=None)
    now = draft.draft(base, choice.dataset, choice.origin)
    st.markdown(said(choice))
    fields.presets(now)
    fields.chips(now)
    if choice.view == VIEWS[1]:
        sweep.values(now, choice.study)
    if choice.origin is not None or choice.view == VIEWS[1]:
        fields.changed_first(now)
    else:
        fields.grouped(now)
    with st.container(border=True):
        st.markdown("**Data and rows**")
        rows.show(now)
    for name in ("", "model", "seed"):
        if why := now.problems.get(name):
            st.error(plain(why), icon=":material/error:")
    with st.container(border=True):
        if choice.view == VIEWS[1]:
            sweep.show(now, choice.study)
        else:
            before.show(now)
            start.one(now)


def study_origin(choice: Chosen) -> Run | None:
    """Return the run whose settings a paper's study takes, where the reader names none; None without one."""
    if choice.study is None or choice.origin is not None:
        return None
    return choice.study.begins(shelf.runs())


def said(choice: Chosen) -> str:
    """Return what is trained, from what."""
    if choice.origin is not None:
        return f"**{plain(choice.origin.name)}**, which is {plain(choice.model)}, trained again with"
    if choice.study is not None:
        origin = study_origin(choice)
        whose = f"the settings of {plain(origin.name)}" if origin else "its defaults"
        return f"**{plain(choice.model)}** at {whose}; name a run of it above to take that run's"
    return f"A new **{plain(choice.model)}** with"


choice = chosen()
if choice and choice.view == VIEWS[2]:
    from app.pages_look._train_running import running

    running(choice.job)
elif choice and choice.dataset is not None:
    form(choice)
elif choice:
    what = "Copy the data that the run saw into the data folder, or choose others."
    st.info(what, icon=":material/database:")
