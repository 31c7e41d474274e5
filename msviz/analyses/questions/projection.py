"""A picture of what a model represents: its vectors laid out in the plane by PCA, UMAP or t-SNE."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import Field as Setting

from msviz.analyses.question import Question
from msviz.analyses.questions import representation
from msviz.analyses.run import ask
from msviz.analyses.shared import project
from msviz.analyses.shared.live import Live
from msviz.analyses.shared.words import percent
from msviz.errors import MsvizError, invalid
from msviz.finding import Finding, Provenance
from msviz.run import Run

if TYPE_CHECKING:
    import xarray as xr

    from msviz.probing.study import Study

TITLE = "Which impressions does the model see alike?"
TITLES = {"pca": "PCA", "umap": "UMAP", "tsne": "t-SNE"}
MOST = {"pca": 1_000_000, "umap": 50_000, "tsne": 20_000}
FEW = 50  # different vectors that neighbours need
TRUST = ("trustworthiness", "neighbours kept")
Array = np.ndarray[Any, Any]


class ProjectionOptions(representation.RepresentationOptions):
    """Which vectors, how they are laid out, and from which start."""

    method: Literal["pca", "umap", "tsne"] = Setting(
        "pca", description="pca keeps large distances, umap and tsne keep neighbours"
    )
    points: int = Setting(5_000, ge=20, le=1_000_000, description="vectors in the picture")
    start: int = Setting(0, ge=0, description="another start of umap or tsne: what stays can be believed")
    other: str | None = Setting(
        None, description="path of a run whose vectors of the same impressions are laid out beside these"
    )

    def key(self) -> dict[str, Any]:
        """Return the options with the other run's content in place of its path."""
        digest = Run.peek(self.other).card.digest if self.other else None
        return {**super().key(), "other": digest}


def analyse(study: Study, options: ProjectionOptions) -> Finding:
    """Return `layout` (point, axis) of the vectors, and whose they are: `impression`, `entry` (point).

    What is known of an impression is as in `representation`. `trust`, `trust_low`, `trust_high` (measure) are
    trustworthiness and the share of the ten nearest vectors that stay nearest; `explained` (axis) is each
    axis's share of the variance (PCA only). Of another run, `other_layout` (other_point, axis), `other_of`,
    `other_entry` (other_point) and `other_trust` with its bounds (measure): laid out by itself, then turned,
    mirrored and scaled as a whole so that the same impressions lie near one another.
    Raises MsvizError for more points than a method can lay out, where there are too few different vectors,
    and where the runs have no impressions in common.
    """
    if options.points > MOST[options.method]:
        raise invalid(
            "projection points",
            options.points,
            f"{TITLES[options.method]} takes up to {MOST[options.method]:,}",
        )
    with study.stage(0.0, 0.5 if options.other else 1.0):
        data, explained = _project_run(study, options)
    data = data.assign(explained=(("axis",), explained)).assign_coords(measure=list(TRUST))
    data.attrs["method"] = options.method
    if options.other is not None:
        data = _beside(study, options, data)
    return Finding(
        analysis="projection",
        question=TITLE,
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=data.sizes["impression"]),
    )


def _project_run(study: Study, options: ProjectionOptions) -> tuple[xr.Dataset, Array]:
    """Return a run's vectors in the plane with how far that is to be trusted, and what the axes explain."""
    request = {name: getattr(options, name) for name in representation.RepresentationOptions.model_fields}
    with study.stage(0.0, 0.1):
        source = ask(study, "representation", request)
    vectors, impression, entry = points_of(source.data, options.points, study.seed)
    if len(vectors) < 20:
        raise invalid("rows of the split", len(vectors), "a layout needs 20 vectors")
    if options.method != "pca" and representation.distinct_of(vectors) < FEW:
        raise MsvizError(
            f"projection method: got {options.method!r}; fewer than {FEW} of the vectors differ "
            "(they say the scenario or the day and no more): only pca can lay them out"
        )
    layout, explained = _embed(study, vectors, options)
    data = assembled(source.data, layout, impression, entry)
    trust = project.neighbours_kept(vectors, layout)
    arrays = {
        "trust": (("measure",), np.array([part.value for part in trust])),
        "trust_low": (("measure",), np.array([part.low for part in trust])),
        "trust_high": (("measure",), np.array([part.high for part in trust])),
    }
    return data.assign(arrays), explained


def _beside(study: Study, options: ProjectionOptions, data: xr.Dataset) -> xr.Dataset:
    """Add another run's layout of the same impressions, turned to lie as the first does."""
    run = Run.open(Path(str(options.other)))
    other = study.beside(run)
    with study.stage(0.5, 0.5):
        other_data, _ = _project_run(other, options)
    shared, here, theirs = np.intersect1d(data["row"].values, other_data["row"].values, return_indices=True)
    if not len(shared):
        raise invalid("projection other", run.name, f"it knows no impression of {study.dataset.name}")
    first, second = _match(data, other_data)
    # An impression that only the other run shows says nothing here.
    impression_of = np.full(other_data.sizes["impression"], -1)
    impression_of[theirs] = here
    of = impression_of[other_data["of"].values]
    inside = of >= 0
    arrays = {
        "other_layout": (
            ("other_point", "axis"),
            project.turned(other_data["layout"].values[inside], second, first),
        ),
        "other_of": (("other_point",), of[inside].astype(np.int32)),
        "other_entry": (("other_point",), other_data["entry"].values[inside]),
        **{
            f"other_{name}": (("measure",), other_data[name].values)
            for name in ("trust", "trust_low", "trust_high")
        },
    }
    out = data.assign(arrays).assign_coords(other_name=[str(name) for name in other_data["name"].values])
    out.attrs.update(run=study.run.name if study.run else "this model", other=run.name)
    return out


def _match(left: xr.Dataset, right: xr.Dataset) -> tuple[Array, Array]:
    """Return where two layouts have the same vectors of the same impressions (n, 2) each.

    Where the runs have other vectors of an impression, the middles of its vectors are taken.
    """
    alike = left["name"].values.tolist() == right["name"].values.tolist()
    sides = []
    for data in (left, right):
        row = data["row"].values[data["of"].values]
        entry = data["entry"].values if alike else np.zeros(len(row), np.int64)
        keys, group = np.unique(np.stack([row, entry], 1), axis=0, return_inverse=True)
        count = np.bincount(group)
        layout = data["layout"].values.astype(np.float64)
        middle = np.stack([np.bincount(group, layout[:, axis]) / count for axis in (0, 1)], 1)
        sides.append(dict(zip(map(tuple, keys.tolist()), middle, strict=True)))
    shared = [key for key in sides[0] if key in sides[1]]
    return np.array([sides[0][key] for key in shared]), np.array([sides[1][key] for key in shared])


def points_of(data: xr.Dataset, points: int, seed: int) -> tuple[Array, Array, Array]:
    """Return up to `points` vectors (n, units) of a representation finding, their impressions and entries.

    All entries of an impression or none; the impressions of fewer points are always among those of more.
    """
    entries = data.sizes["entry"]
    order = np.random.default_rng(seed + 2).permutation(data.sizes["impression"])
    chosen = np.sort(order[: max(points // entries, 1)])
    vectors = data["vector"].values[chosen].reshape(-1, data.sizes["unit"])
    return vectors, np.repeat(chosen, entries), np.tile(np.arange(entries), len(chosen))


def assembled(source: xr.Dataset, layout: Array, impression: Array, entry: Array) -> xr.Dataset:
    """Return a layout (n, 2) with all that is known of its impressions, and of no others."""
    chosen, position = np.unique(impression, return_inverse=True)
    columns = ["row", "time", "scenario", "label", "prediction", "value"]
    data = source[columns].isel(impression=chosen).drop_vars("entry", errors="ignore")
    data = data.assign(
        {
            "layout": (("point", "axis"), np.asarray(layout, np.float32)),
            "of": (("point",), position.astype(np.int32)),
            "entry": (("point",), entry.astype(np.int32)),
        }
    ).assign_coords(axis=["x", "y"], name=[str(name) for name in source["entry"].values])
    data.attrs = {"tap": source.attrs["tap"], "kind": source.attrs["kind"], "method": ""}
    return data


def _embed(study: Study, vectors: Array, options: ProjectionOptions) -> tuple[Array, Array]:
    title = TITLES[options.method]
    live = Live()

    def tell(share: float, layout: Array) -> None:
        live.leave(layout)
        if study.progress:
            study.progress(0.1 + 0.9 * share, f"{title}, {len(layout):,} points, {percent(share, 0)}")

    if options.method == "pca":
        return project.pca(vectors)
    embed = project.umap if options.method == "umap" else project.tsne
    return embed(vectors, options.start, tell), np.full(2, np.nan)


def _words(data: xr.Dataset) -> str:
    """Return how far the picture is to be trusted, in words."""
    title = TITLES[str(data.attrs["method"])]
    if "other_layout" in data:
        measures = "; ".join(
            f"{data.attrs[run]} {data[f'{prefix}trust'].sel(measure=TRUST[0]).item():.2f} trustworthiness, "
            f"{percent(data[f'{prefix}trust'].sel(measure=TRUST[1]).item(), 0)} of the ten nearest kept"
            for run, prefix in (("run", ""), ("other", "other_"))
        )
        return (
            f"{title} of the same {data.sizes['impression']:,} impressions by two runs, each laid out by "
            f"itself: {measures}. Which groups lie apart can be compared, distances between them cannot."
        )
    points, impressions = data.sizes["point"], data.sizes["impression"]
    of = f"{points:,} vectors of" if points != impressions else "the vectors of"
    of += f" {impressions:,} impressions"
    trust, low, high = (
        data[name].sel(measure=TRUST[0]).item() for name in ("trust", "trust_low", "trust_high")
    )
    near = [data[name].sel(measure=TRUST[1]).item() for name in ("trust", "trust_low", "trust_high")]
    verdict = (
        "good" if trust > 0.95 else "fair" if trust > 0.85 else "poor: points side by side may be far apart"
    )
    words = (
        f"{title} of {of}: {percent(near[0], 0)} of a vector's ten nearest are among its ten nearest in the "
        f"picture (95 %: {percent(near[1], 0)} to {percent(near[2], 0)}), trustworthiness {trust:.2f} "
        f"(95 %: {low:.2f} to {high:.2f}), {verdict}."
    )
    if data.attrs["method"] == "pca":
        share = data["explained"].values
        return f"{words} The two axes hold {percent(share.sum(), 0)} of all variance."
    return words + " Sizes of clusters and distances between them mean nothing in this kind of picture."


QUESTION = Question(
    title=TITLE,
    options=ProjectionOptions,
    analyse=analyse,
    version=3,
    needs=("unit",),
)
