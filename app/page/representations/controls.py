"""Choose which vectors are looked at, how they are laid out, and what colours them."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import choices, links, missing, shelf
from app.navigation import PageInfo
from msviz.figures.pictures.projection import COLOURS
from msviz.run import Run

PAGE = PageInfo(
    title="Representations",
    icon=":material/scatter_plot:",
    section="Inside a model",
    order=4,
    questions=("representation", "projection", "projection_agreement"),
)
METHODS = {"PCA": "pca", "UMAP": "umap", "t-SNE": "tsne"}
POINTS = {"1,000": 1_000, "5,000": 5_000, "20,000": 20_000, "150,000": 150_000}
SAMPLE, MOST = 5_000, 50_000  # impressions that are looked at, at least and at most
NO_RUN = "none"
ENTRIES = {"each": "each apart", "own": "own scenario", "joined": "joined"}


@dataclass(frozen=True)
class RepresentationsChoice:
    """What is looked at: the first run's vectors, and a second run's own best beside them."""

    run: Run
    other: Run | None
    options: dict[str, Any]
    method: str
    points: int
    colour: str | None
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> RepresentationsChoice | None:
    """Choose vectors, layout, colour and second run."""
    if not run:
        missing.explain_no_runs()
        return None
    if not missing.can_answer(run, "representation", "This model shows no vectors"):
        return None
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    with first:
        method = METHODS[links.switch("Layout", list(METHODS), "layout")]
    with second:
        vectors = _choose_vectors(run)
    with third:
        other = choices.choose_second_run(run, NO_RUN)
    left, right = st.columns([4, 2], vertical_alignment="bottom")
    with left:
        titles = [field.label for field in run.schema.features if field.role != "scenario"]
        kind = COLOURS[1]
        colour = links.choose("Colour", [kind, *(c for c in COLOURS if c != kind), *titles], "colour")
    with right:
        # Neighbours of very many points take minutes; PCA and a density picture do not.
        able = [name for name, points in POINTS.items() if method == "pca" or points <= 20_000]
        points = POINTS[links.choose("Vectors in the picture", able, "points", default="5,000")]
    options = vectors | {"rows": min(max(points, SAMPLE), MOST)}
    return RepresentationsChoice(
        run, other, options, method, points, None if colour == kind else colour, **choices.run_setting(run)
    )


def _choose_vectors(run: Run) -> dict[str, str]:
    """Choose the tap, and which of its entries; the second run shows its own most telling ones."""
    from msviz.analyses.shared.vectors import taps, ways

    axes = shelf.taps(run)
    options = {
        f"{name}, {ENTRIES[way]}" if len(ways(axes[name])) > 1 else name: {"tap": name, "entries": way}
        for name in taps(axes)
        for way in ways(axes[name])
    }
    default = next(iter(options))
    picked = links.choose(
        "Vectors", list(options), "vectors", help="Which vectors of the model are looked at"
    )
    return {} if picked == default else options[picked]
