"""Impressions: find single ones by plain controls, open one, and place it in every scenario."""

import pandas as pd
import streamlit as st

from app import links, shelf, slicing, view
from app.choosing import chosen
from app.choosing._common import HEADS, layer_and_head
from app.choosing.impressions import Chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run

LISTED = 200


def listing(choice: Chosen, run: Run, finding: Finding) -> None:
    """Show the impressions that fit, and open the one that is chosen."""
    st.subheader("Which impressions does the model score high, and which does it get wrong?", anchor=False)
    found = len(choice.rows)
    total = finding.data.sizes["impression"]
    more = f", the first {LISTED} listed" if found > LISTED else ""
    st.caption(f"{found:,} of {total:,} sampled impressions fit{more}. Choose one to open it.")
    if not found:
        st.info("No sampled impression fits all of these choices: widen one of them.")
        return
    numbers = finding.data["row"].values[list(choice.rows)]
    if found < total:
        slicing.offer_rows(run, numbers, "use-listed")
    part = finding.data.isel(impression=list(choice.rows[:LISTED]))
    fields = [run.schema.field(str(title)) for title in part["field"].values]
    table = pd.DataFrame(
        {
            "Row": part["row"].values,
            "Scenario": part["scenario"].values.astype(str),
            "Prediction": part["prediction"].values,
            "Clicked": part["label"].values > 0.5,
            "Error": part["error"].values,
            **{
                field.label: [field.value_name(int(i)) for i in part["value"].values[:, n]]
                for n, field in enumerate(fields)
                if field.label not in ("Row", "Scenario", "Prediction", "Clicked", "Error")
            },
        }
    )

    def open_chosen() -> None:
        rows = st.session_state["listing"]["selection"]["rows"]
        if rows:
            st.session_state["row"] = int(table["Row"].iloc[rows[0]])

    st.dataframe(
        table,
        key="listing",
        hide_index=True,
        height=318,
        on_select=open_chosen,
        selection_mode="single-row",
        column_config={
            "Row": st.column_config.NumberColumn(format="%d", help="Row number in the log", pinned=True),
            "Prediction": st.column_config.ProgressColumn(
                format="percent", min_value=0, max_value=1, help="Predicted click probability"
            ),
            "Error": st.column_config.NumberColumn(
                format="%.3f", help="Prediction minus label (1 clicked, 0 not)"
            ),
        },
    )
    with st.expander(
        "How do predictions of clicked impressions differ from the others?", icon=":material/area_chart:"
    ):
        view.show(finding, "impressions", question="", simulated=choice.simulated, scenario=choice.scenario)


def opened(choice: Chosen, run: Run, row: int) -> None:
    """Show one impression: what the model attends to in it, its past clicks, and every other scenario."""
    try:
        switched = shelf.ask("scenario_switch", str(run.path), run.card.digest, run, row=row)
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    st.divider()
    st.header(f"Impression {row}", anchor=False)
    here = switched.data.isel(scenario=int(switched.data["actual"].values.argmax()))
    tiles = st.columns(3)
    tiles[0].metric("Scenario", str(here["scenario"].values))
    tiles[1].metric("Predicted click probability", f"{float(here['prediction']):.2%}")
    tiles[2].metric("What happened", "clicked" if float(here["label"]) > 0.5 else "not clicked")
    where = _attention(choice, run, row)
    _past_clicks(choice, run, row)
    view.show(switched, "switch", simulated=choice.simulated, order=choice.order)
    if where is not None:
        view.show(
            switched,
            "switch-attention",
            question="Where would the model look in each scenario?",
            takeaway="Attention that each field receives when only the scenario is changed.",
            simulated=choice.simulated,
            view="attention",
            **where,
        )


def _attention(choice: Chosen, run: Run, row: int) -> dict[str, str] | None:
    """Show attention between fields, where the model has it; return layer and head."""
    if shelf.why_not("attention_instance", str(run.path), run.card.digest):
        return None
    one = shelf.ask("attention_instance", str(run.path), run.card.digest, run, row=row)
    columns = iter(st.columns(3, vertical_alignment="bottom"))
    with next(columns):
        grid = links.choose("Show", HEADS, "show") == HEADS[1]
    where = layer_and_head(one, columns)
    view.show(one, "instance", simulated=choice.simulated, **where, view="grid" if grid else "one")
    st.divider()
    return where


def _past_clicks(choice: Chosen, run: Run, row: int) -> None:
    """Show which past clicks the model looks at and what each is worth, where it looks at any."""
    if shelf.why_not("behaviour_attention", str(run.path), run.card.digest):
        return
    try:
        past = shelf.ask("behaviour_attention", str(run.path), run.card.digest, run, row=row)
    except MsvizError as error:
        st.caption(plain(str(error)))
        return
    left, right = st.columns(2, gap="medium", vertical_alignment="bottom")
    with left:
        view.show(past, "history", simulated=choice.simulated)
    with right:
        view.show(
            past,
            "history-worth",
            question="What is each past click worth?",
            takeaway="The change of the log-odds when this one click is taken away.",
            simulated=choice.simulated,
            view="worth",
        )
    st.divider()


choice = chosen()
if choice:
    listing(choice, choice.run, choice.finding)
    if choice.row is not None:
        opened(choice, choice.run, choice.row)
