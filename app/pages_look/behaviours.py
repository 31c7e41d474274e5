"""Behaviours: which past clicks a model looks at, and whose it uses where, beside another model's."""

from typing import Any

import streamlit as st

from app import shelf, view, work
from app.choosing import chosen
from app.choosing.behaviours import DIVERSITY, MIGRATION, ONE, TAILORING, Chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures.pictures import migration as migrated
from msviz.figures.pictures.behaviour_attention import end_of_scale
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run


def runs(choice: Chosen, question: str) -> list[Run]:
    """Return the run and the one beside it, which is left out with a word where it cannot answer."""
    found = [choice.run]
    if choice.other:
        if why := shelf.why_not(question, str(choice.other.path), choice.other.card.digest):
            st.info(
                f"{plain(choice.other.name)} is left out: {plain(why)}.", icon=":material/visibility_off:"
            )
        else:
            found.append(choice.other)
    return found


def beside(
    choice: Chosen, key: str, answers: list[tuple[Run, Finding]], part: str = ALL, **picture: Any
) -> None:
    """Show one picture, or two side by side under their runs' names."""
    several = len(answers) > 1
    if several:
        st.subheader(plain(answers[0][1].question), anchor=False)
    for column, (run, finding) in zip(
        st.columns(len(answers), gap="medium", vertical_alignment="bottom"), answers, strict=True
    ):
        with column:
            if several:
                st.markdown(f"**{plain(run.name)}**")
            view.show(
                finding,
                f"{key}-{run.name}" if several else key,
                question="" if several else None,
                takeaway=finding.takeaways.get(part),
                simulated=choice.simulated,
                **picture,
            )


def one(choice: Chosen) -> None:
    if choice.row is None:
        view.empty(
            "No impression with past clicks",
            "None of the rows that are looked at has a history: choose another scenario or take the filter "
            "away.",
            icon="history_toggle_off",
        )
        return
    answers = []
    for run in runs(choice, "behaviour_attention"):
        found = _opened(choice, run)
        if found:
            answers.append((run, found))
    if answers:
        # Each model has its own layers or experts: the second shows its first.
        picture = dict(choice.picture)
        if len(answers) > 1 and any(_parts(found) != _parts(answers[0][1]) for _, found in answers):
            picture.pop("part", None)
        if len(answers) > 1 and picture["view"] == "heads":
            picture["top"] = max(end_of_scale(found, picture.get("part")) for _, found in answers)
        elif len(answers) > 1:
            picture["top"] = 1.05 * max(float(abs(found.data["change"]).max()) for _, found in answers)
        beside(choice, "history", answers, **picture)
    listing(choice)


def _parts(finding: Finding) -> tuple[Any, ...]:
    return tuple(finding.data.sizes.get(axis) for axis in ("layer", "expert"))


def _opened(choice: Chosen, run: Run) -> Finding | None:
    # A second model that has no attention of this name shows its own.
    ways = [choice.asked] if run is choice.run else [choice.asked, {}]
    for asked in ways:
        try:
            return shelf.ask(
                "behaviour_attention", str(run.path), run.card.digest, run, row=choice.row, **asked
            )
        except MsvizError as error:
            why = str(error)
    st.warning(plain(why), icon=":material/error:")
    return None


def listing(choice: Chosen) -> None:
    """List impressions with long histories, to open one."""
    listed = choice.listed
    if listed is None or not len(listed):
        return
    st.markdown("##### Impressions with long histories")
    st.caption("Those that mix clicks like the impression with others come first. Choose one to open it.")

    def open_chosen() -> None:
        rows = st.session_state["long-histories"]["selection"]["rows"]
        if rows:
            st.session_state["row"] = int(listed["Row"].iloc[rows[0]])

    st.dataframe(
        listed,
        key="long-histories",
        hide_index=True,
        height=318,
        on_select=open_chosen,
        selection_mode="single-row",
        column_config={"Row": st.column_config.NumberColumn(format="%d", help="Row number in the log")},
    )


def migration(choice: Chosen) -> None:
    answers = []
    for run in runs(choice, "migration"):
        asked = dict(choice.asked)
        if run is not choice.run:
            asked.pop("tap", None)
        what = f"whose past clicks {plain(run.name)} uses"
        found = work.answer("migration", run, None, what, **asked)
        if found:
            answers.append((run, found))
    if not answers:
        return
    picture = {**choice.picture, "order": choice.order}
    if choice.scenario != ALL:
        picture["scenario"] = choice.scenario
    elif len(answers) > 1:
        picture["top"] = max(migrated.end_of_scale(found, picture.get("view")) for _, found in answers)
    beside(choice, "migration", answers, choice.scenario, **picture)


def tailoring(choice: Chosen) -> None:
    answers = []
    for run in runs(choice, "tailoring"):
        found = work.answer("tailoring", run, None, f"gates of {plain(run.name)}")
        if found:
            answers.append((run, found))
    if answers:
        beside(choice, "tailoring", answers, **choice.picture)


def diversity(choice: Chosen) -> None:
    asked = dict(choice.asked)
    if choice.other:
        if choice.other.card.data.fingerprint == choice.run.card.data.fingerprint:
            asked["other"] = str(choice.other.path)
        else:
            words = f"{plain(choice.other.name)} is left out: it was trained on other data."
            st.info(words, icon=":material/visibility_off:")
    what = "what each user would be shown"
    found = work.answer("category_diversity", choice.run, None, what, **asked)
    if found:
        view.show(found, "diversity", simulated=choice.simulated, order=choice.order, **choice.picture)


choice = chosen()
if choice:
    views = {ONE: one, MIGRATION: migration, TAILORING: tailoring, DIVERSITY: diversity}
    views[choice.view](choice)
