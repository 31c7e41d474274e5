"""Which rows are trained on, what is the scenario, how often, with which seeds and on which device."""

import streamlit as st

from app import slicing
from app.markdown import escape_markdown
from app.page.train.form import fields, link
from app.page.train.form.draft import MOST_SEEDS, Draft
from msviz.training.settings import by_name

MODE, PENDING = "train-rows", "_train_rows_pending"
MODES = ("All rows", "A share", "Rows where")
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)


def show(draft: Draft) -> None:
    """Show rows, scenario, epochs, seeds and device."""
    left, right = st.columns(2)
    with left:
        _show_rows(draft)
    with right:
        _show_scenario(draft)
    for column, part in zip(st.columns(3), (_show_epochs, _show_seeds, _show_device), strict=True):
        with column:
            part(draft)


def _show_epochs(draft: Draft) -> None:
    fields.show_setting(by_name(draft.base.model)[fields.WITH_ROWS], draft)


def _show_rows(draft: Draft) -> None:
    full = draft.plan.full
    pending = st.session_state.get(PENDING)
    mode = MODES[2] if full["train_where"] else MODES[1] if full["train_share"] != 1 else MODES[0]
    mode = MODES[2] if pending == MODES[2] and mode == MODES[0] else mode
    st.session_state[MODE] = mode
    st.segmented_control(
        "Rows to train on", MODES, key=MODE, required=True, on_change=_switch_mode, args=(draft,),
        help="Of train, and of valid where a condition is given; test stays whole, so that runs compare",
    )  # fmt: skip
    if mode == MODES[1]:
        share = full["train_share"]
        options = sorted({*SHARES, share}) if isinstance(share, float) else list(SHARES)
        key = "field-train_share"
        st.session_state[key] = share if share in options else SHARES[4]
        st.select_slider(
            "Share", options, key=key,
            format_func=lambda share: f"{share:.0%}" if share >= 0.01 else f"{share:.1%}",
            on_change=_set, args=("train_share", draft.base.full["train_share"]),
            help="Drawn alike for every seed, so that all runs at one share see the same rows",
        )  # fmt: skip
    elif mode == MODES[2]:
        key = "field-train_where"
        st.session_state[key] = full["train_where"]
        st.text_input(
            "Only rows where", key=key, placeholder="scenario != 'Flash sale'", help=slicing.HELP,
            on_change=_set, args=("train_where", draft.base.full["train_where"]),
        )  # fmt: skip
    for name in ("train_where", "train_share", "data"):
        if why := draft.problems.get(name):
            st.markdown(f":red[:material/error: {escape_markdown(why)}]")
    total = draft.dataset.rows["train"]
    if draft.schema is not None:
        st.caption(f"{draft.rows:,} of {total:,} rows of train")
    if slicing.current() and full["train_where"] != slicing.current():
        st.button(
            "Train on the slice alone", key="train-on-slice", icon=":material/filter_alt:",
            on_click=link.change_setting,
            args=("train_where", slicing.current(), draft.base.full["train_where"]),
            help=escape_markdown(slicing.current()),
        )  # fmt: skip


def _switch_mode(draft: Draft) -> None:
    """Change the settings that say which rows, so that they fit the mode that was chosen."""
    mode, base, full = st.session_state[MODE], draft.base.full, draft.plan.full
    st.session_state[PENDING] = mode
    where = (full["train_where"] or slicing.current()) if mode == MODES[2] else ""
    share = SHARES[4] if mode == MODES[1] and full["train_share"] == 1 else full["train_share"]
    link.change_setting("train_where", where, base["train_where"])
    link.change_setting("train_share", share if mode == MODES[1] else 1.0, base["train_share"])


def _set(name: str, base: object) -> None:
    link.change_setting(name, st.session_state[f"field-{name}"], base)


def _show_scenario(draft: Draft) -> None:
    """Choose the fields that make the scenario (SATrans, RQ3)."""
    schema = draft.dataset.schema
    users = [field.name for field in schema.features if field.role == "user"]
    labels = {
        field.label: field.name
        for field in schema.features
        if not users or len(users) == 1 or field.name != users[0]
    }
    own = [field.label for field in schema.scenario_fields]
    names = str(draft.plan.full["scenario_fields"] or "").split(",")
    chosen = [label for label, name in labels.items() if name in names or label in names] or own
    key = "train-scenario"
    st.session_state[key] = chosen
    st.multiselect(
        "Scenario", list(labels), key=key, on_change=_set_scenario, args=(draft, labels, own),
        help="The fields whose combination is the scenario; all others stay features. The data's own: "
        + escape_markdown(", ".join(own)),
    )  # fmt: skip
    if why := draft.problems.get("scenario_fields"):
        st.markdown(f":red[:material/error: {escape_markdown(why)}]")
    elif draft.schema is not None:
        st.caption(f"{len(draft.schema.scenarios):,} scenarios")


def _set_scenario(draft: Draft, labels: dict[str, str], own: list[str]) -> None:
    chosen = [label for label in labels if label in st.session_state["train-scenario"]]
    text = "" if chosen in ([], own) else ",".join(labels[label] for label in chosen)
    link.change_setting("scenario_fields", text, draft.base.full["scenario_fields"])


def _show_seeds(draft: Draft) -> None:
    key = "field-seeds"
    st.session_state[key] = len(draft.seeds)
    st.number_input(
        "**Seeds**", 1, MOST_SEEDS, key=key, step=1, on_change=_set_number, args=("seeds", 1),
        help="Trainings that differ in their seed alone: they tell luck from skill. Each is a run of its own",
    )  # fmt: skip
    if len(draft.seeds) > 1:
        st.caption(f"Seeds {draft.seeds[0]} to {draft.seeds[-1]}: {len(draft.seeds)} trainings")


def _show_device(draft: Draft) -> None:
    import torch

    has_gpu = torch.cuda.is_available()
    options = ["auto", "cpu", *(["cuda"] if has_gpu else [])]
    key = "field-device"
    device = draft.plan.device
    st.session_state[key] = device
    st.selectbox(
        "**Device**", [*options, *([device] if device not in options else [])], key=key,
        on_change=_set, args=("device", draft.base.device),
        help="Auto takes the GPU where there is one. " + ("" if has_gpu else "This machine shows none."),
    )  # fmt: skip
    if why := draft.problems.get("device"):
        st.markdown(f":red[:material/error: {escape_markdown(why)}]")


def _set_number(name: str, base: int) -> None:
    link.change_setting(name, int(st.session_state[f"field-{name}"]), base)
