"""Behaviours: which past clicks a model looks at, and whose it uses where, beside another model's."""

from typing import Any

import streamlit as st

from app import shelf, view, work
from app.markdown import escape_markdown
from app.page.behaviours.controls import DIVERSITY, MIGRATION, ONE, TAILORING, BehavioursChoice
from msviz.errors import MsvizError
from msviz.figures.pictures import migration as migration_picture
from msviz.figures.pictures.behaviour_attention import end_of_scale
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run


def show(choice: BehavioursChoice) -> None:
    """Draw the view that was chosen."""
    views = {
        ONE: _show_impression,
        MIGRATION: _show_migration,
        TAILORING: _show_tailoring,
        DIVERSITY: _show_diversity,
    }
    views[choice.view](choice)


def _answering_runs(choice: BehavioursChoice, question: str) -> list[Run]:
    """Return the run and the one beside it, which is left out with a word where it cannot answer."""
    runs = [choice.run]
    if choice.other:
        if why := shelf.why_not(question, str(choice.other.path), choice.other.card.digest):
            st.info(
                f"{escape_markdown(choice.other.name)} is left out: {escape_markdown(why)}.",
                icon=":material/visibility_off:",
            )
        else:
            runs.append(choice.other)
    return runs


def _show_side_by_side(
    choice: BehavioursChoice, key: str, answers: list[tuple[Run, Finding]], part: str = ALL, **picture: Any
) -> None:
    """Show one picture, or two side by side under their runs' names."""
    several = len(answers) > 1
    if several:
        st.subheader(escape_markdown(answers[0][1].question), anchor=False)
    for column, (run, finding) in zip(
        st.columns(len(answers), gap="medium", vertical_alignment="bottom"), answers, strict=True
    ):
        with column:
            if several:
                st.markdown(f"**{escape_markdown(run.name)}**")
            view.show(
                finding,
                f"{key}-{run.name}" if several else key,
                question="" if several else None,
                takeaway=finding.takeaways.get(part),
                simulated=choice.simulated,
                **picture,
            )


def _show_impression(choice: BehavioursChoice) -> None:
    if choice.row is None:
        view.show_empty(
            "No impression with past clicks",
            "None of the rows that are looked at has a history: choose another scenario or take the filter "
            "away.",
            icon="history_toggle_off",
        )
        return
    answers = []
    for run in _answering_runs(choice, "behaviour_attention"):
        finding = _ask_impression(choice, run)
        if finding:
            answers.append((run, finding))
    if answers:
        # Each model has its own layers or experts: the second shows its first.
        picture = dict(choice.picture)
        if len(answers) > 1 and any(
            _part_sizes(finding) != _part_sizes(answers[0][1]) for _, finding in answers
        ):
            picture.pop("part", None)
        if len(answers) > 1 and picture["view"] == "heads":
            picture["top"] = max(end_of_scale(finding, picture.get("part")) for _, finding in answers)
        elif len(answers) > 1:
            picture["top"] = 1.05 * max(float(abs(finding.data["change"]).max()) for _, finding in answers)
        _show_side_by_side(choice, "history", answers, **picture)
    _list_histories(choice)


def _part_sizes(finding: Finding) -> tuple[Any, ...]:
    return tuple(finding.data.sizes.get(axis) for axis in ("layer", "expert"))


def _ask_impression(choice: BehavioursChoice, run: Run) -> Finding | None:
    # A second model that has no attention of this name shows its own.
    attempts = [choice.options] if run is choice.run else [choice.options, {}]
    for options in attempts:
        try:
            return shelf.ask(
                "behaviour_attention", str(run.path), run.card.digest, run, row=choice.row, **options
            )
        except MsvizError as error:
            why = str(error)
    st.warning(escape_markdown(why), icon=":material/error:")
    return None


def _list_histories(choice: BehavioursChoice) -> None:
    """List impressions with long histories, to open one."""
    histories = choice.histories
    if histories is None or not len(histories):
        return
    st.markdown("##### Impressions with long histories")
    st.caption("Those that mix clicks like the impression with others come first. Choose one to open it.")
    row = st.column_config.NumberColumn(format="%d", help="Row number in the log")
    view.list_to_open(histories, "long-histories", {"Row": row})


def _show_migration(choice: BehavioursChoice) -> None:
    answers = []
    for run in _answering_runs(choice, "migration"):
        options = dict(choice.options)
        if run is not choice.run:
            options.pop("tap", None)
        what = f"whose past clicks {escape_markdown(run.name)} uses"
        finding = work.answer("migration", run, None, what, **options)
        if finding:
            answers.append((run, finding))
    if not answers:
        return
    picture = {**choice.picture, "order": choice.order}
    if choice.scenario != ALL:
        picture["scenario"] = choice.scenario
    elif len(answers) > 1:
        picture["top"] = max(
            migration_picture.end_of_scale(finding, picture.get("view")) for _, finding in answers
        )
    _show_side_by_side(choice, "migration", answers, choice.scenario, **picture)


def _show_tailoring(choice: BehavioursChoice) -> None:
    answers = []
    for run in _answering_runs(choice, "tailoring"):
        finding = work.answer("tailoring", run, None, f"gates of {escape_markdown(run.name)}")
        if finding:
            answers.append((run, finding))
    if answers:
        _show_side_by_side(choice, "tailoring", answers, **choice.picture)


def _show_diversity(choice: BehavioursChoice) -> None:
    options = dict(choice.options)
    if choice.other:
        if choice.other.card.data.fingerprint == choice.run.card.data.fingerprint:
            options["other"] = str(choice.other.path)
        else:
            words = f"{escape_markdown(choice.other.name)} is left out: it was trained on other data."
            st.info(words, icon=":material/visibility_off:")
    what = "what each user would be shown"
    finding = work.answer("category_diversity", choice.run, None, what, **options)
    if finding:
        view.show(finding, "diversity", simulated=choice.simulated, order=choice.order, **choice.picture)
