"""The two controls beside a picture of a model's inside: the net before training, and another seed."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import navigation, shelf, work
from app.drawn_axes import drawn_axes, has_controls, own_options
from app.markdown import escape_markdown
from app.setting_text import CHANGES, format_changes
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.figures.picture import load_picture
from msviz.finding import Finding
from msviz.run import Run

OFFER = "Compare with the untrained net and another seed"
ALONE = "Compare with the untrained net"
NO_RUN = "none"
CONFIG = {**export.CONFIG, "displayModeBar": False}
ICONS = {"untrained": ":material/restart_alt:", "another seed": ":material/casino:"}


def show_controls(finding: Finding, key: str, choices: Mapping[str, Any]) -> None:
    """Say under a picture what the untrained net and another seed show, or offer to find out.

    Nothing is said of what is no picture of a model's inside, nor of two runs side by side in one.
    """
    source = finding.provenance
    run = shelf.find_run(source.run_digest)
    if run is None or source.parameters.get("other") or not has_controls(finding, choices):
        return
    other = next(iter(shelf.runs_of_other_seeds(run)), None)
    asked = {
        "question": finding.analysis,
        "options": json.dumps(own_options(finding), sort_keys=True),
        "other": other.name if other else NO_RUN,
        "split": source.split,
        "seed": source.parameters.get("seed", 0),
        "slice": source.parameters.get("slice", ""),
    }
    single = finding.analysis in shelf.SINGLE
    controls = _ask_at_once(run, asked, key, other) if single else _ask_by_job(run, asked, key, other)
    if controls is not None:
        with st.container(gap="xsmall"):
            chosen, whole = drawn_axes(finding, choices)
            _show_lines(controls, chosen, whole)
            if why := str(controls.data.attrs["incomparable"]):
                st.caption(
                    f"{ICONS['another seed']} Another seed cannot be compared: {escape_markdown(why)}."
                )
            else:
                _offer_second_seed(run, other, key)
            with st.popover("All correlations", icon=":material/scatter_plot:", type="tertiary"):
                _show_correlations(controls, key, chosen)


def _ask_by_job(run: Run, asked: dict[str, Any], key: str, other: Run | None) -> Finding | None:
    """Return the kept answer; or show the job that makes it, or the button that starts one."""
    offer = work.JobOffer(OFFER if other else ALONE, f"controls-{key}")
    return work.answer(
        "controls",
        run,
        None,
        f"what controls show of {asked['question'].replace('_', ' ')}",
        offer=offer,
        **asked,
    )


def _ask_at_once(run: Run, asked: dict[str, Any], key: str, other: Run | None) -> Finding | None:
    """Return what costs two more rows, once it was asked for; then of every impression that is opened."""
    wanted = f"_controls-{asked['question']}"
    if not st.session_state.get(wanted):
        st.button(
            OFFER if other else ALONE,
            key=f"controls-{key}",
            type="tertiary",
            icon=":material/compare:",
            on_click=st.session_state.__setitem__,
            args=(wanted, True),
        )
        return None
    try:
        options = {name: value for name, value in asked.items() if name in ("question", "options", "other")}
        return shelf.ask("controls", str(run.path), run.card.digest, run, **options)
    except MsvizError as error:
        st.caption(escape_markdown(str(error)))
        return None


def _show_lines(controls: Finding, chosen: Mapping[str, str], whole: set[str]) -> None:
    """Say one line a control; what a reader must know before believing the picture stands out."""
    from msviz.analyses.questions.controls import average_words, lines

    each = json.loads(controls.data.attrs["each"])
    first = {axis: str(controls.data[axis].values[0]) for axis in each if axis not in whole}
    for line in lines(controls, first | dict(chosen)):
        if line.warns:
            st.markdown(f":orange[{ICONS[line.control]}] {escape_markdown(line.words)}")
        else:
            st.caption(f"{ICONS[line.control]} {escape_markdown(line.words)}")
    if average := average_words(controls.data):
        words, warns = average
        icon = ":material/functions:"
        if warns:
            st.markdown(f":orange[{icon}] {escape_markdown(words)}")
        else:
            st.caption(f"{icon} {escape_markdown(words)}")


def _show_correlations(controls: Finding, key: str, chosen: Mapping[str, str]) -> None:
    """Draw the correlations entry by entry, layer by layer where there are layers."""
    st.plotly_chart(
        controls.figure(entries=chosen),
        theme=None,
        config=CONFIG,
        key=f"chart-controls-{key}",
        alt=controls.takeaway,
    )
    st.caption(load_picture(controls.picture).how_to_read)


def _offer_second_seed(run: Run, other: Run | None, key: str) -> None:
    """Say where no second seed is on the shelf, and lead to the form that trains one."""
    if other is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"second-seed-{key}"):
        st.caption(
            f"{ICONS['another seed']} No second seed of {escape_markdown(run.name)} is on the shelf: whether "
            "another training shows this too is not known.",
            width="content",
        )
        navigation.link_to(
            "train",
            label="Train a second seed",
            icon=":material/model_training:",
            query_params={
                "train_view": "One training",
                "from": run.name,
                CHANGES: format_changes({"seed": run.card.seed + 1}),
            },
        )
