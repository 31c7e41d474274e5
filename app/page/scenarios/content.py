"""Scenarios: two to six side by side in all that a model shows, and what is special about each."""

import pandas as pd
import streamlit as st

from app import view
from app.comparable import describe_ranges
from app.markdown import escape_markdown
from app.page.scenarios.controls import ScenariosChoice
from msviz.analyses.shared.special import OF_LOG
from msviz.finding import Finding

A_ROW, LINES = 3, 2


def show(choice: ScenariosChoice) -> None:
    """Say what is special about each scenario, and draw all that is measured."""
    st.subheader("What is special about each of these scenarios?", anchor=False)
    _show_special(choice.finding)
    st.caption(
        f"Against all other rows; {choice.finding.data.attrs['tested']:,} differences tested with rows as "
        "independent, false discoveries held at 5 %. The largest that are sure come first."
    )
    if missing := choice.finding.data.attrs["missing"]:
        st.info(f"Not compared: {escape_markdown(missing)}.", icon=":material/block:")
    view.show(
        choice.finding,
        "scenarios",
        question="How do they compare in all that is measured?",
        takeaway=describe_ranges(choice.finding),
        simulated=choice.simulated,
        group=choice.group,
        order=choice.order,
    )
    with st.expander("Everything that sets them apart", icon=":material/table:"):
        _show_table(choice.finding)


def _show_special(finding: Finding) -> None:
    """Show what sets each scenario apart, in the log and in the model, three boxes in a row."""
    names = [str(name) for name in finding.data["scenario"].values]
    across = 2 if len(names) in (2, 4) else A_ROW
    for start in range(0, len(names), across):
        for box, name in zip(st.columns(across), names[start : start + across], strict=False):
            with box, st.container(border=True, height="stretch"):
                st.markdown(f"**{escape_markdown(name)}**")
                _list_special(finding, name)


def _list_special(finding: Finding, name: str) -> None:
    special = finding.data.sel(scenario=name)
    sentences = [
        (str(kind) in OF_LOG, str(words))
        for kind, words in zip(special["kind"].values, special["words"].values, strict=True)
        if str(words)
    ]
    if not sentences:
        st.markdown("Nothing sets it surely apart from the other rows.")
    for title, of_log in (("In the log", True), ("In the model", False)):
        mine = [words for log, words in sentences if log == of_log][:LINES]
        if mine:
            st.caption(title)
            st.markdown("\n".join(f"- {escape_markdown(words[:1].upper() + words[1:])}" for words in mine))


def _show_table(finding: Finding) -> None:
    data = finding.data
    frame = pd.DataFrame(
        {
            "Scenario": [str(name) for name in data["scenario"].values for _ in range(data.sizes["place"])],
            "Kind": data["kind"].values.ravel(),
            "What": data["what"].values.ravel(),
            "Times elsewhere": data["ratio"].values.ravel(),
            "from": data["ratio_low"].values.ravel(),
            "to": data["ratio_high"].values.ravel(),
            "q": data["q"].values.ravel(),
        }
    )
    times = {name: st.column_config.NumberColumn(format="%.2f") for name in ("Times elsewhere", "from", "to")}
    st.dataframe(
        frame[frame["What"] != ""],
        hide_index=True,
        column_config={
            **times,
            "q": st.column_config.NumberColumn(format="%.2g", help="Chance of a false discovery"),
        },
    )
