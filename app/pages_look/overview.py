"""Overview: what is on the shelf, and what is in the data."""

import pandas as pd
import streamlit as st

from app import links, shelf, view, work
from app.choosing import chosen
from app.choosing._common import NO_RUN, TRAIN
from app.words import plain
from msviz.dataset import Dataset
from msviz.figures.theme import ALL
from msviz.finding import Finding
from msviz.run import Run

NEWEST = 10  # runs that are listed here


def models(found: list[Run]) -> None:
    """List the newest runs of the shelf."""
    st.subheader("Which models are on the shelf?", anchor=False)
    if not found:
        view.empty("No runs on the shelf", NO_RUN, command=TRAIN)
        return
    runs = found[:NEWEST]
    cards = [run.card for run in runs]
    table = pd.DataFrame(
        {
            "Run": [run.name for run in runs],
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
    more = len(found) - len(runs)
    label = f"All {len(found):,} runs on the shelf" if more else "Search, compare and tag them on the shelf"
    st.page_link("pages_look/shelf.py", label=label, icon=":material/shelves:")


def log(data: Dataset) -> None:
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
    view.show(finding, "scenarios", simulated=shelf.simulated(data), order=schema.scenario_names)
    st.divider()
    by_field(data)


def by_field(data: Dataset) -> None:
    """Choose a field and show rows and click rates by its values."""
    left, right = st.columns(2, vertical_alignment="bottom")
    with left:
        titles = [field.label for field in data.schema.features]
        title = links.choose(
            "Field",
            titles,
            "field",
            default=_telling(data),
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
        simulated=shelf.simulated(data),
        scenario=scenario,
        order=data.schema.scenario_names,
    )


def _telling(data: Dataset) -> str | None:
    """Return a field whose values can be taken in at a glance: a few of them, and not the scenario."""
    small = [field for field in data.schema.features if 4 <= field.size <= 32 and field.role != "scenario"]
    return small[0].label if small else None


models(shelf.runs())
data = chosen().dataset
st.divider()
if data is None:
    view.empty(
        "No data here yet",
        f"Import a log or plant a simulated one into {plain(str(shelf.data()))}; it appears at once.",
        command="msviz data plant --out data/demo\nmsviz data import table my-log.csv --out data/my-log",
        icon="database",
    )
else:
    log(data)
