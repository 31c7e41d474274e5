"""What scenarios are compared by: every question with an aspect is asked, as far as a model can answer it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from msviz.analyses.question import load_questions
from msviz.analyses.run import ask, why_not
from msviz.errors import MsvizError

if TYPE_CHECKING:
    from msviz.analyses.shared.aspects import Aspect
    from msviz.probing.study import Study


def ask_aspects(study: Study, names: Sequence[str]) -> tuple[list[Aspect], list[str], list[str]]:
    """Return what every aspect that this model can answer says of the scenarios, and the questions asked.

    Last come, in words, the questions that the model could answer but not on these rows.
    """
    views = {name: question.compared for name, question in load_questions().items()}
    ordered = sorted((view.place, name, view) for name, view in views.items() if view is not None)
    able = [(name, view) for _, name, view in ordered if not why_not(name, study.run)]
    aspects, questions, missing = [], [], []
    for number, (name, view) in enumerate(able):
        if study.progress:
            study.progress(number / len(ordered), f"asking {name.replace('_', ' ')}")
        try:
            with study.stage(number / len(ordered), 1 / len(ordered)):
                finding = ask(study, name, view.options)
        except MsvizError as error:
            missing.append(f"{name.replace('_', ' ')}: {error}")
            continue
        questions.append(name)
        aspects.append(view.aspect(finding, names))
    return aspects, questions, missing
