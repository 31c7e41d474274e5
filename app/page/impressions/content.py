"""Impressions: find single ones by plain controls, open one, and place it in every scenario."""

from typing import Any

import streamlit as st

from app import links, shelf, slicing, view
from app.choices import HEADS, choose_layer_and_head
from app.markdown import escape_markdown
from app.page.impressions.controls import ImpressionsChoice
from app.page.impressions.tables import impressions_list
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.run import Run

MOST_LISTED = 200


def show(choice: ImpressionsChoice) -> None:
    """List the impressions that fit, and draw the one that is open."""
    _list_impressions(choice, choice.run, choice.finding)
    if choice.row is not None:
        _show_impression(choice, choice.run, choice.row)


def _list_impressions(choice: ImpressionsChoice, run: Run, finding: Finding) -> None:
    """Show the impressions that fit, and open the one that is chosen."""
    st.subheader("Which impressions does the model score high, and which does it get wrong?", anchor=False)
    count = len(choice.rows)
    total = finding.data.sizes["impression"]
    more = f", the first {MOST_LISTED} listed" if count > MOST_LISTED else ""
    st.caption(f"{count:,} of {total:,} sampled impressions fit{more}. Choose one to open it.")
    if not count:
        st.info("No sampled impression fits all of these choices: widen one of them.")
        return
    numbers = finding.data["row"].values[list(choice.rows)]
    if count < total:
        slicing.offer_rows(run, numbers, "use-listed")
    table = impressions_list(finding, run.schema, choice.rows[:MOST_LISTED])

    view.list_to_open(
        table,
        "listing",
        {
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


def _show_impression(choice: ImpressionsChoice, run: Run, row: int) -> None:
    """Show one impression: what the model attends to in it, its past clicks, and every other scenario."""
    try:
        switched = shelf.ask("scenario_switch", str(run.path), run.card.digest, run, row=row)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return
    st.divider()
    st.header(f"Impression {row}", anchor=False)
    actual = switched.data.isel(scenario=int(switched.data["actual"].values.argmax()))
    tiles = st.columns(3)
    tiles[0].metric("Scenario", str(actual["scenario"].values))
    tiles[1].metric("Predicted click probability", f"{float(actual['prediction']):.2%}")
    tiles[2].metric("What happened", "clicked" if float(actual["label"]) > 0.5 else "not clicked")
    where = _show_attention(choice, run, row)
    _show_past_clicks(choice, run, row)
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


def _show_attention(choice: ImpressionsChoice, run: Run, row: int) -> dict[str, Any] | None:
    """Show attention between fields, where the model has it; return layer and head."""
    if shelf.why_not("attention_instance", str(run.path), run.card.digest):
        return None
    attention = shelf.ask("attention_instance", str(run.path), run.card.digest, run, row=row)
    columns = iter(st.columns(3, vertical_alignment="bottom"))
    with next(columns):
        grid = links.choose("Show", HEADS, "show") == HEADS[1]
    where = choose_layer_and_head(attention, columns)
    view.show(attention, "instance", simulated=choice.simulated, **where, view="grid" if grid else "one")
    st.divider()
    return where


def _show_past_clicks(choice: ImpressionsChoice, run: Run, row: int) -> None:
    """Show which past clicks the model looks at and what each is worth, where it looks at any."""
    if shelf.why_not("behaviour_attention", str(run.path), run.card.digest):
        return
    try:
        past = shelf.ask("behaviour_attention", str(run.path), run.card.digest, run, row=row)
    except MsvizError as error:
        st.caption(escape_markdown(str(error)))
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
