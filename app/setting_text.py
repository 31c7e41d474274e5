"""Changed settings as one parameter of the link: experts:3,hidden:128+64; and lists of values for a sweep.

Nothing here needs Streamlit.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote, unquote

CHANGES, GRID = "set", "grid"  # the parameters of the link
# As `msviz.training.settings.said` writes them, which brings torch: the controls of all pages do without.
WORDS = {None: "auto", True: "on", False: "off"}
SAFE = " '\"=<>!()[]`/-_."  # these stand in a link as they are; , : + % are ours


def format_changes(changes: Mapping[str, Any]) -> str:
    """Return changes as text; commas inside a value become plus signs."""
    return ",".join(f"{name}:{_format_value(value)}" for name, value in changes.items())


def parse_changes(text: str) -> tuple[dict[str, str], list[str]]:
    """Return the changes of a text, and the parts of it that are none."""
    changes, wrong = {}, []
    for part, name, value in _split(text):
        if name:
            changes[name] = unquote(value.replace("+", ","))
        else:
            wrong.append(part)
    return changes, wrong


def format_lists(lists: Mapping[str, Sequence[Any]]) -> str:
    """Return lists of values as text; plus signs stand between the values of one setting."""
    return ",".join(
        f"{name}:{'+'.join(_format_value(value).replace('+', '%2C') for value in values)}"
        for name, values in lists.items()
    )


def parse_lists(text: str) -> tuple[dict[str, list[str]], list[str]]:
    """Return the lists of a text by setting, and the parts of it that are none."""
    lists, wrong = {}, []
    for part, name, values in _split(text):
        if name:
            lists[name] = [unquote(value) for value in values.split("+") if value]
        else:
            wrong.append(part)
    return lists, wrong


def _split(text: str) -> Iterator[tuple[str, str, str]]:
    """Yield each part of a text, its name ("" where it names nothing) and what stands after the colon."""
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, colon, value = part.partition(":")
        yield part, name.strip() if colon else "", value


def _format_value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return WORDS[value]
    text = f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value)
    return quote(text, safe=SAFE + ",").replace(",", "+")
