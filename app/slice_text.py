"""The text of a slice as pages change it, condition by condition; nothing here needs Streamlit."""

from collections.abc import Sequence

from msviz.data import slices
from msviz.errors import MsvizError


def replace_condition(text: str, starts: Sequence[str], condition: str) -> str:
    """Return a slice with a condition in the place of those that speak of the same, by how they start."""
    try:
        conditions = slices.conditions(text)
    except MsvizError:
        conditions = []
    words = tuple(start if start.endswith("(") else f"{start} " for start in starts)
    return str(slices.joined([*(other for other in conditions if not other.startswith(words)), condition]))


def drop_condition(conditions: Sequence[str], index: int) -> str:
    """Return a slice without one of its conditions."""
    return str(slices.joined([*conditions[:index], *conditions[index + 1 :]]))


def shorten(condition: str, limit: int = 60) -> str:
    """Return a condition as a chip has room for it."""
    if condition.startswith("chosen("):
        return "chosen impressions"
    return condition if len(condition) <= limit else condition[: limit - 1] + "…"
