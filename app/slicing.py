"""The slice that all pages speak of: text in the link, and chips above the page that can be taken away.

'scenario' in it is what the chosen run knows as such, which need not be the log's own (`data/slices.py`).
"""

from datetime import date

import numpy as np
import streamlit as st

from app import shelf
from app.markdown import escape_markdown
from app.slice_text import drop_condition, replace_condition, shorten
from msviz.data import slices
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Run

KEY, PAST, TROUBLE = "slice", "_slice_past", "_slice_trouble"
HELP = (
    "Every page then shows these rows alone. Fields by column or title (in backticks), and scenario, day, "
    "hour, clicked, row and history (its length); joined with and, or, not. "
    "Example: scenario == 'Search' and day >= '2025-04-24' and hour < 12"
)
VALUES = 200  # values of a field that the list offers


def current() -> str:
    """Return the slice as text; "" for all rows, also while what was asked for cannot be read."""
    if st.session_state.get(TROUBLE):
        return ""
    return str(st.session_state.get(KEY) or "").strip()


def choose_slice(run: Run | None) -> None:
    """Show the slice and what builds it in the sidebar."""
    dataset = _dataset(run)
    st.session_state[TROUBLE] = ""
    if dataset is None:
        return
    with st.sidebar:
        st.text_input(
            "Only rows where",
            key=KEY,
            bind="query-params",
            placeholder="all rows",
            help=HELP,
        )
        text = current()
        try:
            mark = (dataset.fingerprint, *dataset.scenario_of)
            st.session_state["_slice_rows"] = _count(mark, text, dataset) if text else None
        except MsvizError as error:
            st.session_state[TROUBLE] = str(error)
            st.error(escape_markdown(str(error)), icon=":material/filter_alt_off:")
        with st.popover("Add a condition", icon=":material/filter_alt:", width="stretch"):
            _build_condition(dataset)
    past = st.session_state.setdefault(PAST, [])
    if not past or past[-1] != text:
        past.append(text)


def show_chips() -> None:
    """Show the slice as chips above the page, with a way back."""
    if st.session_state.get(TROUBLE):
        st.warning(
            f"The slice cannot be read, so all rows are shown: {escape_markdown(st.session_state[TROUBLE])}",
            icon=":material/filter_alt_off:",
        )
    text, past = current(), st.session_state.get(PAST, [])
    if not text and len(past) < 2:
        return
    parts = slices.conditions(text)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        for index, part in enumerate(parts):
            rest = drop_condition(parts, index)
            st.button(
                escape_markdown(shorten(part)),
                key=f"chip-{index}",
                icon=":material/close:",
                on_click=_set,
                args=(rest,),
                help="Take this condition away",
            )
        if len(past) > 1:
            st.button(
                "Undo", key="slice-undo", icon=":material/undo:", on_click=_undo, type="tertiary",
                help="Back to the slice before",
            )  # fmt: skip
        if text:
            kept, total = st.session_state["_slice_rows"]
            st.caption(f"{kept:,} of {total:,} test rows" + ("" if kept else ": no row is left"))


def use_rows(dataset: Dataset, rows: np.ndarray) -> None:
    """Narrow every page to rows of the log by number (n,); for a button's on_click."""
    try:
        _replace(("row", "chosen("), slices.keep_rows(dataset, rows))
    except OSError as error:
        st.session_state[TROUBLE] = f"the chosen rows cannot be kept beside the data: {error.strerror}"


def offer_rows(run: Run, rows: np.ndarray, key: str) -> None:
    """Offer to narrow every page to rows of the log by number (n,), where the run's data is here."""
    dataset = _dataset(run)
    if dataset is not None and len(rows):
        st.button(
            f"Use these {len(rows):,} impressions on every page",
            key=key,
            icon=":material/filter_alt:",
            help="Narrows all pages to them; undo it above",
            on_click=use_rows,
            args=(dataset, rows),
        )


def use_days(first: str, last: str) -> None:
    """Narrow every page to days (YYYY-MM-DD, both inside); for a button's on_click."""
    _replace(("day",), slices.days(first, last))


def use_values(name: str, values: list[str]) -> None:
    """Narrow every page to rows where a column has one of these values; for a button's on_click."""
    if values:
        _replace((slices.quoted(name),), slices.one_value(name, values))


def _replace(starts: tuple[str, ...], condition: str) -> None:
    """Put a condition in the place of those that speak of the same."""
    _set(replace_condition(current(), starts, condition))


def _set(text: str) -> None:
    st.session_state[KEY] = text


def _undo() -> None:
    past = st.session_state.get(PAST, [])
    if len(past) > 1:
        past.pop()
        _set(past.pop())


def _build_condition(dataset: Dataset) -> None:
    """Let a reader build a condition from lists, without knowing how it is written."""
    schema = dataset.schema
    # A run with other scenarios still has the log's own as a field, by the same name.
    taken = ("Day", "Scenario")
    fields = {
        f"{field.label} (field)" if field.label in taken else field.label: field
        for field in schema.features
        if field.role != "scenario"
    }
    name = st.selectbox("Field", [*taken, *fields], key="build-field")
    if name == "Day":
        low, high = _days(dataset.fingerprint, dataset)
        days = st.date_input("From, to", (low, high), low, high, key="build-days")
        ready = isinstance(days, tuple) and len(days) == 2
        chosen = tuple(map(str, days)) if ready else ("", "")
        st.button("Add", key="build-add", disabled=not ready, on_click=use_days, args=chosen, type="primary")
        return
    if name == "Scenario":
        column, values = "scenario", schema.scenario_names[1:]
    else:
        field = fields[name]
        column = f"`{field.name}`" if field.name == "scenario" else field.name
        values = [field.value_name(i) for i in range(2, min(field.size, VALUES + 2))]
    picked = st.multiselect("Values", values, key=f"build-values-{column}")
    if name != "Scenario" and field.size > VALUES + 2:
        st.caption(f"The first {VALUES} values; any other can be written in the field above.")
    st.button(
        "Add",
        key="build-add",
        disabled=not picked,
        on_click=use_values,
        args=(column, picked),
        type="primary",
    )


def _dataset(run: Run | None) -> Dataset | None:
    try:
        return shelf.data_of(run) if run else next(iter(shelf.datasets()), None)
    except MsvizError:
        return None


@st.cache_data(max_entries=200, show_spinner=False)
def _count(mark: tuple[str, ...], text: str, _dataset: Dataset) -> tuple[int, int]:
    """Return how many test rows a slice holds, and how many there are."""
    part = _dataset.split("test")
    return len(slices.rows(part, text)), part.rows


@st.cache_data(max_entries=50, show_spinner=False)
def _days(mark: str, _dataset: Dataset) -> tuple[date, date]:
    """Return the first and the last day of the test rows, whatever order they lie in."""
    time = _dataset.split("test").time
    low, high = np.array([time.min(), time.max()], "datetime64[s]").astype("datetime64[D]").tolist()
    return low, high
