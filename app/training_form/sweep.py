"""A sweep: one or two settings over lists of values, or a study of a paper, as many trainings in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app import links, shelf
from app.training_form import before, link, start
from app.training_form.draft import Draft, checked, seen
from app.words import plain
from msviz.errors import MsvizError
from msviz.papers.study import Study
from msviz.run import Run
from msviz.training.plans import Plan, names, variants
from msviz.training.settings import SettingInfo, by_name, said

LABELS = ("First setting", "Second setting")
NONE = "none"


@dataclass(frozen=True)
class Line:
    """One training of a sweep: its plan, what makes it, and the run of the shelf that it would give again."""

    plan: Plan
    known: Run | None
    wrong: str


def values(draft: Draft, study: Study | None) -> None:
    """Choose one or two settings and their values; a study of a paper brings its own."""
    if study is not None:
        st.markdown(
            f"**{plain(study.label)}**: {plain(study.title)}."
            + (f" {plain(study.note)}" if study.note else "")
        )
        return
    known = {name: info for name, info in by_name(draft.base.model).items() if info.group != "rows"}
    listed, wrong = link.read_lists(str(st.session_state.get(link.GRID) or ""))
    for part in [*wrong, *(name for name in listed if name not in known)]:
        links.note("Values of the sweep", part, f"wanted: a setting of {draft.base.model} and its values")
    chosen = [name for name in listed if name in known][:2]
    for place, label in enumerate(LABELS):
        if place > len(chosen):
            return
        left, right = st.columns(2, vertical_alignment="bottom")
        name = chosen[place] if place < len(chosen) else NONE
        with left:
            key = f"sweep-setting-{place}"
            st.session_state[key] = name
            options = [NONE, *(one for one in known if one not in chosen or one == name)]
            st.selectbox(label, options, key=key, on_change=_setting, args=(place, draft))
        if name != NONE:
            with right:
                _values(known[name], listed[name], draft)


def _values(info: SettingInfo, listed: list[str], draft: Draft) -> None:
    key = f"sweep-values-{info.name}"
    help = f"{info.sentence[:1].upper()}{info.sentence[1:]}. {info.range[:1].upper()}{info.range[1:]}"
    if info.kind in ("choice", "bool"):
        options = list(info.choices) or ["on", "off"]
        st.session_state[key] = [value for value in listed if value in options]
        st.multiselect(
            f"Values of {info.name}", options, key=key, on_change=_listed, args=(info.name,), help=plain(help)
        )
        return
    between = "; " if info.kind == "widths" else ", "
    st.session_state[key] = between.join(listed)
    st.text_input(
        f"Values of {info.name}", key=key, on_change=_listed, args=(info.name, between.strip()),
        placeholder="256,128; 128,64" if info.kind == "widths" else "1, 2, 3", help=plain(help),
    )  # fmt: skip


def _setting(place: int, draft: Draft) -> None:
    """Put another setting in a place, with its present value to begin with."""
    listed = list(link.read_lists(str(st.session_state.get(link.GRID) or ""))[0].items())
    name = st.session_state[f"sweep-setting-{place}"]
    value = draft.plan.full.get(name)
    new = [] if name == NONE else [(name, [str(said(value)) if isinstance(value, bool) else str(value)])]
    listed[place : place + 1] = new
    st.session_state[link.GRID] = link.written_lists(dict(listed))


def _listed(name: str, between: str = "") -> None:
    given = st.session_state[f"sweep-values-{name}"]
    found = given if isinstance(given, list) else [one.strip() for one in given.split(between)]
    listed = link.read_lists(str(st.session_state.get(link.GRID) or ""))[0]
    st.session_state[link.GRID] = link.written_lists({**listed, name: [one for one in found if one]})


def show(draft: Draft, study: Study | None) -> None:
    """Show the trainings that the sweep is, which of them the shelf has, what they take, and start them."""
    try:
        lines = _lines(draft, _changes(draft, study))
    except MsvizError as error:
        st.markdown(f":red[:material/error: {plain(str(error))}]")
        return
    if not lines:
        st.caption("Choose a setting and its values, and the trainings are listed here.")
        return
    missing = [line for line in lines if line.known is None]
    called = names([line.plan for line in missing], draft.base, draft.stem, start.taken())
    given = iter(called)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "Run": line.known.name if line.known else next(given),
                    "What it changes": ", ".join(line.plan.differences(draft.base).values()) or "nothing",
                    "Seed": line.plan.seed,
                    "State": _state(line),
                }
                for line in lines
            ]
        ),
        hide_index=True,
    )
    wrong = {line.wrong for line in missing if line.wrong}
    if missing and not wrong:
        before.show(draft, count=len(missing))
    orders = [
        start.Order(line.plan, name, start.title(draft, line.plan))
        for line, name in zip(missing, called, strict=True)
    ]
    group = f"{draft.base.model}, {study.label}" if study else f"{draft.stem}: {' by '.join(_varied(study))}"
    if orders:
        start.button(orders, group, sorted(wrong))
    _result(lines, called, study)


def _changes(draft: Draft, study: Study | None) -> list[dict[str, Any]]:
    """Return the changes of each training beside the seed."""
    if study is not None:
        return study.changes
    listed = link.read_lists(str(st.session_state.get(link.GRID) or ""))[0]
    known = by_name(draft.base.model)
    kept = {name: values for name, values in list(listed.items()) if name in known and values}
    if not kept:
        return []
    return Study("", "", draft.base.model, grid=dict(list(kept.items())[:2])).changes


def _varied(study: Study | None) -> list[str]:
    return list(link.read_lists(str(st.session_state.get(link.GRID) or ""))[0])[:2]


def _lines(draft: Draft, changes: Sequence[dict[str, Any]]) -> list[Line]:
    """Return the trainings with what is wrong with each; MsvizError for too many."""
    if not changes:
        return []
    found = []
    for plan in variants(draft.plan, changes, draft.seeds):
        known = plan.trained(draft.dataset.fingerprint, shelf.runs())
        schema, _, wrong = seen(plan, draft.dataset)
        wrong = checked(plan, draft.dataset, schema) | wrong
        told = "; ".join(f"{name}: {why}" for name, why in wrong.items())
        found.append(Line(plan, known, told))
    return found


def _state(line: Line) -> str:
    if line.known is not None:
        return "on the shelf"
    return line.wrong or "will be trained"


def _result(lines: Sequence[Line], called: Sequence[str], study: Study | None) -> None:
    """Link to the comparison of exactly these runs."""
    there = [line.known.name for line in lines if line.known]
    picture = study.show if study else "Grid" if len(_varied(study)) > 1 else "Curve"
    waiting = f"; {len(called)} will join when they are trained" if called else ""
    if len(there) < 2:
        return
    st.page_link(
        "pages_look/performance.py",
        label=f"Compare the {len(there)} on the shelf ({picture.lower()})",
        icon=":material/compare:",
        query_params={
            "run": there[0], "performance_view": "Runs", "runs": there, "runs_show": picture,
        },
        help=plain(f"Performance, exactly these runs{waiting}"),
    )  # fmt: skip
