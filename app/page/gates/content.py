"""Gates over time: how a model's experts share the work from day to day, and how click rates move."""

from typing import Any

import streamlit as st

from app import slicing, view
from app.page.gates.controls import RATES, GatesChoice


def show(choice: GatesChoice) -> None:
    """Draw weights or rates, and offer the days that are looked at to every page."""
    picture: dict[str, Any] = dict(choice.picture)
    if choice.days:
        picture |= {"first": choice.days[0], "last": choice.days[1]}
    words = choice.finding.takeaways.get(choice.part)
    key = "rates" if choice.view == RATES else "gates"
    if choice.finding.picture != "rate_distribution":
        picture |= {"select": "box", "selectable": True}
    selected = view.show(
        choice.finding,
        key,
        takeaway=words,
        simulated=choice.simulated,
        **picture,
    )
    days = choice.days
    if selected and selected["box"]:
        first, last = sorted(str(end)[:10] for end in selected["box"][0]["x"])  # drawn over the picture
        days = (first, last)
    if days:
        first, last = days
        st.button(
            f"Use {first} to {last} on every page",
            key="use-days",
            icon=":material/filter_alt:",
            on_click=slicing.use_days,
            args=days,
        )
