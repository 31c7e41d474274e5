"""What the questions about attention have in common: the names on its axes and the best cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import invalid

if TYPE_CHECKING:
    from msviz.probing.study import Study

Array = np.ndarray[Any, Any]
AXES = ("layer", "head", "query", "key")
ALL = "All scenarios"
MEAN = "mean of heads"


def field_names(study: Study, size: int) -> list[str]:
    """Return the titles of the N fields; raise MsvizError when attention is over something else."""
    names = [field.label for field in study.schema.features]
    if len(names) != size:
        raise invalid(
            "attention", f"{size} positions", f"the log has {len(names)} fields: it is not over fields"
        )
    return names


def coords(study: Study, layers: int, heads: int, fields: int) -> dict[str, list[str]]:
    """Return the readable coordinates of layer, head (mean of heads first), query and key."""
    names = field_names(study, fields)
    return {
        "layer": [str(number + 1) for number in range(layers)],
        "head": [MEAN, *(str(number + 1) for number in range(heads))],
        "query": names,
        "key": names,
    }


def with_mean(attention: Array) -> Array:
    """Put the mean of heads in front of the heads: (..., H, N, N) becomes (..., 1 + H, N, N)."""
    return np.concatenate([attention.mean(-3, keepdims=True), attention], -3)


def strongest(attention: Array) -> tuple[int, int]:
    """Return query and key of the largest cell (N, N) between two different fields."""
    apart = np.where(np.eye(len(attention), dtype=bool), -np.inf, attention)
    query, key = np.unravel_index(int(np.argmax(apart)), apart.shape)
    return int(query), int(key)
