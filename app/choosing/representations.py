"""Choose which vectors are looked at, how they are laid out, and what colours them."""

from dataclasses import dataclass
from typing import Any

import streamlit as st

from app import links, shelf
from app.choosing import _common
from msviz.figures.pictures.projection import COLOURS
from msviz.run import Run

TITLE, ICON, SECTION, ORDER = "Representations", ":material/scatter_plot:", "Inside a model", 4
METHODS = {"PCA": "pca", "UMAP": "umap", "t-SNE": "tsne"}
POINTS = {"1,000": 1_000, "5,000": 5_000, "20,000": 20_000, "150,000": 150_000}
SAMPLE, MOST = 5_000, 50_000  # impressions that are looked at, at least and at most
NOBODY = "none"
WORDS = {"each": "each apart", "own": "own scenario", "joined": "joined"}


@dataclass(frozen=True)
class Chosen:
    """What is looked at: the first run's vectors, and a second run's own best beside them."""

    run: Run
    other: Run | None
    asked: dict[str, Any]
    method: str
    points: int
    colour: str | None
    order: tuple[str, ...]
    simulated: bool


def choose(run: Run | None) -> Chosen | None:
    """Choose vectors, layout, colour and second run."""
    if not run:
        _common.nothing()
        return None
    if not _common.able(run, "representation", "This model shows no vectors"):
        return None
    first, second, third = st.columns([2, 2, 2], vertical_alignment="bottom")
    with first:
        method = METHODS[links.switch("Layout", list(METHODS), "layout")]
    with second:
        vectors = _vectors(run)
    with third:
        other = _common.other_run(run, NOBODY)
    left, right = st.columns([4, 2], vertical_alignment="bottom")
    with left:
        titles = [field.label for field in run.schema.features if field.role != "scenario"]
        kind = COLOURS[1]
        colour = links.choose("Colour", [kind, *(c for c in COLOURS if c != kind), *titles], "colour")
    with right:
        # Neighbours of very many points take minutes; PCA and a density picture do not.
        able = [name for name, points in POINTS.items() if method == "pca" or points <= 20_000]
        points = POINTS[links.choose("Vectors in the picture", able, "points", default="5,000")]
    asked = vectors | {"rows": min(max(points, SAMPLE), MOST)}
    return Chosen(
        run, other, asked, method, points, None if colour == kind else colour, **_common.setting(run)
    )


def _vectors(run: Run) -> dict[str, str]:
    """Choose the tap, and which of its entries; the second run shows its own most telling ones."""
    from msviz.analyses.shared.vectors import taps, ways

    axes = shelf.taps(run)
    known = {
        f"{name}, {WORDS[way]}" if len(ways(axes[name])) > 1 else name: {"tap": name, "entries": way}
        for name in taps(axes)
        for way in ways(axes[name])
    }
    default = next(iter(known))
    picked = links.choose("Vectors", list(known), "vectors", help="Which vectors of the model are looked at")
    return {} if picked == default else known[picked]
