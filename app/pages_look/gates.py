"""Gates over time: how a model's experts share the work from day to day, and how click rates move."""

import streamlit as st

from app import slicing, view
from app.choosing import chosen
from app.choosing.gates import RATES, Chosen


def show(choice: Chosen) -> None:
    picture = dict(choice.picture)
    if choice.days:
        picture |= {"first": choice.days[0], "last": choice.days[1]}
    words = choice.finding.takeaways.get(choice.part)
    key = "rates" if choice.view == RATES else "gates"
    selected = view.show(
        choice.finding,
        key,
        takeaway=words,
        simulated=choice.simulated,
        **({"select": "box", "selectable": True} if choice.finding.picture != "rate_distribution" else {}),
        **picture,
    )
    days = choice.days
    if selected and selected["box"]:
        days = tuple(str(end)[:10] for end in sorted(selected["box"][0]["x"]))  # drawn over the picture
    if days:
        first, last = days
        st.button(
            f"Use {first} to {last} on every page",
            key="use-days",
            icon=":material/filter_alt:",
            on_click=slicing.use_days,
            args=days,
        )


choice = chosen()
if choice:
    show(choice)
