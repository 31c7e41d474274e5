"""A run next to the one that it was retrained from: what was changed, and what the change did."""

from typing import Any

import streamlit as st

from app import navigation, shelf, view, work
from app.markdown import escape_markdown
from app.page.train.tables import scenario_table
from msviz.analyses.question import load_question
from msviz.analyses.snapshots import telling
from msviz.figures.picture import load_picture
from msviz.run import Run
from msviz.shelving.notes import read_notes


def find_parent(run: Run) -> Run | None:
    """Return the run on the shelf that a run was retrained from: by its content, also under a new name."""
    parent = read_notes(run.path).parent
    if parent is None:
        return None
    return next((other for other in shelf.runs() if other.card.digest == parent.digest), None)


def show(run: Run, parent: Run) -> None:
    """Show the two side by side: settings, metrics with intervals and tests, and their pictures."""
    st.subheader(f"What did the change do to {escape_markdown(run.name)}?", anchor=False)
    _show_settings(run, parent)
    if run.card.data.fingerprint != parent.card.data.fingerprint:
        st.info(
            f"The two were trained on different data ({escape_markdown(parent.card.data.name)} and "
            f"{escape_markdown(run.card.data.name)}), so their metrics are not of the same rows and "
            "not compared.",
            icon=":material/compare:",
        )
    else:
        _show_metrics(run, parent)
    _show_pictures(run, parent)


def _show_settings(run: Run, parent: Run) -> None:
    from msviz.training.plans import Plan

    changes = list(Plan.of(run).differences(Plan.of(parent)).values())
    if changes:
        st.markdown("Changed: " + ", ".join(f"**{escape_markdown(change)}**" for change in changes) + ".")
    else:
        st.markdown("No setting was changed: what differs comes from the training alone.")


def _show_metrics(run: Run, parent: Run) -> None:
    """Show both AUCs scenario by scenario, and the difference on the same rows with its interval."""
    both = f"{parent.path.resolve()},{run.path.resolve()}"
    finding = work.answer("runs_compared", parent, None, "both runs on the same rows", runs=both, paired=True)
    if finding is None:
        return
    st.markdown(escape_markdown(finding.takeaways["auc"]))
    st.dataframe(
        scenario_table(finding),
        hide_index=True,
        column_config={
            "Difference (95 %)": st.column_config.TextColumn(
                help="DeLong's test: both runs on the same rows"
            ),
            "Beyond chance": st.column_config.TextColumn(help="False discoveries held at 5 % over scenarios"),
        },
    )
    navigation.link_to(
        "performance",
        label="All metrics of both in Performance",
        icon=":material/trending_up:",
        query_params={"performance_view": "Runs", "run": parent.name, "runs": run.name},
    )


def _show_pictures(run: Run, parent: Run) -> None:
    """Show the picture that tells most of each, the parent's first, where both show the same."""
    name = _telling_question(run)
    if not name:
        return
    snapshot = load_question(name).snapshot
    assert snapshot is not None
    st.subheader(escape_markdown(snapshot.title), anchor=False)
    if _telling_question(parent) != name:
        st.caption("The two show different things inside, so only the new one is drawn.")
        parents: list[Run] = []
    else:
        parents = [parent]
    answers = [
        (each, work.answer(name, each, None, f"the picture of {escape_markdown(each.name)}"))
        for each in (*parents, run)
    ]
    if any(finding is None for _, finding in answers):
        return
    columns = st.columns(len(answers), gap="medium")
    for column, (each, finding) in zip(columns, answers, strict=True):
        assert finding is not None
        with column:
            st.markdown(f"**{escape_markdown(each.name)}** {'before' if each in parents else 'now'}")
            view.show(finding, f"beside-{each.name}", question="", **_first_choices(name, each))
    if name == "attention_by_scenario" and parents:
        navigation.link_to(
            "attention",
            label="Which cells differ beyond chance",
            icon=":material/grid_on:",
            query_params={"view": "Two runs", "run": run.name, "other": parent.name},
        )


def _first_choices(name: str, run: Run) -> dict[str, Any]:
    """Return the choices with which a small picture is drawn, and the places of scenarios in its colours."""
    picture = load_picture(name)
    order = {"order": tuple(run.schema.scenario_names)} if picture.accepts("order") else {}
    return {**picture.snapshot, **order}


@st.cache_resource(max_entries=64, show_spinner=False)
def _telling_question_of(path: str, digest: str) -> str:
    from msviz.analyses.run import tap_axes

    return telling(tap_axes(Run.peek(path)))


def _telling_question(run: Run) -> str:
    """Return the question whose picture tells most of a run; "" where none does."""
    return _telling_question_of(str(run.path), run.card.digest)
