"""Widgets made from the typed configs: one a setting, with its sentence, range, default and what it costs."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from app.markdown import escape_markdown
from app.page.train.form import link
from app.page.train.form.cached_checks import describe_cost
from app.page.train.form.draft import FAST, Draft, presets
from app.page.train.form.number_fields import fits_number, number_step
from msviz.training.loop import AUTO, Training
from msviz.training.settings import SettingInfo, by_name, describe_settings, said
from msviz.training.sizes import AN_EPOCH, sized

OPENED, ADD, ALL = "_train_opened", "train-add", "train-all"
ACROSS = 3
PAPERS = (
    f"As far as the paper tells; a batch that leaves an epoch under {AN_EPOCH} steps follows the rows instead"
)
WITH_ROWS = "epochs"  # stands with the rows


def offer_presets(draft: Draft) -> None:
    """Offer whole sets of settings as buttons."""
    with st.container(horizontal=True, gap="small"):
        for title, values in presets(draft.base, draft.dataset.rows["train"]).items():
            quick = title == FAST
            # A fast look keeps what is changed; other settings take the place of all.
            wanted = {**draft.changes, **values} if quick else values
            st.button(
                title, key=f"train-preset-{title}", icon=f":material/{'bolt' if quick else 'article'}:",
                on_click=link.replace_changes, args=(wanted,),
                help="Few rows, once: about 10 s on the demo" if quick else PAPERS,
            )  # fmt: skip
        st.button(
            "From this run" if draft.origin else "From the start", key="train-preset-base",
            icon=":material/undo:", on_click=undo_all, disabled=not draft.changes,
            help="Every setting as it is in what this starts from",
        )  # fmt: skip


def show_chips(draft: Draft) -> None:
    """Show what is changed, each change with a way back."""
    changes = {name: words for name, words in draft.differences.items() if name in draft.changes}
    if not changes:
        return
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for name, words in changes.items():
            st.button(
                escape_markdown(words),
                key=f"train-chip-{name}",
                icon=":material/close:",
                on_click=_take_back,
                args=(name,),
                help="Take this change back",
            )
        if len(changes) > 1:
            st.button(
                "Undo all", key="train-undo", icon=":material/undo:", type="tertiary",
                on_click=undo_all, help="Back to what it starts from",
            )  # fmt: skip


def show_changed(draft: Draft) -> None:
    """Show the settings that are changed, a way to change another one, and all the others behind a click."""
    infos = by_name(draft.base.model)
    wanted = _opened() | set(draft.problems) | set(draft.differences)
    names = [info.name for info in _settings(draft)]
    shown = [name for name in names if name in wanted]
    rest = [name for name in names if name not in wanted]
    st.session_state.setdefault(ADD, None)
    st.selectbox(
        "Change a setting",
        rest,
        format_func=lambda name: f"{name}: {infos[name].sentence}" if name in infos else str(name),
        key=ADD,
        on_change=_open_setting,
        placeholder="Choose or type, as in experts",
    )
    _show_block(draft, [infos[name] for name in shown])
    _show_rest(draft, "All other settings", [infos[name] for name in rest])


def show_grouped(draft: Draft) -> None:
    """Show the settings that are used most, model's and training's, and the others behind a click."""
    settings = _settings(draft)
    for group, title in (("model", "Model"), ("training", "Training")):
        st.markdown(f"**{title}**")
        _show_block(draft, [info for info in settings if info.group == group and _is_upfront(info, draft)])
    _show_rest(draft, "Further settings", [info for info in settings if not _is_upfront(info, draft)])


def _settings(draft: Draft) -> list[SettingInfo]:
    """Return the settings that are no matter of rows."""
    return [
        info
        for info in describe_settings(draft.base.model)
        if info.group != "rows" and info.name != WITH_ROWS
    ]


def _is_upfront(info: SettingInfo, draft: Draft) -> bool:
    return info.often or info.name in draft.differences or info.name in draft.problems


def _show_rest(draft: Draft, title: str, settings: Sequence[SettingInfo]) -> None:
    """Show settings behind a click; they are not even made before it, thirty widgets take their time."""
    wrong = [info.name for info in settings if info.name in draft.problems]
    box = st.expander(
        f"{title} ({len(settings)})" + (f": {', '.join(wrong)} will not do" if wrong else ""),
        key=ALL,
        on_change="rerun",
        icon=":material/tune:",
    )
    if box.open:
        with box:
            _show_block(draft, settings)


def _show_block(draft: Draft, settings: Sequence[SettingInfo]) -> None:
    for start in range(0, len(settings), ACROSS):
        row = settings[start : start + ACROSS]
        for column, info in zip(st.columns(ACROSS), row, strict=False):
            with column:
                show_setting(info, draft)


def show_setting(info: SettingInfo, draft: Draft) -> None:
    """Show one setting, marked where it is changed, with what is wrong with it."""
    value, base = draft.plan.full[info.name], draft.base.full[info.name]
    key = f"field-{info.name}"
    label = (
        f":blue[**{info.name}**] :blue-badge[changed]"
        if info.name in draft.differences
        else f"**{info.name}**"
    )
    common: dict[str, Any] = {
        "key": key,
        "help": _help(info, draft),
        "on_change": _take_over,
        "args": (info, base),
    }
    # Before the widget is made its value is that of the link, whoever changed it there.
    st.session_state[key] = value
    if info.kind == "bool" and isinstance(value, bool):
        st.toggle(label, **common)
    elif info.kind == "choice":
        options = [*info.choices, *([value] if value not in info.choices else [])]
        st.selectbox(label, options, **common)
    elif info.kind in ("int", "float") and fits_number(info, value):
        _show_number(info, label, value, common)
    else:
        st.session_state[key] = str(value)
        st.text_input(label, placeholder=_example(info), **common)
    if why := draft.problems.get(info.name):
        st.markdown(f":red[:material/error: {escape_markdown(why)}]")


def _show_number(info: SettingInfo, label: str, value: Any, common: dict[str, Any]) -> None:
    placeholder = AUTO if info.auto else None
    common = {**common, "value": None if info.auto else "min"}
    if info.kind == "int":
        low, high = (None if end is None else int(end) for end in (info.low, info.high))
        st.number_input(label, min_value=low, max_value=high, step=1, placeholder=placeholder, **common)
    else:
        least, most = (None if end is None else float(end) for end in (info.low, info.high))
        step = number_step(value or info.default or info.high or 1.0)
        st.number_input(
            label,
            min_value=least,
            max_value=most,
            step=step,
            format="%g",
            placeholder=placeholder,
            **common,
        )


def _example(info: SettingInfo) -> str:
    return "widths such as 256,128; empty for none" if info.kind == "widths" else info.wanted


def _help(info: SettingInfo, draft: Draft) -> str:
    """Return the sentence of a setting, what it may be, its default and what its next value costs."""
    owner = "The paper's default" if info.group == "model" else "Default"
    cost = describe_cost(draft, info.name) if info.group == "model" else _steps(info, draft)
    parts = [part for part in (info.sentence, info.range, f"{owner}: {said(info.default)}", cost) if part]
    return escape_markdown(". ".join(part[:1].upper() + part[1:] for part in parts) + ".")


def _steps(info: SettingInfo, draft: Draft) -> str:
    """Return how many steps a training takes, for the settings that say so."""
    full = draft.plan.full
    if info.name not in ("epochs", "batch_size") or draft.problems or not draft.rows:
        return ""
    taken = sized(Training(batch_size=full["batch_size"], epochs=full["epochs"]), draft.rows)
    steps = -(-draft.rows // (taken.batch_size or 1))
    words = f"{steps:,} steps an epoch, {steps * (taken.epochs or 1):,} in all at most"
    if full[info.name] is not None:
        return words
    return f"{AUTO} is {getattr(taken, info.name):,} for these {draft.rows:,} rows; {words}"


def _take_over(info: SettingInfo, base: Any) -> None:
    value = st.session_state[f"field-{info.name}"]
    link.change_setting(info.name, info.typed(value), base)
    # It stays where it stands, also when it is set back by hand.
    _opened().add(info.name)


def _open_setting() -> None:
    if name := st.session_state[ADD]:
        _opened().add(name)
    st.session_state[ADD] = None


def _take_back(name: str) -> None:
    link.change_setting(name, None, None)
    _opened().discard(name)


def undo_all() -> None:
    """Take all changes back; for a button's on_click."""
    link.replace_changes({})
    _opened().clear()


def _opened() -> set[str]:
    """Return the settings that a reader has put on the form without having changed them yet."""
    names: set[str] = st.session_state.setdefault(OPENED, set())
    return names
