"""Gallery: every figure and table of the five papers as a small live picture that opens its view."""

import streamlit as st

from app import choosing, shelf, slicing, view, work
from app.choosing import chosen
from app.words import plain
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.finding import Finding
from msviz.gallery import items
from msviz.gallery.items import Hung
from msviz.registry import PAPERS

ACROSS = 3


def wall(paper: str) -> list[Hung]:
    """Return the paper's tiles with the runs that draw them."""
    dataset = next((found for found in shelf.datasets() if found.truth is not None), None)
    dataset = dataset or next(iter(shelf.datasets()), None)
    runs = [*shelf.runs(), *shelf.study_runs()]
    hung = items.wall(runs, dataset, items.ab_log(shelf.data()))
    return [one for one in hung if one.paper == paper]


def kept(one: Hung) -> tuple[Finding | None, str]:
    """Return a tile's kept answer, or why there is none."""
    from msviz.analyses.answers import find_answer

    if one.ready is None:
        return None, one.missing
    try:
        path = find_answer(one.tile.analysis, one.ready.run, None, one.ready.options)
    except MsvizError as error:
        return None, str(error)
    return shelf.load(path), ""


def show(one: Hung, finding: Finding | None, why: str, number: int) -> None:
    """Show one tile: its place in the paper, a small picture, its score, and the way to the view."""
    tile = one.tile
    with st.container(border=True, height="stretch"):
        st.markdown(f"**{plain(tile.label)}**  \n{plain(tile.title)}")
        if finding is not None and one.ready is not None:
            try:
                figure = export.small(finding.figure(**one.ready.choices))
                st.plotly_chart(
                    figure,
                    theme=None,
                    config=view.CONFIG,
                    key=f"tile-{one.paper}-{number}",
                    alt=finding.takeaway,
                )
            except MsvizError as error:
                st.caption(plain(str(error)))
            view.score_line(finding)
        elif one.ready is None:
            st.caption(f":material/block: This shelf cannot show it: {plain(why)}. This would make it so:")
            st.code(tile.command, language="bash")
        else:
            st.caption(f":material/hourglass_empty: {plain(why) if why else 'Not drawn yet.'}")
        if tile.note:
            st.caption(plain(tile.note))
        if tile.study:
            st.page_link(
                "pages_look/train.py",
                label="Train what this varies",
                icon=":material/model_training:",
                query_params={"train_view": "Sweep", "study": f"{one.paper}:{tile.study.label}"},
            )
        if one.ready is not None and any(map(items.studied, one.ready.runs)):
            if finding is not None and st.button(
                "Look closer", key=f"closer-{number}", icon=":material/zoom_in:", type="tertiary"
            ):
                closer(one, finding)
        elif one.ready is not None:
            st.page_link(
                f"pages_look/{tile.page}.py",
                label=f"Open in {title_of(tile.page)}",
                icon=":material/open_in_new:",
                query_params=one.ready.link,
            )


@st.dialog("A closer look", width="large")
def closer(one: Hung, finding: Finding) -> None:
    """Show a tile's picture whole: its runs are not on the shelf, so no other page can."""
    assert one.ready is not None
    st.caption(plain(f"{one.tile.label}: {one.tile.title}"))
    view.show(finding, "closer", **one.ready.choices)


def title_of(page: str) -> str:
    """Return a page's title by its file."""
    return next(about.title for about in choosing.pages() if about.stem == page)


choice = chosen()
tiles = [(one, *kept(one)) for one in wall(choice.paper)]
st.markdown(plain(PAPERS.summary(choice.paper)))
absent = sum(finding is None and one.ready is not None and not why for one, finding, why in tiles)
drawn = sum(finding is not None for _, finding, _ in tiles)
lacking = sum(one.ready is None for one, _, _ in tiles)
st.caption(
    f"{drawn} of {len(tiles)} drawn from runs on the shelf"
    + (f", {lacking} need runs that are not on it" if lacking else "")
    + ("; tiles show all rows, whatever the slice" if slicing.current() else "")
    + "."
)
if absent:
    work.batch(
        f"gallery-{choice.paper}",
        ["gallery", "--paper", choice.paper, "--models", str(shelf.models()), "--folder", str(shelf.data())],
        f"the {absent} pictures that are missing",
        max((sum(found.rows.values()) for found in shelf.datasets()), default=0),
    )
for start in range(0, len(tiles), ACROSS):
    for column, (number, (one, finding, why)) in zip(
        st.columns(ACROSS), enumerate(tiles[start : start + ACROSS], start), strict=False
    ):
        with column:
            show(one, finding, why, number)
