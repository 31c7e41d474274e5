"""Scenarios: two to six side by side in all that a model shows, and what is special about each."""

import numpy as np
import pandas as pd
import streamlit as st

from app import view
from app.choosing import chosen
from app.choosing.scenarios import Chosen
from app.words import plain
from msviz.analyses.shared.special import OF_LOG
from msviz.finding import Finding

A_ROW, LINES = 3, 2


def show(choice: Chosen) -> None:
    st.subheader("What is special about each of these scenarios?", anchor=False)
    apart(choice.finding)
    st.caption(
        f"Against all other rows; {choice.finding.data.attrs['tested']:,} differences tested with rows as "
        "independent, false discoveries held at 5 %. The largest that are sure come first."
    )
    if missing := choice.finding.data.attrs["missing"]:
        st.info(f"Not compared: {plain(missing)}.", icon=":material/block:")
    view.show(
        choice.finding,
        "scenarios",
        question="How do they compare in all that is measured?",
        takeaway=_in_words(choice.finding),
        simulated=choice.simulated,
        group=choice.group,
        order=choice.order,
    )
    with st.expander("Everything that sets them apart", icon=":material/table:"):
        table(choice.finding)


def apart(finding: Finding) -> None:
    """Show what sets each scenario apart, in the log and in the model, three boxes in a row."""
    names = [str(name) for name in finding.data["scenario"].values]
    across = 2 if len(names) in (2, 4) else A_ROW
    for start in range(0, len(names), across):
        for box, name in zip(st.columns(across), names[start : start + across], strict=False):
            with box, st.container(border=True, height="stretch"):
                st.markdown(f"**{plain(name)}**")
                _listed(finding, name)


def _listed(finding: Finding, name: str) -> None:
    here = finding.data.sel(scenario=name)
    told = [
        (str(kind) in OF_LOG, str(words))
        for kind, words in zip(here["kind"].values, here["words"].values, strict=True)
        if str(words)
    ]
    if not told:
        st.markdown("Nothing sets it surely apart from the other rows.")
    for title, of_log in (("In the log", True), ("In the model", False)):
        mine = [words for log, words in told if log == of_log][:LINES]
        if mine:
            st.caption(title)
            st.markdown("\n".join(f"- {plain(words[:1].upper() + words[1:])}" for words in mine))


def _in_words(finding: Finding) -> str:
    """Return which scenarios have the highest and lowest click rate and AUC, with intervals."""
    parts = []
    for aspect, form in (("Click rate", ".1%"), ("AUC", ".3f")):
        part = finding.data[["value", "low", "high"]].sel(aspect=aspect).dropna("scenario")
        if part.sizes["scenario"] > 1:
            ends = [part.isel(scenario=int(place)) for place in np.argsort(part["value"].values)[[0, -1]]]
            told = [
                f"{float(one['value']):{form}} in {one['scenario'].item()} "
                f"(95 %: {float(one['low']):{form}}–{float(one['high']):{form}})"
                for one in ends
            ]
            parts.append(f"{aspect} runs from {told[0]} to {told[1]}.")
    return " ".join(parts) or finding.takeaway


def table(finding: Finding) -> None:
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


choice = chosen()
if choice:
    show(choice)
