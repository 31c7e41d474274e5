"""What can be set in a training, read off the typed configs: range, sentence, the paper's default."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Any, Literal, get_args

import annotated_types
from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from msviz.nets.base import net_class
from msviz.nets.layers import Widths
from msviz.training.loop import AUTO, Training

Settings = Mapping[str, Any]
Group = Literal["model", "training", "rows"]
Kind = Literal["int", "float", "bool", "choice", "widths", "text"]
# Settings of training that say which rows are read, and how.
ROWS = ("train_where", "train_share", "scenario_fields")
FIRST = 8  # settings of a model that are asked for most stand first in its config


@dataclass(frozen=True)
class SettingInfo:
    """One setting: what it is, what it may be, and what it is by default."""

    name: str
    group: Group
    kind: Kind
    sentence: str
    default: Any
    low: float | None = None
    high: float | None = None
    open: bool = False  # `low` itself is not allowed
    choices: tuple[str, ...] = ()
    often: bool = False  # among those that are changed most
    auto: bool = False  # may be left to the number of rows: None, which people write as auto

    @property
    def range(self) -> str:
        """Return 'from 1 to 8', 'above 0, up to 10', 'a, b or c', or '' where anything goes."""
        if self.choices:
            return ", ".join(self.choices[:-1]) + f" or {self.choices[-1]}"
        if self.low is None or self.high is None:
            return ""
        low, high = said(self.low), said(self.high)
        return f"above {low}, up to {high}" if self.open else f"from {low} to {high}"

    @property
    def wanted(self) -> str:
        """Return what a value should be: 'a whole number from 1 to 8'; '' where only its reader knows."""
        kinds: dict[Kind, str] = {"int": "a whole number", "float": "a number", "bool": "on or off"}
        words = " ".join(part for part in (kinds.get(self.kind, ""), self.range) if part)
        return f"{words}, or {AUTO}" if self.auto else words

    def typed(self, value: Any) -> Any:
        """Return a value of this setting's type where it can be read as one, else as it is."""
        if self.auto and value in (None, AUTO):
            return None
        if isinstance(value, bool | int | float | str | None):
            return _typed_once(self.kind, value)
        return _typed(self.kind, value)


@cache
def describe_settings(model: str) -> tuple[SettingInfo, ...]:
    """Return all settings of a model and of training, those of the rows last; MsvizError for no model."""
    described = [
        _info(name, field, "model", number < FIRST)
        for number, (name, field) in enumerate(net_class(model).Config.model_fields.items())
    ]
    often = ("epochs", "batch_size", "learning_rate", "optimiser")
    own = [
        _info(name, field, "rows" if name in ROWS else "training", name in often)
        for name, field in Training.model_fields.items()
    ]
    return (*described, *sorted(own, key=lambda info: (info.group == "rows", not info.often)))


@cache
def by_name(model: str) -> dict[str, SettingInfo]:
    """Return the settings of a model and of training by name."""
    return {info.name: info for info in describe_settings(model)}


def said(value: Any) -> str:
    """Return a setting's value as people read it: on, off, none, auto, 0.001."""
    if value is None:
        return AUTO
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if value >= 1000 and value == int(value) else f"{value:g}"
    return str(value) or "none"


def _info(name: str, field: FieldInfo, group: Group, often: bool) -> SettingInfo:
    low: Any = None
    high: Any = None
    is_open = False
    auto = type(None) in get_args(field.annotation)
    for limit in field.metadata:
        if isinstance(limit, annotated_types.Ge | annotated_types.Gt):
            is_open = isinstance(limit, annotated_types.Gt)
            low = getattr(limit, "gt" if is_open else "ge")
        elif isinstance(limit, annotated_types.Le):
            high = limit.le
    kind = _kind(field)
    choices = tuple(map(str, get_args(field.annotation))) if kind == "choice" else ()
    words = field.description or ""
    return SettingInfo(name, group, kind, words, field.default, low, high, is_open, choices, often, auto)


def _kind(field: FieldInfo) -> Kind:
    if field.annotation is bool:
        return "bool"
    if field.annotation is int or int in get_args(field.annotation):
        return "int"
    if field.annotation is float:
        return "float"
    if field.annotation is str:
        return "widths" if get_args(Widths)[1] in field.metadata else "text"
    return "choice"


def _typed(kind: Kind, value: Any) -> Any:
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError:
        return value


# Pages ask again and again, of many runs, about the same few values. True is not 1 here, and 1 is not 1.0.
_typed_once = lru_cache(maxsize=10_000, typed=True)(_typed)


@cache
def _adapter(kind: Kind) -> TypeAdapter[Any]:
    types: dict[Kind, Any] = {"int": int, "float": float, "bool": bool, "widths": Widths}
    return TypeAdapter(types.get(kind, str))
