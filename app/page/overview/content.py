"""Overview: what is on the shelf, and what is in the data."""

import pandas as pd
import streamlit as st

from app import links, navigation, shelf, view, work
from app.comparable import glanceable_fields
from app.markdown import escape_markdown
from app.missing import NO_RUNS, TRAIN
from app.page.overview.controls import OverviewChoice
from msviz.dataset import Dataset
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

NEWEST = 10  # runs that are listed here


def show(choice: OverviewChoice) -> None:
    """List the newest runs, then show the data."""
    _list_newest(shelf.runs())
    st.divider()
    if choice.dataset is None:
        view.show_empty(
            "No data here yet",
            "Import a log or plant a simulated one into "
            f"{escape_markdown(str(shelf.data()))}; it appears at once.",
            command="msviz data plant --out data/demo\nmsviz data import table my-log.csv --out data/my-log",
            icon="database",
        )
    else:
        _show_log(choice.dataset)


def _list_newest(runs: list[Run]) -> None:
    """List the newest runs of the shelf."""
    st.subheader("Which models are on the shelf?", anchor=False)
    if not runs:
        view.show_empty("No runs on the shelf", NO_RUNS, command=TRAIN)
        return
    newest = runs[:NEWEST]
    cards = [run.card for run in newest]
    table = pd.DataFrame(
        {
            "Run": [run.name for run in newest],
            "Model": [card.model for card in cards],
            "Data": [card.data.name for card in cards],
            "Test AUC": [card.headline.get("auc") for card in cards],
            "Test logloss": [card.headline.get("logloss") for card in cards],
            "Parameters": [card.parameters for card in cards],
            "Epochs": [card.epochs for card in cards],
            "Trained": pd.to_datetime(
                pd.Series([card.created for card in cards]), utc=True, format="ISO8601", errors="coerce"
            ),
        }
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={
            "Test AUC": st.column_config.NumberColumn(format="%.4f", help="Higher is better; 0.5 is chance"),
            "Test logloss": st.column_config.NumberColumn(format="%.4f", help="Lower is better"),
            "Parameters": st.column_config.NumberColumn(format="localized"),
            "Trained": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
        },
    )
    label = (
        f"All {len(runs):,} runs on the shelf"
        if len(runs) > NEWEST
        else "Search, compare and tag them on the shelf"
    )
    navigation.link_to("shelf", label=label, icon=":material/shelves:")


def _show_log(data: Dataset) -> None:
    """Show rows and click rates by scenario, then by the values of a field."""
    schema, rows = data.schema, data.rows
    finding = work.answer("data_overview", None, data, "rows and click rates")
    tiles = st.columns(4)
    splits = ", ".join(f"{name} {count:,}" for name, count in rows.items())
    tiles[0].metric("Impressions", f"{sum(rows.values()):,}", help=splits)
    tiles[1].metric("Scenarios", f"{len(schema.scenarios):,}")
    tiles[2].metric("Fields", f"{len(schema.features):,}", help="Features that a model reads")
    if finding is None:
        return
    whole = finding.data.sel(scenario=ALL)
    tiles[3].metric("Click rate", f"{float(whole['clicks']) / max(float(whole['rows']), 1):.2%}")
    view.show(finding, "scenarios", simulated=shelf.is_simulated(data), order=schema.scenario_names)
    st.divider()
    _show_by_field(data)


def _show_by_field(data: Dataset) -> None:
    """Choose a field and show rows and click rates by its values."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        titles = [field.label for field in data.schema.features]
        small = glanceable_fields(data.schema.features, 4, 32)
        title = links.choose(
            "Field",
            titles,
            "field",
            default=small[0].label if small else None,
            help="Count rows and clicks by this field's values",
        )
    name = data.schema.field(title).name
    finding: Finding | None = work.answer("data_overview", None, data, f"rows by {title}", field=name)
    if finding is None:
        return
    with right:
        scenario = links.choose("Scenario", [str(v) for v in finding.data["scenario"].values], "scenario")
    view.show(
        finding,
        "values",
        takeaway=finding.takeaways.get(scenario),
        simulated=shelf.is_simulated(data),
        scenario=scenario,
        order=data.schema.scenario_names,
    )
