"""The two controls beside a picture of a model's inside: the net before training, and another seed."""

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from app import shelf, work
from app.training_form import link
from app.words import plain
from msviz.analyses.question import load_question
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.figures.picture import load_picture
from msviz.figures.pictures.gates_over_time import ALL_EXPERTS
from msviz.finding import Finding
from msviz.run import Run

OFFER = "Compare with the untrained net and another seed"
ALONE = "Compare with the untrained net"
NOBODY = "none"
CONFIG = {**export.CONFIG, "displayModeBar": False}
ICONS = {"untrained": ":material/restart_alt:", "another seed": ":material/casino:"}
# Axes of which a picture's choices of the same name take one entry.
AXES = ("scenario", "layer", "head", "group", "expert", "measure", "part", "matrix")


def show(finding: Finding, key: str, choices: Mapping[str, Any]) -> None:
    """Say under a picture what the untrained net and another seed show, or offer to find out.

    Nothing is said of what is no picture of a model's inside, nor of two runs side by side in one.
    """
    where = finding.provenance
    run = shelf.of_digest(where.run_digest)
    if run is None or where.parameters.get("other") or not _inside(finding, choices):
        return
    other = next(iter(shelf.seeds_of(run)), None)
    asked = {
        "question": finding.analysis,
        "options": json.dumps(_options(finding), sort_keys=True),
        "other": other.name if other else NOBODY,
        "split": where.split,
        "seed": where.parameters.get("seed", 0),
        "slice": where.parameters.get("slice", ""),
    }
    single = finding.analysis in shelf.SINGLE
    found = _at_once(run, asked, key, other) if single else _by_job(run, asked, key, other)
    if found is not None:
        with st.container(gap="xsmall"):
            chosen, whole = drawn(finding, choices)
            _say(found, chosen, whole)
            if why := str(found.data.attrs["incomparable"]):
                st.caption(f"{ICONS['another seed']} Another seed cannot be compared: {plain(why)}.")
            else:
                _second_seed(run, other, key)
            with st.popover("All correlations", icon=":material/scatter_plot:", type="tertiary"):
                _all(found, key, chosen)


def _inside(finding: Finding, choices: Mapping[str, Any]) -> bool:
    """Tell whether what is drawn has controls."""
    from msviz.analyses.run import controlled

    view = choices.get("view")
    if finding.analysis == "scenario_switch" and view != "attention":
        return False
    # What a click is worth, and single units, are no cells that a control has as well.
    # The two maps behind a difference stand below it, and so do its controls.
    drawn_apart = ("behaviour_attention", "worth"), ("tailoring", "units"), ("attention_difference", "pair")
    if (finding.analysis, view) in drawn_apart:
        return False
    return controlled(finding.analysis)


def _options(finding: Finding) -> dict[str, Any]:
    """Return the question's own options that are not left at nothing."""
    known = load_question(finding.analysis).options.model_fields
    asked = finding.provenance.parameters
    return {name: value for name, value in asked.items() if name in known and value not in (None, "")}


def drawn(finding: Finding, choices: Mapping[str, Any]) -> tuple[dict[str, str], set[str]]:
    """Return which entry of an axis a picture draws where one is chosen, and which axes it draws whole."""
    view, question = choices.get("view"), finding.analysis
    axes = {"target": "scenario", "view": "view"} if question == "migration" else {}
    if question == "behaviour_attention":
        axes = {"layer": "part", "expert": "part"}
    asked = {axis: choices.get(axis) for axis in AXES} | {axis: choices.get(of) for axis, of in axes.items()}
    chosen = {axis: str(entry) for axis, entry in asked.items() if entry not in (None, ALL_EXPERTS)}
    whole = {
        "feature_weights": {None: {"head"}, "heads": {"head"}, "scenarios": {"scenario"}}.get(view, set()),
        "attention_importance": {"scenario"} - set(chosen),
        "gates_over_time": {"expert"} - set(chosen),
        "migration": {"target"} - set(chosen),
        # Heads stand side by side, unless clicks look at one another.
        "behaviour_attention": set() if "other" in finding.data.dims else {"head"},
    }.get(question, {"layer", "head"} if view == "grid" else set())
    return {axis: entry for axis, entry in chosen.items() if axis not in whole}, whole


def _by_job(run: Run, asked: dict[str, Any], key: str, other: Run | None) -> Finding | None:
    """Return the kept answer; or show the job that makes it, or the button that starts one."""
    offer = work.Offer(OFFER if other else ALONE, f"controls-{key}")
    return work.answer(
        "controls",
        run,
        None,
        f"what controls show of {asked['question'].replace('_', ' ')}",
        offer=offer,
        **asked,
    )


def _at_once(run: Run, asked: dict[str, Any], key: str, other: Run | None) -> Finding | None:
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
        st.caption(plain(str(error)))
        return None


def _say(found: Finding, chosen: Mapping[str, str], whole: set[str]) -> None:
    """Say one line a control; what a reader must know before believing the picture stands out."""
    from msviz.analyses.questions.controls import average_words, lines

    each = json.loads(found.data.attrs["each"])
    first = {axis: str(found.data[axis].values[0]) for axis in each if axis not in whole}
    for line in lines(found, first | dict(chosen)):
        if line.warns:
            st.markdown(f":orange[{ICONS[line.control]}] {plain(line.words)}")
        else:
            st.caption(f"{ICONS[line.control]} {plain(line.words)}")
    if told := average_words(found.data):
        words, warns = told
        icon = ":material/functions:"
        if warns:
            st.markdown(f":orange[{icon}] {plain(words)}")
        else:
            st.caption(f"{icon} {plain(words)}")


def _all(found: Finding, key: str, chosen: Mapping[str, str]) -> None:
    """Draw the correlations entry by entry, layer by layer where there are layers."""
    st.plotly_chart(
        found.figure(entries=chosen),
        theme=None,
        config=CONFIG,
        key=f"chart-controls-{key}",
        alt=found.takeaway,
    )
    st.caption(load_picture(found.picture).how_to_read)


def _second_seed(run: Run, other: Run | None, key: str) -> None:
    """Say where no second seed is on the shelf, and lead to the form that trains one."""
    if other is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=f"second-seed-{key}"):
        st.caption(
            f"{ICONS['another seed']} No second seed of {plain(run.name)} is on the shelf: whether another "
            "training shows this too is not known.",
            width="content",
        )
        st.page_link(
            "pages_look/train.py",
            label="Train a second seed",
            icon=":material/model_training:",
            query_params={
                "train_view": "One training",
                "from": run.name,
                link.SET: link.written({"seed": run.card.seed + 1}),
            },
        )
