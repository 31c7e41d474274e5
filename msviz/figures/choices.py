"""What a reader may choose in a picture: validated names, and the most telling part of long axes."""

import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from msviz.errors import invalid, one_of

Array = np.ndarray[Any, Any]


def names(data: xr.Dataset | xr.DataArray, dim: str) -> list[str]:
    """Return the coordinate of one axis as strings."""
    return [str(name) for name in data[dim].values]


def pick(data: xr.Dataset, dim: str, value: str | None) -> str:
    """Return `value` where the axis has it, its first entry for None; raise MsvizError with the choices."""
    choices = names(data, dim)
    if value is None:
        return choices[0]
    if str(value) not in choices:
        raise invalid(dim, value, one_of(choices[:20]))
    return str(value)


def choice(parameter: str, value: str, choices: Sequence[str]) -> str:
    """Return `value`; raise MsvizError with the choices when it is none of them."""
    if value not in choices:
        raise invalid(parameter, value, one_of(choices))
    return value


def unique(labels: Sequence[str]) -> list[str]:
    """Return labels with '(2)', '(3)' behind repeated ones: an axis of categories would merge them."""
    counts: dict[str, int] = {}
    out = []
    for label in labels:
        counts[label] = counts.get(label, 0) + 1
        out.append(label if counts[label] == 1 else f"{label} ({counts[label]})")
    return out


def largest(weights: Array, limit: int) -> Array:
    """Return the positions of the `limit` largest weights (NaN counts least), in their own order."""
    if len(weights) <= limit:
        return np.arange(len(weights))
    return np.sort(np.argsort(-np.nan_to_num(weights, nan=-np.inf), kind="stable")[:limit])


def shown(kept: int, total: int, what: str, by: str) -> str:
    """Return '' when all are shown, else '40 of 300 scenarios, those with most rows (… and 260 more)'."""
    return "" if kept == total else f"{kept} of {total} {what}, {by} (… and {total - kept} more)"


def title(axis: str, *notes: str, width: int = 54) -> str:
    """Return an axis title with the notes behind it, wrapped so that a phone shows it whole."""
    text = "; ".join(part for part in (axis, *notes) if part)
    return "<br>".join(textwrap.wrap(text, width))
