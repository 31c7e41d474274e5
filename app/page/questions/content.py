"""Other questions: any question as its own picture draws it, with its options."""

from typing import Any

import streamlit as st

from app import links, missing, shelf, view, work
from app.choices import run_setting
from app.markdown import escape_markdown
from app.page.questions.controls import QuestionsChoice, title_of
from msviz.analyses.question import Question, load_question
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.figures.picture import load_picture
from msviz.finding import Finding
from msviz.run import Run


def show(choice: QuestionsChoice) -> None:
    """Draw the answer, or say what is lacking."""
    question, run = load_question(choice.name), choice.run
    if choice.lacking:
        words = ", ".join(title_of(name) for name in choice.lacking)
        st.info(f"The question needs an answer to: {escape_markdown(words)}.", icon=":material/edit:")
        return
    if (
        question.source is None
        and run is not None
        and not missing.can_answer(run, choice.name, question.title)
    ):
        return
    try:
        asked = _find_asked(question, run)
    except MsvizError as error:
        st.info(escape_markdown(str(error)), icon=":material/folder_off:")
        return
    what = escape_markdown(title_of(choice.name).lower())
    finding = work.answer(choice.name, *asked, what, **choice.options)
    if finding is not None:
        _show_finding(finding, run)


def _find_asked(question: Question, run: Run | None) -> tuple[Run | None, Dataset | None]:
    """Return the run or the log that a question is asked of; neither where it is asked of a file."""
    if question.source is not None or run is None:
        return None, None
    return (run, None) if question.needs else shelf.log_of(run)


def _show_finding(finding: Finding, run: Run | None) -> None:
    """Show a finding, along the axes that its picture lets a reader choose."""
    picture = load_picture(finding.picture)
    choices: dict[str, Any] = {}
    for part, titles in picture.parts(finding).items():
        label = "Measure" if part == "matrix" else title_of(part)
        values = {title: value for value, title in titles.items()}
        if len(values) > 1:
            choices[part] = values[links.choose(label, list(values), f"{finding.analysis}-{part}")]
    simulated = False
    if run is not None:
        setting = run_setting(run)
        simulated = setting["simulated"]
        if picture.accepts("order"):
            choices["order"] = setting["order"]
    words = next(
        (finding.takeaways[str(name)] for name in choices.values() if name in finding.takeaways), None
    )
    view.show(finding, f"question-{finding.analysis}", takeaway=words, simulated=simulated, **choices)
