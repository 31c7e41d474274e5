"""Performance: how good a model is in every scenario, beside other runs, and what each of them costs."""

from typing import Any

import streamlit as st

from app import links, view, work
from app.page.performance.controls import PerformanceChoice
from app.page.performance.tables import costs_table, metrics_table, runs_table
from msviz.figures.pictures.runs_compared import curves, grids
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

NOTHING = {
    "curve": (
        "No curve to draw",
        "No two runs of one model differ in a single setting. Train the same model with another value of "
        "one setting, and it appears here: the Train page does so for a list of values.",
        "show_chart",
    ),
    "grid": (
        "No grid to draw",
        "No runs of one model differ in two settings and in nothing else. Train the same model with "
        "several values of two settings, and it appears here: the Train page does so in one go.",
        "grid_on",
    ),
}

COSTS = {
    "model": ("Model", ""),
    "parameters": ("Parameters", "localized"),
    "train_seconds": ("Training, s", "%.1f"),
    "train_rate": ("Rows trained a second", "localized"),
    "device": ("Trained on", ""),
    "rate": ("Rows predicted a second", "localized"),
    "test_seconds": ("All rows predicted, s", "%.2f"),
    "memory": ("Predicting adds, MiB", "%.1f"),
}


def show(choice: PerformanceChoice) -> None:
    """Draw the view that was chosen."""
    views = {"One run": _show_run, "Runs": _show_runs, "Cost": _show_cost}
    views[choice.view](choice, choice.run)


def _show_run(choice: PerformanceChoice, run: Run) -> None:
    finding = work.answer("performance", run, None, "metrics in every scenario")
    second = None
    if choice.other:
        second = work.answer("performance", choice.other, None, "metrics of the second run")
    if finding is None:
        return
    view.show(
        finding,
        "performance",
        simulated=choice.simulated,
        metric=choice.metric,
        other=second,
        order=choice.order,
    )
    with st.expander("All numbers", icon=":material/table:"):
        _show_numbers(finding)


def _show_runs(choice: PerformanceChoice, run: Run) -> None:
    if choice.beside == (str(run.path.resolve()),):
        view.show_empty(
            "A second run is needed",
            "Train another model, or other settings, on the same data.",
            icon="compare",
        )
        return
    options: dict[str, Any] = {"paired": True} if choice.paired else {}
    if choice.by != "scenario":
        options["by"] = choice.by
    if choice.periods:
        options["periods"] = choice.periods
    finding = work.answer(
        "runs_compared", run, None, "all runs on the same rows", runs=",".join(choice.beside), **options
    )
    if finding is None:
        return
    where: dict[str, Any] = {} if choice.picture in ("table", "pairs") else {"scope": choice.scenario}
    if choice.picture in NOTHING:
        along = _choose_settings(finding, choice.picture)
        if not along:
            title, what, icon = NOTHING[choice.picture]
            view.show_empty(title, what, icon=icon)
            return
        where |= along
    key = choice.metric if choice.scenario == ALL else f"{choice.metric}, {choice.scenario}"
    view.show(
        finding,
        "runs",
        takeaway=finding.takeaways.get(key),
        simulated=choice.simulated,
        metric=choice.metric,
        view=choice.picture,
        **where,
    )
    with st.expander("All numbers", icon=":material/table:"):
        _show_all_metrics(finding, choice)


def _choose_settings(finding: Finding, picture: str) -> dict[str, str]:
    """Choose the settings that a curve or a grid runs over; {} where no runs make one."""
    pairs = grids(finding.data) if picture == "grid" else [(key,) for key in curves(finding.data)]
    if not pairs:
        return {}
    titles = [" by ".join(pair) for pair in pairs]
    chosen = links.choose("Over", titles, f"over_{picture}") if len(pairs) > 1 else titles[0]
    return dict(zip(("setting", "second"), pairs[titles.index(chosen)], strict=False))


def _show_all_metrics(finding: Finding, choice: PerformanceChoice) -> None:
    """Show every run's metric in every scenario, with its settings and RelaImpr, as a table."""
    form = "percent" if choice.metric == "bias" else "%.4f"
    columns = {str(name): st.column_config.NumberColumn(format=form) for name in finding.data["scope"].values}
    columns["RelaImpr"] = st.column_config.NumberColumn(
        format="percent", help="(AUC − 0.5) over that of the first run, minus 1; over all scenarios"
    )
    st.dataframe(runs_table(finding, choice.metric), hide_index=True, column_config=columns)


def _show_cost(choice: PerformanceChoice, run: Run) -> None:
    finding = work.answer("model_cost", run, None, "the cost of every run", runs=",".join(choice.beside))
    if finding is None:
        return
    view.show(finding, "cost", simulated=choice.simulated, view=choice.picture)
    with st.expander("All numbers", icon=":material/table:"):
        titles = {name: title for name, (title, _) in COSTS.items()}
        columns = {
            title: st.column_config.NumberColumn(format=form) for title, form in COSTS.values() if form
        }
        st.dataframe(costs_table(finding, titles), hide_index=True, column_config=columns)


def _show_numbers(finding: Finding) -> None:
    """Show every metric of every scenario as a table."""
    st.dataframe(
        metrics_table(finding),
        hide_index=True,
        column_config={
            **{n: st.column_config.NumberColumn(format="%.4f") for n in ("AUC", "Logloss", "AUC by user")},
            "Bias": st.column_config.NumberColumn(format="percent"),
            "Rows": st.column_config.NumberColumn(format="localized"),
            "Clicks": st.column_config.NumberColumn(format="localized"),
        },
    )
