"""Which score of a view is told, and in which words."""

import math

import pytest

from app.scores import describe_briefly, describe_score, may_be_chance, score_table, select_score
from msviz.probing.truth import Score

WHOLE = Score("All scenarios", 0.91, 0.85, 0.97, 0.5, "it ranks the planted pairs first.")
SEARCH = Score("Search", 0.58, 0.5, 0.66, 0.5, "it ranks them so so.", "AUC")
UNSURE = Score("Cart", 0.2, math.nan, math.nan, 0.0, "two pairs are too few.", "correlation")


def test_the_score_of_the_scenario_that_is_drawn_is_told_and_else_the_first() -> None:
    scores = [WHOLE, SEARCH, UNSURE]
    assert select_score(scores, "Search") is SEARCH
    assert select_score(scores, "Home feed") is WHOLE and select_score(scores, "") is WHOLE


@pytest.mark.parametrize(("score", "expected"), [(WHOLE, False), (SEARCH, True), (UNSURE, False)])
def test_an_interval_that_reaches_down_to_chance_may_be_chance(score: Score, expected: bool) -> None:
    assert may_be_chance(score) is expected


def test_what_may_be_chance_says_what_to_look_at_instead() -> None:
    assert describe_score(WHOLE, "Look elsewhere.") == (
        "Checked against the planted truth: it ranks the planted pairs first."
    )
    assert describe_score(SEARCH, "Look elsewhere.").endswith("so so. That may be chance. Look elsewhere.")
    assert describe_score(SEARCH, "").endswith("That may be chance.")


def test_scores_in_brief_and_as_a_table() -> None:
    assert describe_briefly(SEARCH) == "AUC 0.58, by chance 0.5 (Search)"
    table = score_table([WHOLE, UNSURE])
    assert list(table["95 %"]) == ["0.85 to 0.97", ""]
    assert list(table["Measure"]) == ["AUC", "correlation"] and list(table["By chance"]) == ["0.5", "0"]
