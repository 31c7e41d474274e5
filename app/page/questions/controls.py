"""Choose one of the questions that no other page shows, and its options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app import links, missing, view
from app.navigation import PageInfo, other_questions
from app.page.questions.option_fields import choose_options, lacking_options
from msviz.analyses.question import load_question
from msviz.run import Run


def has_none() -> bool:
    """Tell whether every question has a page of its own."""
    return not other_questions()


PAGE = PageInfo(
    title="Other questions",
    icon=":material/help_center:",
    section="Inside a model",
    order=99,
    is_hidden=has_none,
)
NOTHING = (
    "Every question that msviz knows stands on a page of its own. One that is added without a page "
    "(docs/add_a_question.md) appears here."
)


@dataclass(frozen=True)
class QuestionsChoice:
    """The question, whom it is asked of, the options that are not as by default, and those it lacks."""

    name: str
    run: Run | None
    options: Mapping[str, Any]
    lacking: tuple[str, ...]


def choose(run: Run | None) -> QuestionsChoice | None:
    """Choose a question, and its options."""
    names = {title_of(name): name for name in other_questions()}
    if not names:
        view.show_empty("No other questions", NOTHING, icon="help_center")
        return None
    name = names[links.choose("Question", list(names), "question")]
    question = load_question(name)
    if question.source is None and run is None:
        missing.explain_no_runs()
        return None
    options = choose_options(name, question.options)
    return QuestionsChoice(name, run, options, lacking_options(question.options, options))


def title_of(name: str) -> str:
    """Return 'Gate shares' for gate_shares: the question as a list and a link name it."""
    return name.replace("_", " ").capitalize()
