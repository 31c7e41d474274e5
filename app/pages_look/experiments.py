"""Experiments: what an A/B test changed, scenario by scenario, day by day and by period."""

import pandas as pd
import streamlit as st

from app import slicing, view
from app.choosing import chosen
from app.choosing.experiments import Chosen
from app.words import plain
from msviz.analyses.questions.online_lift import warnings
from msviz.finding import Finding

COLUMNS = {"lift": "Lift", "low": "from", "high": "to", "q": "q"}


def show(choice: Chosen) -> None:
    finding = choice.finding
    if slicing.current():
        st.caption("An experiment's log has no fields: the choice of rows does not apply on this page.")
    for warning in warnings(finding.data):
        if warning.startswith("Warning: "):
            st.warning(plain(warning.removeprefix("Warning: ")), icon=":material/warning:")
    one = choice.scenario if choice.scenario in finding.takeaways else ""
    view.show(
        finding,
        "lift",
        takeaway=finding.takeaways.get(one),
        simulated=choice.simulated,
        metric=choice.metric,
        view=choice.view,
        scenario=one or None,
        order=choice.order,
    )
    with st.expander("All numbers", icon=":material/table:", expanded=choice.view == "periods"):
        numbers(finding, choice)


def numbers(finding: Finding, choice: Chosen) -> None:
    """Show every metric's lift by scenario, and by period, as a table."""
    data = finding.data
    frames = []
    periods = [str(name) for name in data["period"].values] if "period" in data.dims else []
    for period in ("", *periods):
        prefix, part = ("period_", data.sel(period=period)) if period else ("", data)
        frame = part[[f"{prefix}{name}" for name in COLUMNS]].drop_vars("period", errors="ignore")
        frame = frame.to_dataframe().reset_index()
        frame.columns = ["Scenario", "Metric", *COLUMNS.values()]
        frame.insert(2, "Days", period or "all")
        frames.append(frame)
    table = pd.concat(frames, ignore_index=True)
    table = table[(table["Metric"] == choice.metric) & table["Lift"].notna()]
    shares = {name: st.column_config.NumberColumn(format="percent") for name in ("Lift", "from", "to")}
    st.dataframe(
        table.drop(columns="Metric"),
        hide_index=True,
        column_config={
            **shares,
            "q": st.column_config.NumberColumn(
                format="%.2g", help="Chance of a false discovery; up to 0.05 is called sure"
            ),
        },
    )


choice = chosen()
if choice:
    show(choice)
