"""Representations: which impressions a model sees alike, and how far apart it keeps scenarios or experts."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from app import controls, projecting, shelf, slicing, view, work
from app.choosing import chosen
from app.choosing.representations import Chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures import density
from msviz.figures.pictures import projection as picture
from msviz.figures.pictures import representation
from msviz.finding import Finding
from msviz.run import Run

LISTED = 200  # impressions in the table


def show(choice: Chosen) -> None:
    runs = [(choice.run, choice.asked)]
    if choice.other:
        if why := shelf.why_not("representation", str(choice.other.path), choice.other.card.digest):
            words = f"{plain(choice.other.name)} is left out: {plain(why)}."
            st.info(words, icon=":material/visibility_off:")
        else:
            runs.append((choice.other, _of_other(choice, choice.other)))
    sources = [
        work.answer("representation", run, None, f"vectors of {plain(run.name)}", **asked)
        for run, asked in runs
    ]
    known = [(run, asked, found) for (run, asked), found in zip(runs, sources, strict=True) if found]
    if len(known) < len(runs):
        return
    pictures(choice, known)
    st.divider()
    numbers(choice, [(run, found) for run, _, found in known])


def _of_other(choice: Chosen, other: Run) -> dict[str, Any]:
    """Ask the second run for the same vectors where it has them, else for its own most telling ones."""
    from msviz.analyses.shared.vectors import taps, ways

    axes = shelf.taps(other)
    tap = choice.asked.get("tap")
    same = tap in taps(axes) and choice.asked["entries"] in ways(axes[tap])
    return choice.asked if same else {"rows": choice.asked["rows"]}


def pictures(choice: Chosen, known: list[tuple[Run, dict[str, Any], Finding]]) -> None:
    st.subheader("Which impressions does the model see alike?", anchor=False)
    found: list[tuple[Run, Finding]] = []
    columns = st.columns(len(known), gap="medium")
    for column, (run, asked, source) in zip(columns, known, strict=True):
        with column:
            if len(known) > 1:
                st.markdown(f"**{plain(run.name)}**")
            layout = projecting.layout(choice, run, source, asked)
            if layout:
                found.append((run, layout))
    if len(found) < len(known):
        return
    rows = found[0][1].data["row"].values
    if len(found) > 1:
        rows = np.intersect1d(rows, found[1][1].data["row"].values)
        if not len(rows):
            st.info(
                "The two runs have no test impressions in common: they were trained on other data.",
                icon=":material/compare:",
            )
            return
    held: list[tuple[Run, Finding, np.ndarray]] = []  # type: ignore[type-arg]
    dense = False
    for number, (column, (run, layout), (_, asked, _source)) in enumerate(
        zip(columns, found, known, strict=True)
    ):
        with column:
            both = {"rows": rows} if len(found) > 1 else {}
            points = projecting.chart(layout, f"layout-{number}", projecting.drawn(choice) | both)
            st.markdown(plain(layout.takeaway))
            again(choice, run, asked)
            dense = dense or points is None
            how = density.HOW_TO_READ if points is None else picture.HOW_TO_READ
            if points is not None and len(points):
                held.append((run, layout, points))
            _footer(layout, choice, f"layout-{number}", how, **projecting.drawn(choice))
    if len(found) > 1:
        st.caption(f"Both pictures show the same {len(rows):,} impressions.")
    if not dense:
        lasso(choice, held)


def again(choice: Chosen, run: Run, asked: dict[str, Any]) -> None:
    """Say whether the picture would come out the same from another start."""
    if choice.method == "pca":
        return
    options = asked | {"method": choice.method, "points": choice.points}
    found = work.answer("projection_agreement", run, None, "the same picture from another start", **options)
    if found:
        st.caption(plain(found.takeaway))


def _footer(finding: Finding, choice: Chosen, key: str, how: str, **choices: Any) -> None:
    """Say how to read a picture and where it comes from, and offer it as a file."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How to read this", icon=":material/help:", type="tertiary"):
            st.markdown(how)
        view.downloads(finding, finding.figure(**choices), finding.takeaway, key)
        if choice.simulated:
            st.badge("simulated data", color="orange", icon=":material/science:")
        st.caption(f"Source: {plain(finding.provenance.sentence())}")


def lasso(choice: Chosen, held: list[tuple[Run, Finding, Any]]) -> None:
    """Say what the impressions inside a lasso have in common, list them, and offer them to all pages."""
    from msviz.analyses.shared.distinguish import distinguishing, impressions_of, in_words

    if not held:
        st.caption(":material/gesture: Draw a lasso around dots to see what their impressions share.")
        return
    run, finding, points = held[0]
    data = finding.data
    impressions = impressions_of(data, points)
    total = data.sizes["impression"]
    st.subheader("What do the chosen impressions have in common?", anchor=False)
    if len(impressions) == total:
        st.info("All impressions are chosen: there are no others to compare them with.")
        return
    table = distinguishing(finding, impressions, run.schema)
    st.markdown(plain(in_words(table, len(impressions), total)))
    left, right = st.columns(2, gap="medium")
    with left:
        st.dataframe(_values(table), hide_index=True, height=320)
        st.caption("Fisher's exact test, corrected over all values; the most significant first.")
    with right:
        st.dataframe(_listed(run, finding, impressions), hide_index=True, height=320)
        if len(impressions) > LISTED:
            st.caption(f"{LISTED} of {len(impressions):,} impressions, those with the highest predictions.")
    try:
        dataset = shelf.data_of(run)
    except MsvizError:
        return
    st.button(
        f"Use these {len(impressions):,} impressions on every page",
        icon=":material/filter_alt:",
        on_click=slicing.use_rows,
        args=(dataset, data["row"].values[impressions]),
        key="use-lasso",
    )


def _values(table: pd.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Field": table["field"],
            "Value": table["value"].astype(str),
            "Chosen": [f"{share:.1%}" for share in table["chosen"]],
            "Others": [f"{share:.1%}" for share in table["others"]],
            "Times as often (95 %)": [
                f"{lift:.2f} ({low:.2f} to {high:.2f})" if np.isfinite(high) else f"{lift:.2f}"
                for lift, low, high in zip(table["lift"], table["low"], table["high"], strict=True)
            ],
            "q": [f"{q:.1g}" for q in table["q"]],
        }
    )


def _listed(run: Run, finding: Finding, impressions: Any) -> pd.DataFrame:
    data = finding.data
    order = impressions[np.argsort(-data["prediction"].values[impressions], kind="stable")][:LISTED]
    found: dict[str, Any] = {
        "Row": data["row"].values[order],
        "Predicted": [f"{share:.1%}" for share in data["prediction"].values[order]],
        "Clicked": np.where(data["label"].values[order] > 0, "yes", "no"),
    }
    for number, title in enumerate(data["field"].values.astype(str)):
        field = run.schema.field(title)
        found[title] = [field.value_name(int(value)) for value in data["value"].values[order, number]]
    return pd.DataFrame(found)


def numbers(choice: Chosen, known: list[tuple[Run, Finding]]) -> None:
    """Show how far apart groups lie: matrices of each run, and three numbers of both."""
    st.subheader("How far apart does the model keep them?", anchor=False)
    if len(known) == 1:
        st.markdown(plain(known[0][1].takeaway))
        controls.show(known[0][1], "numbers-0", {"matrix": "cosine"})
    columns = st.columns(2, gap="medium")
    for number, (run, finding) in enumerate(known):
        able = [name for name in representation.MATRICES if name in finding.data]
        # One run has its two matrices side by side, two runs one below the other.
        places = columns if len(known) == 1 else [columns[number]] * 2
        if len(known) > 1:
            places[0].markdown(plain(f"{run.name}: {finding.takeaway}"))
            with places[0]:
                controls.show(finding, f"numbers-{number}", {"matrix": "cosine"})
        if finding.data.sizes["group"] < 2:
            continue
        for place, matrix in zip(places, able, strict=False):
            with place:
                _chart(finding, f"{matrix}-{number}", matrix=matrix)
    first = known[0][1]
    if first.data.sizes["group"] < 2:
        return
    other = known[1][1] if len(known) > 1 and _alike(first, known[1][1]) else None
    if other is not None:
        from msviz.analyses.questions.representation import compared

        st.markdown(plain(compared(first, other)))
    for column, measure in zip(st.columns(3, gap="medium"), representation.MEASURES, strict=True):
        with column:
            _chart(first, measure, view="numbers", measure=measure, other=other, order=choice.order)
    for number, (_, finding) in enumerate(known):
        _footer(finding, choice, f"numbers-{number}", representation.HOW_TO_READ)
        view.trust(finding, "")


def _chart(finding: Finding, key: str, **choices: Any) -> None:
    figure = finding.figure(**choices)
    st.plotly_chart(figure, theme=None, config=view.CONFIG, key=f"chart-{key}", alt=finding.takeaway)


def _alike(first: Finding, second: Finding) -> bool:
    return str(first.data.attrs["kind"]) == str(second.data.attrs["kind"])


choice = chosen()
if choice is not None:
    show(choice)
