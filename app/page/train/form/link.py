"""The changes that the form makes, which live in the link: every part reads and writes them here."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from app import links
from app.setting_text import CHANGES, GRID, format_changes, format_lists, parse_changes, parse_lists


def read_changes() -> dict[str, str]:
    """Return what the link changes, as text by name; say what in it is no change."""
    changes, wrong = parse_changes(_text(CHANGES))
    for part in wrong:
        links.note("Setting", part, "it is left out; wanted: name:value")
    return changes


def change_setting(name: str, value: Any, base: Any) -> None:
    """Change a setting, or take its change back where the value is that of the base; for callbacks."""
    changes: dict[str, Any] = dict(parse_changes(_text(CHANGES))[0])
    changes.pop(name, None)
    if value != base:
        changes[name] = value
    replace_changes(changes)


def replace_changes(changes: Mapping[str, Any]) -> None:
    """Put other changes in the place of all; for callbacks."""
    st.session_state[CHANGES] = format_changes(changes)


def read_grid() -> tuple[dict[str, list[str]], list[str]]:
    """Return the lists of values of a sweep by setting, and the parts of the link that are none."""
    return parse_lists(_text(GRID))


def replace_grid(lists: Mapping[str, Sequence[Any]]) -> None:
    """Put other lists of values in the place of all; for callbacks."""
    st.session_state[GRID] = format_lists(lists)


def _text(key: str) -> str:
    return str(st.session_state.get(key) or "")
