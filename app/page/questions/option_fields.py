"""Widgets made from the typed options of a question: one an option, with its sentence, range and default."""

from collections.abc import Mapping
from typing import Any, Literal, get_args, get_origin

import annotated_types
import streamlit as st
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from app import links

ACROSS = 3
AS_USUAL = "as usual"  # of an option that may be left open


def choose_options(question: str, kind: type[BaseModel]) -> dict[str, Any]:
    """Return the options that a reader set to something else than the default."""
    fields = list(kind.model_fields.items())
    chosen: dict[str, Any] = {}
    for start in range(0, len(fields), ACROSS):
        columns = st.columns(ACROSS, vertical_alignment="bottom")
        for column, (name, field) in zip(columns, fields[start : start + ACROSS], strict=False):
            with column:
                value = _choose(name.replace("_", " ").capitalize(), f"{question}-{name}", field)
            if value not in (None, "") and (field.is_required() or value != field.default):
                chosen[name] = value
    return chosen


def lacking_options(kind: type[BaseModel], chosen: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the options without a default that were not chosen yet."""
    return tuple(
        name for name, field in kind.model_fields.items() if field.is_required() and name not in chosen
    )


def _choose(label: str, key: str, field: FieldInfo) -> Any:
    """Return the value of one option; what is no switch, list or number is text, as on the command line."""
    default = None if field.is_required() else field.default
    types = [part for part in _types(field.annotation) if part is not type(None)]
    words = field.description
    if types == [bool]:
        return st.toggle(label, bool(default), key=key, help=words, bind="query-params")
    if types and all(get_origin(part) is Literal for part in types):
        choices = [str(choice) for part in types for choice in get_args(part)]
        open_choices = [AS_USUAL] if default is None and not field.is_required() else []
        value = links.choose(label, [*open_choices, *choices], key, default=str(default), help=words)
        return None if value == AS_USUAL else value
    if types in ([int], [float]):
        return _choose_number(label, key, field, types[0], default)
    text = "" if default is None else str(default)
    return st.text_input(label, text, key=key, help=words, bind="query-params").strip()


def _choose_number(label: str, key: str, field: FieldInfo, kind: type[Any], default: Any) -> Any:
    """Return a number; a bound that is itself excluded is left for the question to refuse."""
    low = next((kind(limit.ge) for limit in field.metadata if isinstance(limit, annotated_types.Ge)), None)
    high = next((kind(limit.le) for limit in field.metadata if isinstance(limit, annotated_types.Le)), None)
    value = None if default is None else kind(default)
    return st.number_input(
        label, low, high, value, step=1 if kind is int else None, key=key, help=field.description,
        bind="query-params",
    )  # fmt: skip


def _types(annotation: Any) -> tuple[Any, ...]:
    """Return the types that a value may have: those of a union, or the one."""
    if get_origin(annotation) is Literal:
        return (annotation,)
    return get_args(annotation) or (annotation,)
