"""One view: the question, the picture, the takeaway, how to read it, where it comes from, and downloads."""

import json
import math
from typing import TYPE_CHECKING, Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from app import controls, shelf
from app.words import plain
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
        st.warning(plain(str(error)), icon=":material/error:")
        return None
    if question != "":
        st.subheader(plain(question or finding.question), anchor=False)
    words = takeaway or finding.takeaway
    if not compact:
        st.markdown(plain(words))
    controls.show(finding, key, choices)
    # Grids of many fields keep a width at which they can be read; a phone scrolls them sideways.
    grid = any(trace.type == "heatmap" for trace in figure.data)
    wide = "wide" if grid and finding.data.sizes.get("key", 0) > FIELDS_ON_A_PHONE else "fit"
    with st.container(key=f"{wide}-{key}"):
        listen: dict[str, Any] = {"on_select": "rerun", "selection_mode": select} if select else {}
        event: Any = st.plotly_chart(
            figure, theme=None, config=CONFIG, key=f"chart-{key}", alt=words, **listen
        )
    if scored:
        trust(finding, str(choices.get("scenario") or ""))
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How to read this", icon=":material/help:", type="tertiary"):
            st.markdown(load_picture(finding.picture).how_to_read)
        downloads(finding, figure, words, key)
        if simulated:
            st.badge("simulated data", color="orange", icon=":material/science:")
        st.caption(f"Source: {plain(finding.provenance.sentence())}")
    return event["selection"] if select else None


def score_line(finding: Finding) -> None:
    """Say in a few words how a finding scores against a planted truth; nothing where it has no ruler."""
    scores = _scored(finding)
    if scores:
        first = scores[0]
        score = f"{first.measure} {first.value:.2f}, by chance {first.chance:.2g}"
        st.caption(f":material/fact_check: {plain(f'{score} ({first.name})')}")


def trust(finding: Finding, scenario: str) -> None:
    """Say how far this view can be trusted: its score against a planted truth, or what it scored on one."""
    scores = _scored(finding)
    if scores is None:
        known = shelf.known(finding.analysis)
        if known:
            words = f"No truth is known here; on planted data this view scores {plain(known)}."
            st.caption(f":material/help_center: {words}")
        return
    if not scores:
        return
    first = next((one for one in scores if one.name == scenario), scores[0])
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        words = f":material/fact_check: Checked against the planted truth: {plain(first.words)}"
        if not math.isnan(first.low) and first.low <= first.chance:
            words += f" That may be chance. {plain(shelf.instead(finding.analysis))}".rstrip()
        st.caption(words)
        if len(scores) > 1:
            with st.popover("All scores", icon=":material/table:", type="tertiary"):
                st.dataframe(_table(scores), hide_index=True)


def _scored(finding: Finding) -> "list[Score] | None":
    """Return a finding's scores, computed once for each answer."""
    where = finding.provenance
    asked = (where.run_digest, where.fingerprint, where.split, json.dumps(where.parameters, sort_keys=True))
    return _scores(finding.analysis, asked, finding)


@st.cache_data(max_entries=200, show_spinner=False)
def _scores(analysis: str, asked: tuple[str, ...], _finding: Finding) -> "list[Score] | None":
    return shelf.score(_finding)


def _table(scores: "list[Score]") -> pd.DataFrame:
    def bounds(one: "Score") -> str:
        return "" if math.isnan(one.low) else f"{one.low:.2f} to {one.high:.2f}"

    return pd.DataFrame(
        {
            "Of": [one.name for one in scores],
            "Measure": [one.measure for one in scores],
            "Score": [f"{one.value:.2f}" for one in scores],
            "95 %": [bounds(one) for one in scores],
            "By chance": [f"{one.chance:.2g}" for one in scores],
            "In words": [one.words for one in scores],
        }
    )


def downloads(finding: Finding, figure: go.Figure, words: str, key: str) -> None:
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


def notice(title: str, what: str, *, icon: str = "inbox") -> "DeltaGenerator":
    """Say that there is nothing here yet, and what to do next; return the box, for more of it."""
    box = st.container(border=True)
    box.markdown(f"#### :material/{icon}: {title}")
    box.markdown(what)
    return box


def empty(title: str, what: str, *, command: str | None = None, icon: str = "inbox") -> None:
    """Say that there is nothing here yet, and what to do next, by which command."""
    box = notice(title, what, icon=icon)
    if command:
        box.code(command, language="bash")
