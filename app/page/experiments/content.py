"""Experiments: what an A/B test changed, scenario by scenario, day by day and by period."""

import streamlit as st

from app import slicing, view
from app.markdown import escape_markdown
from app.page.experiments.controls import ExperimentsChoice
from app.page.experiments.tables import lifts_table
from msviz.analyses.questions.online_lift import warnings
from msviz.finding import Finding


def show(choice: ExperimentsChoice) -> None:
    """Draw the lifts, with what warns of them and all their numbers."""
    finding = choice.finding
    if slicing.current():
        st.caption("An experiment's log has no fields: the choice of rows does not apply on this page.")
    for warning in warnings(finding.data):
        if warning.startswith("Warning: "):
            st.warning(escape_markdown(warning.removeprefix("Warning: ")), icon=":material/warning:")
    scenario = choice.scenario if choice.scenario in finding.takeaways else ""
    view.show(
        finding,
        "lift",
        takeaway=finding.takeaways.get(scenario),
        simulated=choice.simulated,
        metric=choice.metric,
        view=choice.view,
        scenario=scenario or None,
        order=choice.order,
    )
    with st.expander("All numbers", icon=":material/table:", expanded=choice.view == "periods"):
        _show_numbers(finding, choice)


def _show_numbers(finding: Finding, choice: ExperimentsChoice) -> None:
    """Show every metric's lift by scenario, and by period, as a table."""
    shares = {name: st.column_config.NumberColumn(format="percent") for name in ("Lift", "from", "to")}
    st.dataframe(
        lifts_table(finding, choice.metric),
        hide_index=True,
        column_config={
            **shares,
            "q": st.column_config.NumberColumn(
                format="%.2g", help="Chance of a false discovery; up to 0.05 is called sure"
            ),
        },
    )
