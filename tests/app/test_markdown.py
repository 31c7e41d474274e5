"""Words from data stay words on a page of Markdown."""

import pytest

from app.markdown import escape_markdown, unescape_markdown


@pytest.mark.parametrize(
    "text", ["a_b*c", "[x](y)", "$1 + $2$", ":red[no]", "<b>&amp;", "1. a\\b", "~~|`#!{}-"]
)
def test_what_is_escaped_comes_back(text: str) -> None:
    assert unescape_markdown(escape_markdown(text)) == text


def test_everything_that_formats_is_escaped() -> None:
    assert escape_markdown("**a** :red[b]") == "\\*\\*a\\*\\* \\:red\\[b\\]"
    assert escape_markdown("Search box, 3 %") == "Search box, 3 %"
