"""Gallery: every figure and table of the papers as a small live picture that opens its view."""

from dataclasses import dataclass

import streamlit as st

from app import navigation, shelf, slicing, view, work
from app.markdown import escape_markdown
from app.page.gallery.controls import GalleryChoice
from msviz.errors import MsvizError
from msviz.figures import export
from msviz.finding import Finding
from msviz.gallery import items as gallery
from msviz.gallery.items import GalleryItem
from msviz.registry import PAPERS

ACROSS = 3


@dataclass(frozen=True)
class DrawnTile:
    """A tile with the runs that draw it, its kept answer, and why there is none where that is an error."""

    item: GalleryItem
    finding: Finding | None
    trouble: str = ""


def show(choice: GalleryChoice) -> None:
    """Draw all tiles of a paper, and have made what is missing."""
    tiles = [_load_tile(item) for item in _list_items(choice.paper)]
    st.markdown(escape_markdown(PAPERS.summary(choice.paper)))
    st.caption(_count(tiles))
    absent = sum(tile.finding is None and tile.item.ready is not None and not tile.trouble for tile in tiles)
    if absent:
        models, data = str(shelf.models()), str(shelf.data())
        work.run_batch(
            f"gallery-{choice.paper}",
            ["gallery", "--paper", choice.paper, "--models", models, "--folder", data],
            f"the {absent} pictures that are missing",
            max((sum(dataset.rows.values()) for dataset in shelf.datasets()), default=0),
        )
    for start in range(0, len(tiles), ACROSS):
        for column, (number, tile) in zip(
            st.columns(ACROSS), enumerate(tiles[start : start + ACROSS], start), strict=False
        ):
            with column, st.container(border=True, height="stretch"):
                _show_tile(tile, number)


def _count(tiles: list[DrawnTile]) -> str:
    drawn = sum(tile.finding is not None for tile in tiles)
    lacking = sum(tile.item.ready is None for tile in tiles)
    return (
        f"{drawn} of {len(tiles)} drawn from runs on the shelf"
        + (f", {lacking} need runs that are not on it" if lacking else "")
        + ("; tiles show all rows, whatever the slice" if slicing.current() else "")
        + "."
    )


def _list_items(paper: str) -> list[GalleryItem]:
    """Return the paper's tiles with the runs that draw them."""
    datasets = shelf.datasets()
    dataset = next((dataset for dataset in datasets if dataset.truth is not None), next(iter(datasets), None))
    runs = [*shelf.runs(), *shelf.study_runs()]
    items = gallery.gallery_items(runs, dataset, gallery.ab_log(shelf.data()))
    return [item for item in items if item.paper == paper]


def _load_tile(item: GalleryItem) -> DrawnTile:
    """Return a tile with its kept answer, or why there is none."""
    from msviz.analyses.answers import find_answer

    if item.ready is None:
        return DrawnTile(item, None, item.missing)
    try:
        path = find_answer(item.tile.analysis, item.ready.run, None, item.ready.options)
    except MsvizError as error:
        return DrawnTile(item, None, str(error))
    return DrawnTile(item, shelf.load(path))


def _show_tile(tile: DrawnTile, number: int) -> None:
    """Show one tile: its place in the paper, a small picture, its score, and the way to the view."""
    item, figure = tile.item, tile.item.tile
    st.markdown(f"**{escape_markdown(figure.label)}**  \n{escape_markdown(figure.title)}")
    if tile.finding is not None and item.ready is not None:
        _show_picture(item, tile.finding, f"tile-{item.paper}-{number}")
    elif item.ready is None:
        why = escape_markdown(tile.trouble)
        st.caption(f":material/block: This shelf cannot show it: {why}. This would make it so:")
        st.code(figure.command, language="bash")
    else:
        st.caption(f":material/hourglass_empty: {escape_markdown(tile.trouble) or 'Not drawn yet.'}")
    if figure.note:
        st.caption(escape_markdown(figure.note))
    if figure.study:
        navigation.link_to(
            "train",
            label="Train what this varies",
            icon=":material/model_training:",
            query_params={"train_view": "Sweep", "study": f"{item.paper}:{figure.study.label}"},
        )
    if item.ready is None:
        return
    if not any(map(gallery.studied, item.ready.runs)):
        title = navigation.find_page(figure.page).info.title
        icon = ":material/open_in_new:"
        navigation.link_to(figure.page, label=f"Open in {title}", icon=icon, query_params=item.ready.link)
    elif tile.finding is not None and st.button(
        "Look closer", key=f"closer-{number}", icon=":material/zoom_in:", type="tertiary"
    ):
        _look_closer(item, tile.finding)


def _show_picture(item: GalleryItem, finding: Finding, key: str) -> None:
    assert item.ready is not None
    try:
        figure = export.small(finding.figure(**item.ready.choices))
        st.plotly_chart(figure, theme=None, config=view.CONFIG, key=key, alt=finding.takeaway)
    except MsvizError as error:
        st.caption(escape_markdown(str(error)))
    view.show_first_score(finding)


@st.dialog("A closer look", width="large")
def _look_closer(item: GalleryItem, finding: Finding) -> None:
    """Show a tile's picture whole: its runs are not on the shelf, so no other page can."""
    assert item.ready is not None
    st.caption(escape_markdown(f"{item.tile.label}: {item.tile.title}"))
    view.show(finding, "closer", **item.ready.choices)
