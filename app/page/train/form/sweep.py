"""A sweep: one or two settings over lists of values, or a study of a paper, as many trainings in one go."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from app import links, navigation, shelf
from app.markdown import escape_markdown
from app.page.train.form import estimate, link, start
from app.page.train.form.cached_checks import find_problems, view_training
from app.page.train.form.draft import Draft
from msviz.errors import MsvizError
from msviz.papers.study import PaperStudy
from msviz.run import Run
from msviz.training.plans import Plan, names, variants
from msviz.training.settings import SettingInfo, by_name, said

LABELS = ("First setting", "Second setting")
NONE = "none"


@dataclass(frozen=True)
class SweepTraining:
    """One training of a sweep: its plan, what makes it, and the run of the shelf that it would give again."""

    plan: Plan
    trained: Run | None
    wrong: str


def choose_values(draft: Draft, study: PaperStudy | None) -> None:
    """Choose one or two settings and their values; a study of a paper brings its own."""
    if study is not None:
        st.markdown(
            f"**{escape_markdown(study.label)}**: {escape_markdown(study.title)}."
            + (f" {escape_markdown(study.note)}" if study.note else "")
        )
        return
    infos = {name: info for name, info in by_name(draft.base.model).items() if info.group != "rows"}
    listed, wrong = link.read_grid()
    for part in [*wrong, *(name for name in listed if name not in infos)]:
        links.note("Values of the sweep", part, f"wanted: a setting of {draft.base.model} and its values")
    chosen = [name for name in listed if name in infos][:2]
    for slot, label in enumerate(LABELS):
        if slot > len(chosen):
            return
        left, right = st.columns(2, vertical_alignment="bottom")
        name = chosen[slot] if slot < len(chosen) else NONE
        with left:
            key = f"sweep-setting-{slot}"
            st.session_state[key] = name
            options = [NONE, *(other for other in infos if other not in chosen or other == name)]
            st.selectbox(label, options, key=key, on_change=_put_setting, args=(slot, draft))
        if name != NONE:
            with right:
                _choose_list(infos[name], listed[name])


def _choose_list(info: SettingInfo, listed: list[str]) -> None:
    key = f"sweep-values-{info.name}"
    help = f"{info.sentence[:1].upper()}{info.sentence[1:]}. {info.range[:1].upper()}{info.range[1:]}"
    if info.kind in ("choice", "bool"):
        options = list(info.choices) or ["on", "off"]
        st.session_state[key] = [value for value in listed if value in options]
        st.multiselect(
            f"Values of {info.name}",
            options,
            key=key,
            on_change=_take_over_list,
            args=(info.name,),
            help=escape_markdown(help),
        )
        return
    between = "; " if info.kind == "widths" else ", "
    st.session_state[key] = between.join(listed)
    st.text_input(
        f"Values of {info.name}", key=key, on_change=_take_over_list, args=(info.name, between.strip()),
        placeholder="256,128; 128,64" if info.kind == "widths" else "1, 2, 3", help=escape_markdown(help),
    )  # fmt: skip


def _put_setting(slot: int, draft: Draft) -> None:
    """Put another setting in a place, with its present value to begin with."""
    listed = list(link.read_grid()[0].items())
    name = st.session_state[f"sweep-setting-{slot}"]
    value = draft.plan.full.get(name)
    new = [] if name == NONE else [(name, [str(said(value)) if isinstance(value, bool) else str(value)])]
    listed[slot : slot + 1] = new
    link.replace_grid(dict(listed))


def _take_over_list(name: str, between: str = "") -> None:
    given = st.session_state[f"sweep-values-{name}"]
    values = given if isinstance(given, list) else [value.strip() for value in given.split(between)]
    listed = link.read_grid()[0]
    link.replace_grid({**listed, name: [value for value in values if value]})


def show(draft: Draft, study: PaperStudy | None) -> None:
    """Show the trainings that the sweep is, which of them the shelf has, what they take, and start them."""
    try:
        lines = _lines(draft, _changes(draft, study))
    except MsvizError as error:
        st.markdown(f":red[:material/error: {escape_markdown(str(error))}]")
        return
    if not lines:
        st.caption("Choose a setting and its values, and the trainings are listed here.")
        return
    missing = [line for line in lines if line.trained is None]
    new_names = names([line.plan for line in missing], draft.base, draft.stem, start.taken_names())
    given = iter(new_names)
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "Run": line.trained.name if line.trained else next(given),
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
        estimate.show(draft, count=len(missing))
    orders = [
        start.Order(line.plan, name, start.training_title(draft, line.plan))
        for line, name in zip(missing, new_names, strict=True)
    ]
    group = f"{draft.base.model}, {study.label}" if study else f"{draft.stem}: {' by '.join(_varied(study))}"
    if orders:
        start.offer_start(orders, group, sorted(wrong))
    _link_to_result(lines, new_names, study)


def _changes(draft: Draft, study: PaperStudy | None) -> list[dict[str, Any]]:
    """Return the changes of each training beside the seed."""
    if study is not None:
        return study.changes
    listed = link.read_grid()[0]
    settings = by_name(draft.base.model)
    grid = {name: values for name, values in listed.items() if name in settings and values}
    if not grid:
        return []
    return PaperStudy("", "", draft.base.model, grid=dict(list(grid.items())[:2])).changes


def _varied(study: PaperStudy | None) -> list[str]:
    return list(link.read_grid()[0])[:2]


def _lines(draft: Draft, changes: Sequence[dict[str, Any]]) -> list[SweepTraining]:
    """Return the trainings with what is wrong with each; MsvizError for too many."""
    if not changes:
        return []
    lines = []
    for plan in variants(draft.plan, changes, draft.seeds):
        trained = plan.trained(draft.dataset.fingerprint, shelf.runs())
        problems = find_problems(plan, draft.dataset, view_training(plan, draft.dataset))
        wrong = "; ".join(f"{name}: {why}" for name, why in problems.items())
        lines.append(SweepTraining(plan, trained, wrong))
    return lines


def _state(line: SweepTraining) -> str:
    if line.trained is not None:
        return "on the shelf"
    return line.wrong or "will be trained"


def _link_to_result(
    lines: Sequence[SweepTraining], new_names: Sequence[str], study: PaperStudy | None
) -> None:
    """Link to the comparison of exactly these runs."""
    trained = [line.trained.name for line in lines if line.trained]
    picture = study.show if study else "Grid" if len(_varied(study)) > 1 else "Curve"
    waiting = f"; {len(new_names)} will join when they are trained" if new_names else ""
    if len(trained) < 2:
        return
    navigation.link_to(
        "performance",
        label=f"Compare the {len(trained)} on the shelf ({picture.lower()})",
        icon=":material/compare:",
        query_params={
            "run": trained[0],
            "performance_view": "Runs",
            "runs": trained,
            "runs_show": picture,
        },
        help=escape_markdown(f"Performance, exactly these runs{waiting}"),
    )
