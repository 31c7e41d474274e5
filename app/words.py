"""Words from data on a page of Markdown: names must not turn into formatting, links or formulas."""

import re

SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:&-])")


def plain(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return SPECIAL.sub(r"\\\1", text)
