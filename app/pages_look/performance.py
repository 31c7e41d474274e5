"""Performance: how good a model is in every scenario, beside another or the best that is reachable."""

import streamlit as st

from app import view, work
from app.choosing import chosen
from app.choosing.performance import Chosen
from msviz.finding import Finding
from msviz.run import Run

NAMES = {
    "scope": "Scenario",
    "rows": "Rows",
    "clicks": "Clicks",
    "auc": "AUC",
    "logloss": "Logloss",
    "gauc": "AUC by user",
    "bias": "Bias",
}


def show(choice: Chosen, run: Run) -> None:
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
        numbers(finding)


def numbers(finding: Finding) -> None:
    """Show every metric of every scenario as a table."""
    table = finding.to_pandas()
    wide = table.pivot(index="scope", columns="metric", values="value").reset_index()
    counts = table.drop_duplicates("scope")[["scope", "rows", "clicks"]]
    order = [str(name) for name in finding.data["scope"].values]
    wide = counts.merge(wide, on="scope").set_index("scope").loc[order].reset_index()
    st.dataframe(
        wide.rename(columns=NAMES)[list(NAMES.values())],
        hide_index=True,
        column_config={
            **{n: st.column_config.NumberColumn(format="%.4f") for n in ("AUC", "Logloss", "AUC by user")},
            "Bias": st.column_config.NumberColumn(format="percent"),
            "Rows": st.column_config.NumberColumn(format="localized"),
            "Clicks": st.column_config.NumberColumn(format="localized"),
        },
    )


choice = chosen()
if choice:
    show(choice, choice.run)
