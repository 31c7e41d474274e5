"""One view: the question, the picture, the takeaway, how to read it, where it comes from, and downloads."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import control_lines, shelf
from app.markdown import escape_markdown
from app.scores import describe_briefly, describe_score, score_table, select_score
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.figures.picture import load_picture
from msviz.finding import Finding

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator

    from msviz.probing.truth import Score

FIELDS_ON_A_PHONE = 12
CONFIG = {**export.CONFIG, "displayModeBar": False}


def show(
    finding: Finding,
    key: str,
    *,
    takeaway: str | None = None,
    question: str | None = None,
    simulated: bool = False,
    compact: bool = False,
    select: str | None = None,
    scored: bool = True,
    **choices: Any,
) -> Any:
    """Show a finding as its own picture draws it with `choices`; a choice it lacks is said in one line.

    With `select` ("box" or "lasso"), return what the reader selected in the picture, else None.
    """
    try:
        figure = finding.figure(**choices)
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return None
    if question != "":
        st.subheader(escape_markdown(question or finding.question), anchor=False)
    words = takeaway or finding.takeaway
    if not compact:
        st.markdown(escape_markdown(words))
    control_lines.show_controls(finding, key, choices)
    # Grids of many fields keep a width at which they can be read; a phone scrolls them sideways.
    grid = any(trace.type == "heatmap" for trace in figure.data)
    wide = "wide" if grid and finding.data.sizes.get("key", 0) > FIELDS_ON_A_PHONE else "fit"
    with st.container(key=f"{wide}-{key}"):
        listen: dict[str, Any] = {"on_select": "rerun", "selection_mode": select} if select else {}
        event: Any = st.plotly_chart(
            figure, theme=None, config=CONFIG, key=f"chart-{key}", alt=words, **listen
        )
    if scored:
        show_trust(finding, str(choices.get("scenario") or ""))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How to read this", icon=":material/help:", type="tertiary"):
            st.markdown(load_picture(finding.picture).how_to_read)
        offer_downloads(finding, figure, words, key)
        if simulated:
            st.badge("simulated data", color="orange", icon=":material/science:")
        st.caption(f"Source: {escape_markdown(finding.provenance.sentence())}")
    return event["selection"] if select else None


def show_first_score(finding: Finding) -> None:
    """Say in a few words how a finding scores against a planted truth; nothing where it has no ruler."""
    if scores := _scores(finding):
        st.caption(f":material/fact_check: {escape_markdown(describe_briefly(scores[0]))}")


def show_trust(finding: Finding, scenario: str) -> None:
    """Say how far this view can be trusted: its score against a planted truth, or what it scored on one."""
    scores = _scores(finding)
    if scores is None:
        score = shelf.known_score(finding.analysis)
        if score:
            words = f"No truth is known here; on planted data this view scores {escape_markdown(score)}."
            st.caption(f":material/help_center: {words}")
        return
    if not scores:
        return
    words = describe_score(select_score(scores, scenario), shelf.alternative(finding.analysis))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f":material/fact_check: {escape_markdown(words)}")
        if len(scores) > 1:
            with st.popover("All scores", icon=":material/table:", type="tertiary"):
                st.dataframe(score_table(scores), hide_index=True)


def _scores(finding: Finding) -> "list[Score] | None":
    """Return a finding's scores, computed once for each answer."""
    source = finding.provenance
    parameters = json.dumps(source.parameters, sort_keys=True)
    key = (source.run_digest, source.fingerprint, source.split, parameters)
    return _compute_scores(finding.analysis, key, finding)


@st.cache_data(max_entries=200, show_spinner=False)
def _compute_scores(analysis: str, key: tuple[str, ...], _finding: Finding) -> "list[Score] | None":
    return shelf.score(_finding)


def offer_downloads(finding: Finding, figure: go.Figure, words: str, key: str) -> None:
    """Offer the view as files; each is made when its button is pressed, not before."""
    exported = replace(finding, takeaway=words)
    name = f"{finding.analysis}-{finding.provenance.run or finding.provenance.data}"
    try:
        export.browser()
        why = None
    except MsvizError as error:
        why = str(error)
    with st.popover("Download", icon=":material/download:", type="tertiary"):
        for kind, mime in (("png", "image/png"), ("svg", "image/svg+xml")):
            st.download_button(
                kind.upper(),
                partial(_draw_image, figure, exported, kind),
                f"{name}.{kind}",
                mime,
                key=f"{kind}-{key}",
                disabled=why is not None,
                help=why,
                on_click="ignore",
                width="stretch",
            )
        st.download_button(
            "HTML",
            lambda: export.to_html(export.dressed(figure, exported)),
            f"{name}.html",
            "text/html",
            key=f"html-{key}",
            on_click="ignore",
            width="stretch",
        )
        st.download_button(
            "CSV",
            lambda: finding.to_pandas().to_csv(index=False),
            f"{name}.csv",
            "text/csv",
            key=f"csv-{key}",
            on_click="ignore",
            width="stretch",
        )


def _draw_image(figure: go.Figure, finding: Finding, kind: str) -> bytes:
    return export.to_image(export.dressed(figure, finding), kind)


def show_notice(title: str, what: str, *, icon: str = "inbox") -> "DeltaGenerator":
    """Say that there is nothing here yet, and what to do next; return the box, for more of it."""
    box = st.container(border=True)
    box.markdown(f"#### :material/{icon}: {title}")
    box.markdown(what)
    return box


def show_empty(title: str, what: str, *, command: str | None = None, icon: str = "inbox") -> None:
    """Say that there is nothing here yet, and what to do next, by which command."""
    box = show_notice(title, what, icon=icon)
    if command:
        box.code(command, language="bash")


def list_to_open(table: pd.DataFrame, key: str, columns: Mapping[str, Any]) -> None:
    """List impressions; the one that is selected opens: its number in the column Row becomes "row"."""

    def open_selected() -> None:
        rows = st.session_state[key]["selection"]["rows"]
        if rows:
            st.session_state["row"] = int(table["Row"].iloc[rows[0]])

    st.dataframe(
        table,
        key=key,
        hide_index=True,
        height=318,
        on_select=open_selected,
        selection_mode="single-row",
        column_config=columns,
    )
