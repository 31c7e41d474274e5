"""Changed settings as one parameter of the link: experts:3,hidden:128+64; and lists of values for a sweep."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

import streamlit as st

from app import links
from msviz.training.settings import AUTO

SET, GRID = "set", "grid"
SAFE = " '\"=<>!()[]`/-_."  # these stand in a link as they are; , : + % are ours
OWN = ("seeds", "seed", "device")  # of a training, beside the settings of its config


def written(changes: Mapping[str, Any]) -> str:
    """Return changes as text; commas inside a value become plus signs."""
    return ",".join(f"{name}:{_value(value)}" for name, value in changes.items())


def read(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the changes of a text, and the parts of it that are none."""
    found, wrong = {}, []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = part.partition(":")
        if colon and name.strip():
            found[name.strip()] = unquote(value.replace("+", ","))
        else:
            wrong.append(part)
    return found, wrong


def written_lists(values: Mapping[str, Sequence[Any]]) -> str:
    """Return lists of values as text; plus signs stand between the values of one setting."""
    return ",".join(
        f"{name}:{'+'.join(_value(one).replace('+', '%2C') for one in listed)}"
        for name, listed in values.items()
    )


def read_lists(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the lists of a text by setting, and the parts of it that are none."""
    found, wrong = {}, []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, listed = part.partition(":")
        if colon and name.strip():
            found[name.strip()] = [unquote(value) for value in listed.split("+") if value]
        else:
            wrong.append(part)
    return found, wrong


def changes() -> dict[str, str]:
    """Return what the link changes, as text by name; say what in it is no change."""
    found, wrong = read(str(st.session_state.get(SET) or ""))
    for part in wrong:
        links.note("Setting", part, "it is left out; wanted: name:value")
    return found


def change(name: str, value: Any, base: Any) -> None:
    """Change a setting, or take its change back where the value is that of the base; for callbacks."""
    found = read(str(st.session_state.get(SET) or ""))[0]
    found.pop(name, None)
    if value != base:
        found[name] = value
    st.session_state[SET] = written(found)


def replace(values: Mapping[str, Any]) -> None:
    """Put other changes in the place of all; for callbacks."""
    st.session_state[SET] = written(values)


def _value(value: Any) -> str:
    if value is None:
        return AUTO
    if isinstance(value, bool):
        return "on" if value else "off"
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return quote(text, safe=SAFE + ",").replace(",", "+")
