"""Every state is a link: widgets bound to the address, and a clear word about values that do not fit."""

from collections.abc import Sequence

import streamlit as st

from app.markdown import escape_markdown
from msviz.figures.theme import ALL

NOTES, PAGE = "_link_notes", "_link_page"
# What links of before ask for, by what it is called today.
FORMER = {
    ("weights", "Groups inside"): "Subgroups",
    ("weights", "What it costs to lose a field"): "Permutation importance",
    ("shelf_sort", "Kept first"): "Pinned first",
}


def forget_notes() -> None:
    """Forget what was said about the last run of the script."""
    st.session_state[NOTES] = []


def take_over(page: str) -> None:
    """Let a link that leads to another page win over what was chosen before, which widgets would keep."""
    for key in list(st.query_params):
        if today := FORMER.get((key, st.query_params[key])):
            # The widget takes its value from here; it was bound to the address as the link wrote it.
            st.query_params[key] = st.session_state[key] = today
    # What was chosen before may stand in the address too, in front of what the link asks for.
    asked = {key: st.query_params.get_all(key)[-1:] for key in st.query_params}
    before, seen = st.session_state.get(PAGE, (page, {}))
    if before != page:
        for key, values in asked.items():
            held = st.session_state.get(key)
            if isinstance(held, str) and values and values[0] != held and values != seen.get(key):
                st.session_state[key] = values[0]
    st.session_state[PAGE] = (page, asked)


def show_notes() -> None:
    """Show what the link asked for and could not get."""
    for note in st.session_state.get(NOTES, []):
        st.warning(note, icon=":material/link_off:")


def choose(
    label: str, options: Sequence[str], key: str, *, default: str | None = None, help: str | None = None
) -> str:
    """Return one of `options`, chosen in a select box that the address remembers."""
    fallback = default if default is not None and default in options else options[0]
    _check(label, options, key, fallback)
    chosen = st.selectbox(
        label, options, index=options.index(fallback), key=key, bind="query-params", help=help
    )
    return str(chosen)


def choose_several(
    label: str,
    options: Sequence[str],
    key: str,
    *,
    default: Sequence[str],
    most: int | None = 6,
    help: str | None = None,
) -> list[str]:
    """Return up to `most` of `options`, chosen in a box that the address remembers; `default` for none.

    `most` None is any number.
    """
    asked, held = st.query_params.get_all(key), list(st.session_state.get(key) or [])
    for value in dict.fromkeys([*asked, *held]):
        if value not in options:
            note(label, str(value), "it is left out")
    for value in asked[most or len(asked) :]:
        note(label, value, f"{most} can be shown at a time")
    if key in st.session_state:
        fitting = [value for value in held if value in options][:most]
        if fitting != held:
            st.session_state[key] = fitting
    chosen = st.multiselect(
        label,
        options,
        default=list(default)[:most],
        key=key,
        bind="query-params",
        max_selections=most,
        help=help,
    )
    return [str(value) for value in chosen] or list(default)[:most]


def switch(label: str, options: Sequence[str], key: str, *, help: str | None = None) -> str:
    """Return one of a few `options`, chosen in a row of buttons that the address remembers."""
    _check(label, options, key, options[0])
    chosen = st.segmented_control(
        label, options, default=options[0], required=True, key=key, bind="query-params", help=help
    )
    return str(chosen)


def choose_number(label: str, key: str, *, help: str | None = None) -> int | None:
    """Return a whole number from 0 that the address remembers, or None."""
    text = st.query_params.get(key)
    if text and not text.isdigit():
        note(label, text, "it is not a whole number")
    value = st.number_input(
        label,
        min_value=0,
        value=None,
        step=1,
        key=key,
        bind="query-params",
        help=help,
        placeholder="row number",
    )
    return None if value is None else int(value)


def _check(label: str, options: Sequence[str], key: str, fallback: str) -> None:
    """Note a link's value that is no option, and forget a choice that the options no longer have."""
    asked = st.query_params.get(key)
    held = st.session_state.get(key)
    for value in dict.fromkeys((asked, held)):
        # What the reader never chose is no news: a view without "All scenarios" just starts elsewhere.
        if value and value not in options and value != ALL:
            note(label, str(value), f"{fallback} is shown instead")
    if held is not None and held not in options:
        del st.session_state[key]


def note(label: str, value: str, what: str) -> None:
    """Say above the page that something which the link asks for is not to be had."""
    note = escape_markdown(f'{label} "{value[:80]}" is not available here: {what}.')
    if note not in st.session_state[NOTES]:
        st.session_state[NOTES].append(note)
