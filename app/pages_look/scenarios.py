"""Scenarios: two to six side by side in all that a model shows, and what is special about each."""

import pandas as pd
import streamlit as st

from app import view
from app.choosing import chosen
from app.choosing.scenarios import Chosen
from app.words import plain
from msviz.finding import Finding

A_ROW = 3


def show(choice: Chosen) -> None:
    st.subheader("What is special about each of these scenarios?", anchor=False)
    apart(choice.finding)
    st.caption(
        f"Against all other rows; {choice.finding.data.attrs['tested']:,} differences tested with rows as "
        "independent, false discoveries held at 5 %. The largest that are sure come first."
    )
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
    """Show what sets each scenario apart, three boxes in a row."""
    data = finding.data
    names = [str(name) for name in data["scenario"].values]
    for start in range(0, len(names), A_ROW):
        for box, name in zip(st.columns(A_ROW), names[start : start + A_ROW], strict=False):
            words = [str(one) for one in data["words"].sel(scenario=name).values if str(one)][:4]
            with box, st.container(border=True, height="stretch"):
                st.markdown(f"**{plain(name)}**")
                if not words:
                    st.markdown("Nothing sets it surely apart from the other rows.")
                st.markdown("\n".join(f"- {plain(one[:1].upper() + one[1:])}" for one in words))


def _in_words(finding: Finding) -> str:
    """Return which scenarios have the highest and lowest click rate and AUC."""
    parts = []
    for aspect, form in (("Click rate", ".1%"), ("AUC", ".3f")):
        value = finding.data["value"].sel(aspect=aspect).dropna("scenario")
        if value.sizes["scenario"] > 1:
            top, bottom = (
                value.isel(scenario=value.argmax("scenario")),
                value.isel(scenario=value.argmin("scenario")),
            )
            parts.append(
                f"{aspect} runs from {float(bottom):{form}} in {bottom['scenario'].item()} to "
                f"{float(top):{form}} in {top['scenario'].item()}"
            )
    return ". ".join(parts) + "." if parts else finding.takeaway


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
