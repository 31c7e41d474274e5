"""Words from data on a page of Markdown: names must not turn into formatting, links or formulas."""

import re

MARKED = re.compile(r"\\(.)")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:&-])")


def raw(text: str) -> str:
    """Return what `plain` was made of, for places that show no Markdown."""
    return MARKED.sub(r"\1", text)


def plain(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return SPECIAL.sub(r"\\\1", text)
