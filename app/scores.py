"""How a finding scored against a planted truth: which score is told, and in which words.

Nothing here needs Streamlit.
"""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from msviz.probing.truth import Score


def select_score(scores: "Sequence[Score]", scenario: str) -> "Score":
    """Return the score of the scenario that a picture draws, or the first, which is of the whole."""
    return next((score for score in scores if score.name == scenario), scores[0])


def may_be_chance(score: "Score") -> bool:
    """Tell whether a score's interval reaches down to what chance alone would give."""
    return not math.isnan(score.low) and score.low <= score.chance


def describe_score(score: "Score", alternative: str) -> str:
    """Return a score in words; where it may be chance, with what to look at instead."""
    words = f"Checked against the planted truth: {score.words}"
    return f"{words} That may be chance. {alternative}".rstrip() if may_be_chance(score) else words


def describe_briefly(score: "Score") -> str:
    """Return 'AUC 0.93, by chance 0.5 (pairs)'."""
    return f"{score.measure} {score.value:.2f}, by chance {score.chance:.2g} ({score.name})"


def score_table(scores: "Sequence[Score]") -> pd.DataFrame:
    """Return all scores of a finding, a line each."""
    return pd.DataFrame(
        {
            "Of": [score.name for score in scores],
            "Measure": [score.measure for score in scores],
            "Score": [f"{score.value:.2f}" for score in scores],
            "95 %": [
                "" if math.isnan(score.low) else f"{score.low:.2f} to {score.high:.2f}" for score in scores
            ],
            "By chance": [f"{score.chance:.2g}" for score in scores],
            "In words": [score.words for score in scores],
        }
    )
