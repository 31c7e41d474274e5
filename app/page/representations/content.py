"""Representations: which impressions a model sees alike, and how far apart it keeps scenarios or experts."""

from typing import Any

import numpy as np
import streamlit as st

from app import control_lines, shelf, slicing, view, work
from app.markdown import escape_markdown
from app.page.representations import embedding
from app.page.representations.controls import RepresentationsChoice
from app.page.representations.tables import impressions_table, values_table
from msviz.errors import MsvizError
from msviz.figures import density
from msviz.figures.pictures import projection as picture
from msviz.figures.pictures import representation
from msviz.finding import Finding
from msviz.run import Run

MOST_LISTED = 200  # impressions in the table


def show(choice: RepresentationsChoice) -> None:
    """Draw the vectors of one or two runs, and how far apart each keeps them."""
    runs = [(choice.run, choice.options)]
    if choice.other:
        if why := shelf.why_not("representation", str(choice.other.path), choice.other.card.digest):
            words = f"{escape_markdown(choice.other.name)} is left out: {escape_markdown(why)}."
            st.info(words, icon=":material/visibility_off:")
        else:
            runs.append((choice.other, _options_of_other(choice, choice.other)))
    sources = [
        work.answer("representation", run, None, f"vectors of {escape_markdown(run.name)}", **options)
        for run, options in runs
    ]
    answers = [(run, options, source) for (run, options), source in zip(runs, sources, strict=True) if source]
    if len(answers) < len(runs):
        return
    _show_pictures(choice, answers)
    st.divider()
    _show_numbers(choice, [(run, source) for run, _, source in answers])


def _options_of_other(choice: RepresentationsChoice, other: Run) -> dict[str, Any]:
    """Ask the second run for the same vectors where it has them, else for its own most telling ones."""
    from msviz.analyses.shared.vectors import taps, ways

    axes = shelf.taps(other)
    tap = choice.options.get("tap")
    same = tap in taps(axes) and choice.options["entries"] in ways(axes[tap])
    return choice.options if same else {"rows": choice.options["rows"]}


def _show_pictures(choice: RepresentationsChoice, answers: list[tuple[Run, dict[str, Any], Finding]]) -> None:
    st.subheader("Which impressions does the model see alike?", anchor=False)
    layouts: list[tuple[Run, Finding]] = []
    columns = st.columns(len(answers), gap="medium")
    for column, (run, options, source) in zip(columns, answers, strict=True):
        with column:
            if len(answers) > 1:
                st.markdown(f"**{escape_markdown(run.name)}**")
            layout = embedding.show_layout(choice, run, source, options)
            if layout:
                layouts.append((run, layout))
    if len(layouts) < len(answers):
        return
    rows = layouts[0][1].data["row"].values
    if len(layouts) > 1:
        rows = np.intersect1d(rows, layouts[1][1].data["row"].values)
        if not len(rows):
            st.info(
                "The two runs have no test impressions in common: they were trained on other data.",
                icon=":material/compare:",
            )
            return
    selections: list[tuple[Run, Finding, np.ndarray]] = []
    dense = False
    for number, (column, (run, layout), (_, options, _source)) in enumerate(
        zip(columns, layouts, answers, strict=True)
    ):
        with column:
            both = {"rows": rows} if len(layouts) > 1 else {}
            points = embedding.show_chart(
                layout, f"layout-{number}", embedding.picture_choices(choice) | both
            )
            st.markdown(escape_markdown(layout.takeaway))
            _say_agreement(choice, run, options)
            dense = dense or points is None
            how = density.HOW_TO_READ if points is None else picture.HOW_TO_READ
            if points is not None and len(points):
                selections.append((run, layout, points))
            _footer(layout, choice, f"layout-{number}", how, **embedding.picture_choices(choice))
    if len(layouts) > 1:
        st.caption(f"Both pictures show the same {len(rows):,} impressions.")
    if not dense:
        _show_lasso(selections)


def _say_agreement(choice: RepresentationsChoice, run: Run, options: dict[str, Any]) -> None:
    """Say whether the picture would come out the same from another start."""
    if choice.method == "pca":
        return
    options = options | {"method": choice.method, "points": choice.points}
    finding = work.answer("projection_agreement", run, None, "the same picture from another start", **options)
    if finding:
        st.caption(escape_markdown(finding.takeaway))


def _footer(finding: Finding, choice: RepresentationsChoice, key: str, how: str, **choices: Any) -> None:
    """Say how to read a picture and where it comes from, and offer it as a file."""
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        with st.popover("How to read this", icon=":material/help:", type="tertiary"):
            st.markdown(how)
        view.offer_downloads(finding, finding.figure(**choices), finding.takeaway, key)
        if choice.simulated:
            st.badge("simulated data", color="orange", icon=":material/science:")
        st.caption(f"Source: {escape_markdown(finding.provenance.sentence())}")


def _show_lasso(selections: list[tuple[Run, Finding, Any]]) -> None:
    """Say what the impressions inside a lasso have in common, list them, and offer them to all pages."""
    from msviz.analyses.shared.distinguish import distinguishing, impressions_of, in_words

    if not selections:
        st.caption(":material/gesture: Draw a lasso around dots to see what their impressions share.")
        return
    run, finding, points = selections[0]
    data = finding.data
    impressions = impressions_of(data, points)
    total = data.sizes["impression"]
    st.subheader("What do the chosen impressions have in common?", anchor=False)
    if len(impressions) == total:
        st.info("All impressions are chosen: there are no others to compare them with.")
        return
    table = distinguishing(finding, impressions, run.schema)
    st.markdown(escape_markdown(in_words(table, len(impressions), total)))
    left, right = st.columns(2, gap="medium")
    with left:
        st.dataframe(values_table(table), hide_index=True, height=320)
        st.caption("Fisher's exact test, corrected over all values; the most significant first.")
    with right:
        st.dataframe(
            impressions_table(finding, run.schema, impressions, MOST_LISTED), hide_index=True, height=320
        )
        if len(impressions) > MOST_LISTED:
            st.caption(
                f"{MOST_LISTED} of {len(impressions):,} impressions, those with the highest predictions."
            )
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


def _show_numbers(choice: RepresentationsChoice, answers: list[tuple[Run, Finding]]) -> None:
    """Show how far apart groups lie: matrices of each run, and three numbers of both."""
    st.subheader("How far apart does the model keep them?", anchor=False)
    if len(answers) == 1:
        st.markdown(escape_markdown(answers[0][1].takeaway))
        control_lines.show_controls(answers[0][1], "numbers-0", {"matrix": "cosine"})
    columns = st.columns(2, gap="medium")
    for number, (run, finding) in enumerate(answers):
        matrices = [name for name in representation.MATRICES if name in finding.data]
        # One run has its two matrices side by side, two runs one below the other.
        boxes = columns if len(answers) == 1 else [columns[number]] * 2
        if len(answers) > 1:
            boxes[0].markdown(escape_markdown(f"{run.name}: {finding.takeaway}"))
            with boxes[0]:
                control_lines.show_controls(finding, f"numbers-{number}", {"matrix": "cosine"})
        if finding.data.sizes["group"] < 2:
            continue
        for box, matrix in zip(boxes, matrices, strict=False):
            with box:
                _chart(finding, f"{matrix}-{number}", matrix=matrix)
    first = answers[0][1]
    if first.data.sizes["group"] < 2:
        return
    other = answers[1][1] if len(answers) > 1 and _same_kind(first, answers[1][1]) else None
    if other is not None:
        from msviz.analyses.questions.representation import compared

        st.markdown(escape_markdown(compared(first, other)))
    for column, measure in zip(st.columns(3, gap="medium"), representation.MEASURES, strict=True):
        with column:
            _chart(first, measure, view="numbers", measure=measure, other=other, order=choice.order)
    for number, (_, finding) in enumerate(answers):
        _footer(finding, choice, f"numbers-{number}", representation.HOW_TO_READ)
        view.show_trust(finding, "")


def _chart(finding: Finding, key: str, **choices: Any) -> None:
    figure = finding.figure(**choices)
    st.plotly_chart(figure, theme=None, config=view.CONFIG, key=f"chart-{key}", alt=finding.takeaway)


def _same_kind(first: Finding, second: Finding) -> bool:
    return str(first.data.attrs["kind"]) == str(second.data.attrs["kind"])
