"""A run next to the one that it was retrained from: what was changed, and what the change did."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import shelf, view, work
from app.words import plain
from msviz.analyses.snapshots import telling
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run
from msviz.shelving.notes import read_notes

TITLES = {
    "attention_by_scenario": "Where does it look now?",
    "feature_weights": "Which fields does it weigh now?",
    "gates_over_time": "How do its experts share the work now?",
    "migration": "Whose past clicks count now?",
    "representation": "How far apart does it keep scenarios now?",
}


def parent_of(run: Run) -> Run | None:
    """Return the run on the shelf that a run was retrained from: by its content, also under a new name."""
    parent = read_notes(run.path).parent
    if parent is None:
        return None
    return next((one for one in shelf.runs() if one.card.digest == parent.digest), None)


def show(run: Run, parent: Run) -> None:
    """Show the two side by side: settings, metrics with intervals and tests, and their pictures."""
    st.subheader(f"What did the change do to {plain(run.name)}?", anchor=False)
    _settings(run, parent)
    if run.card.data.fingerprint != parent.card.data.fingerprint:
        st.info(
            f"The two were trained on different data ({plain(parent.card.data.name)} and "
            f"{plain(run.card.data.name)}), so their metrics are not of the same rows and not compared.",
            icon=":material/compare:",
        )
    else:
        _metrics(run, parent)
    _pictures(run, parent)


def _settings(run: Run, parent: Run) -> None:
    from msviz.training.plans import Plan

    told = list(Plan.of(run).differences(Plan.of(parent)).values())
    if told:
        st.markdown("Changed: " + ", ".join(f"**{plain(one)}**" for one in told) + ".")
    else:
        st.markdown("No setting was changed: what differs comes from the training alone.")


def _metrics(run: Run, parent: Run) -> None:
    """Show both AUCs scenario by scenario, and the difference on the same rows with its interval."""
    both = f"{parent.path.resolve()},{run.path.resolve()}"
    finding = work.answer("runs_compared", parent, None, "both runs on the same rows", runs=both, paired=True)
    if finding is None:
        return
    st.markdown(plain(finding.takeaways["auc"]))
    st.dataframe(
        _table(finding),
        hide_index=True,
        column_config={
            "Difference (95 %)": st.column_config.TextColumn(
                help="DeLong's test: both runs on the same rows"
            ),
            "Beyond chance": st.column_config.TextColumn(help="False discoveries held at 5 % over scenarios"),
        },
    )
    st.page_link(
        "pages_look/performance.py",
        label="All metrics of both in Performance",
        icon=":material/trending_up:",
        query_params={"performance_view": "Runs", "run": parent.name, "runs": run.name},
    )


def _table(finding: Finding) -> pd.DataFrame:
    """Return AUC and logloss of both runs in every scenario, the whole first, the largest next."""
    data = finding.data
    scopes = [str(name) for name in data["scope"].values]
    order = [0, *(1 + np.argsort(-data["rows"].values[1:], kind="stable"))]

    def cell(metric: str, place: int, name: str, number: int) -> float:
        return float(data[name].sel(metric=metric).isel(run=number, scope=place).item())

    rows = []
    for place in order:
        low, high = (cell("auc", place, f"difference_{end}", 1) for end in ("low", "high"))
        known = np.isfinite(low)
        apart = cell("auc", place, "difference", 1)
        rows.append(
            {
                "Scenario": scopes[place],
                "Rows": f"{int(data['rows'].values[place]):,}",
                "AUC before": _number(cell("auc", place, "value", 0)),
                "AUC now": _number(cell("auc", place, "value", 1)),
                "Difference (95 %)": f"{apart:+.4f} ({low:+.4f} to {high:+.4f})" if known else "not known",
                "Beyond chance": "yes" if known and bool(cell("auc", place, "significant", 1)) else "no",
                "Logloss before": _number(cell("logloss", place, "value", 0)),
                "Logloss now": _number(cell("logloss", place, "value", 1)),
            }
        )
    return pd.DataFrame(rows)


def _number(value: float) -> str:
    return f"{value:.4f}" if np.isfinite(value) else "not defined"


def _pictures(run: Run, parent: Run) -> None:
    """Show the picture that tells most of each, the parent's first, where both show the same."""
    name = question_of(run)
    if not name:
        return
    st.subheader(TITLES.get(name, "What does it show now?"), anchor=False)
    if question_of(parent) != name:
        st.caption("The two show different things inside, so only the new one is drawn.")
        parents: list[Run] = []
    else:
        parents = [parent]
    found = [
        (one, work.answer(name, one, None, f"the picture of {plain(one.name)}")) for one in (*parents, run)
    ]
    if any(finding is None for _, finding in found):
        return
    columns = st.columns(len(found), gap="medium")
    for column, (one, finding) in zip(columns, found, strict=True):
        assert finding is not None
        with column:
            st.markdown(f"**{plain(one.name)}** {'before' if one in parents else 'now'}")
            view.show(finding, f"beside-{one.name}", question="", **choices(name, finding, one))
    if name == "attention_by_scenario" and parents:
        st.page_link(
            "pages_look/attention.py",
            label="Which cells differ beyond chance",
            icon=":material/grid_on:",
            query_params={"view": "Two runs", "run": run.name, "other": parent.name},
        )


def choices(name: str, finding: Finding, run: Run) -> dict[str, Any]:
    """Return the picture's choices that suit a first look."""
    order = tuple(run.schema.scenario_names)
    return {
        "attention_by_scenario": {"scenario": ALL},
        "gates_over_time": {"view": "bands"},
        "feature_weights": {"view": "scenarios"},
        "representation": {},
        "migration": {},
    }[name] | ({"order": order} if name == "representation" else {})


@st.cache_resource(max_entries=64, show_spinner=False)
def _question(path: str, digest: str) -> str:
    from msviz.analyses.run import shown

    return telling(shown(Run.peek(path)))


def question_of(run: Run) -> str:
    """Return the question whose picture tells most of a run; "" where none does."""
    return _question(str(run.path), run.card.digest)
