"""Words from data on a page of Markdown: names must not turn into formatting, links or formulas."""

import re

ESCAPED = re.compile(r"\\(.)")
SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|$~:&-])")


def escape_markdown(text: str) -> str:
    """Return `text` so that Markdown shows it as it is."""
    return SPECIAL.sub(r"\\\1", text)


def unescape_markdown(text: str) -> str:
    """Return what `escape_markdown` was given, for places that show no Markdown."""
    return ESCAPED.sub(r"\1", text)
