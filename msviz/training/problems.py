"""What is wrong with settings, all of it at once, each told at the setting that is wrong."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from msviz.errors import MsvizError

ROUNDS = 20  # a config says one thing at a time; so many are waited for


def found(kind: type[BaseModel], values: dict[str, Any], wanted: Mapping[str, str]) -> dict[str, str]:
    """Return a sentence for each setting that a typed config refuses; "" where it names no setting.

    `wanted` says of a setting what it may be ("a whole number from 1 to 8").

    A check over several settings stops at the first complaint and is not asked while a single value is
    wrong; so what was told is put back to its default, and the config is asked again.
    """
    wrong: dict[str, str] = {}
    tried = dict(values)
    for _ in range(ROUNDS):
        try:
            kind.model_validate(tried)
            return wrong
        except ValidationError as error:
            complaints = dict(_complaints(kind, error, wanted))
        fresh = {name: words for name, words in complaints.items() if name not in wrong}
        if not fresh:
            return wrong
        wrong |= fresh
        # Names that a complaint has in common, such as width and heads, are put back together.
        for name in complaints:
            tried.pop(name, None)
    return wrong


def sentence(error: MsvizError) -> str:
    """Return what an error says was wanted, without the name of the parameter and its value."""
    text = str(error)
    return text.partition("; ")[2] or text


def _complaints(
    kind: type[BaseModel], error: ValidationError, wanted: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield setting and sentence of each complaint; one about the whole goes to all settings it names."""
    for problem in error.errors():
        words = problem["msg"].removeprefix("Value error, ")
        if problem["loc"]:
            name = str(problem["loc"][0])
            choices = wanted.get(name, "") if problem["type"] != "value_error" else ""
            yield name, f"got {str(problem['input'])[:40]}; wanted: {choices}" if choices else words
            continue
        named = [name for name in kind.model_fields if re.search(rf"\b{name}\b", words)]
        for name in named or [""]:
            yield name, words
