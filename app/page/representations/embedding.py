"""A layout of vectors on a page: at once, or as a job that shows it while it moves; and what a lasso "
"holds.
"""

from pathlib import Path
from typing import Any

import numpy as np
import streamlit as st

from app import shelf, slicing, work
from app.markdown import escape_markdown
from app.page.representations.controls import RepresentationsChoice
from msviz.errors import MsvizError
from msviz.figures.pictures.projection import DENSE, selected
from msviz.finding import Finding, Provenance
from msviz.run import Run

AT_ONCE = 5_000  # vectors that PCA lays out within a page; more are a job
TITLES = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}


def show_layout(
    choice: RepresentationsChoice, run: Run, source: Finding, options: dict[str, Any]
) -> Finding | None:
    """Return the layout of a run's vectors; or show it while it is made, and return None."""
    options = options | {"method": choice.method, "points": choice.points}
    if choice.method == "pca" and choice.points <= AT_ONCE:
        try:
            return shelf.ask("projection", str(run.path), run.card.digest, run, **options)
        except MsvizError as error:
            st.warning(escape_markdown(str(error)), icon=":material/error:")
            return None
    if choice.method != "pca" and int(source.data.attrs["distinct"]) < 50:
        st.info(
            f"Fewer than 50 of these vectors differ, so there are no neighbours to keep: "
            f"{TITLES[choice.method]} has nothing to lay out. PCA does.",
            icon=":material/scatter_plot:",
        )
        return None
    finding = work.answer(
        "projection", run, None, f"{TITLES[choice.method]} of {escape_markdown(run.name)}", **options
    )
    if finding is None:
        _show_moving(_job_folder(run, options), run.name, source, choice)
    return finding


@st.fragment(run_every=1.0)
def _show_moving(folder: Path, name: str, source: Finding, choice: RepresentationsChoice) -> None:
    """Draw the layout as it stands while its job runs."""
    from msviz.analyses.questions.projection import assembled, points_of
    from msviz.analyses.shared.live import layout_in
    from msviz.analyses.shared.project import pca

    now = layout_in(folder)
    vectors, impression, entry = points_of(source.data, choice.points, 0)
    if now is None or len(now) != len(vectors):
        now = pca(vectors)[0]  # costs milliseconds: something to look at from the first second
    finding = Finding("projection", "", "", assembled(source.data, now, impression, entry), Provenance())
    figure = finding.figure(**picture_choices(choice))
    st.plotly_chart(figure, theme=None, key=f"moving-{name}", alt=f"{name}: the layout while it moves")


def picture_choices(choice: RepresentationsChoice) -> dict[str, Any]:
    """Return the picture's choices."""
    return {"colour": choice.colour, "schema": choice.run.schema, "order": choice.order}


def show_chart(finding: Finding, key: str, choices: dict[str, Any]) -> "np.ndarray[Any, Any] | None":
    """Draw a layout that a lasso can be drawn on; return the chosen points, or None for a density picture."""
    zoom = f"zoom-{key}"
    held = st.session_state.get(zoom, (0, None, None))
    try:
        figure = finding.figure(**choices, x=held[1], y=held[2])
    except MsvizError as error:
        st.warning(escape_markdown(str(error)), icon=":material/error:")
        return np.zeros(0, np.int64)
    dense = figure.data[0].type == "heatmap"
    name = f"chart-{key}-{held[0]}"
    with st.container(key=f"fit-{key}"):
        event = st.plotly_chart(
            figure,
            theme=None,
            key=name,
            alt=finding.takeaway,
            on_select=(lambda: _closer(name, zoom)) if dense else "rerun",
            selection_mode=("box",) if dense else ("lasso", "box"),
            config={"displaylogo": False, "displayModeBar": False, "showSendToCloud": False},
        )
    if not dense:
        return selected(event["selection"])
    if held[1] is not None:
        st.button(
            "Show all", key=f"all-{key}", icon=":material/zoom_out_map:", on_click=_farther, args=(zoom,)
        )
    else:
        st.caption(f"Over {DENSE:,} vectors are shown by their density. Draw a box to look closer.")
    return None


def _closer(name: str, zoom: str) -> None:
    """Remember the stretch of a box; the picture is then counted again for it alone."""
    boxes = st.session_state[name]["selection"].get("box", [])
    if boxes:
        x, y = (tuple(sorted(float(v) for v in boxes[0][axis])) for axis in ("x", "y"))
        count = st.session_state.get(zoom, (0,))[0]
        st.session_state[zoom] = (count + 1, x, y)


def _farther(zoom: str) -> None:
    st.session_state[zoom] = (st.session_state[zoom][0] + 1, None, None)


def _job_folder(run: Run, options: dict[str, Any]) -> Path:
    from msviz.analyses.answers import find_answer

    options = options | ({"slice": slicing.current()} if slicing.current() else {})
    return work.job_folder(find_answer("projection", run, None, options))
