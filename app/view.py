"""One view: the question, the picture, the takeaway, how to read it, where it comes from, and downloads."""

import importlib
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from app.words import plain
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.finding import Finding

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
    **choices: Any,
) -> None:
    """Show a finding as its own picture draws it with `choices`; a choice it lacks is said in one line."""
    try:
        figure = finding.figure(**choices)
    except MsvizError as error:
        st.warning(plain(str(error)), icon=":material/error:")
        return
    if question != "":
        st.subheader(plain(question or finding.question), anchor=False)
    words = takeaway or finding.takeaway
    if not compact:
        st.markdown(plain(words))
    # Grids of many fields keep a width at which they can be read; a phone scrolls them sideways.
    grid = any(trace.type == "heatmap" for trace in figure.data)
    wide = "wide" if grid and finding.data.sizes.get("key", 0) > FIELDS_ON_A_PHONE else "fit"
    with st.container(key=f"{wide}-{key}"):
        st.plotly_chart(figure, theme=None, config=CONFIG, key=f"chart-{key}", alt=words)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How to read this", icon=":material/help:", type="tertiary"):
            st.markdown(importlib.import_module(f"msviz.figures.{finding.picture}").HOW_TO_READ)
        _downloads(finding, figure, words, key)
        if simulated:
            st.badge("simulated data", color="orange", icon=":material/science:")
        st.caption(f"Source: {plain(finding.provenance.sentence())}")


def _downloads(finding: Finding, figure: go.Figure, words: str, key: str) -> None:
    """Offer the view as files; each is made when its button is pressed, not before."""
    from dataclasses import replace

    told = replace(finding, takeaway=words)
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
                lambda kind=kind: export.to_image(export.dressed(figure, told), kind),
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
            lambda: export.to_html(export.dressed(figure, told)),
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


def empty(title: str, what: str, *, command: str | None = None, icon: str = "inbox") -> None:
    """Say that there is nothing here yet, and what to do next."""
    with st.container(border=True):
        st.markdown(f"#### :material/{icon}: {title}")
        st.markdown(what)
        if command:
            st.code(command, language="bash")
