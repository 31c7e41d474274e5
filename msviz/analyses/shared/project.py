"""Vectors in the plane by PCA, UMAP and t-SNE, told while they move; how far a layout is to be trusted.

umap-learn compiles for seconds in every process; the app forks jobs from one that has
(msviz/cli/processes/warm.py).
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.lazy import LazyModule
from msviz.statistics.intervals import mean_interval

distances = LazyModule("scipy.spatial.distance")

Array = np.ndarray[Any, Any]
Tell = Callable[[float, Array], None]  # the share done and the layout so far
NEIGHBOURS, PERPLEXITY = 15, 30
TRUSTED, SAMPLE = 10, 1_000  # neighbours looked at, of so many points
PAIRS = 20_000_000  # points looked at times all points, at most
EPOCHS = 200
# t-SNE's iterations with exaggerated attraction, and without; more for more than so many points.
FEW, SHORT, LONG = 5_000, (60, 150), (100, 250)
ANGLE = 0.8  # how coarsely far points are summed: as many neighbours stay as at 0.5, and it is faster
PULL = 12.0


@dataclass(frozen=True)
class Trust:
    """A share of 1 with its 95 % interval, over a sample of points."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, parts: Array) -> "Trust":
        """Take the mean of the points' own values (n,), its interval from their spread."""
        mean, low, high = mean_interval(parts)
        return cls(mean, max(low, 0.0), min(high, 1.0))


def pca(vectors: Array, count: int = 2) -> tuple[Array, Array]:
    """Return coordinates (n, count) along the directions of most variance, and each direction's share of it.

    A direction's sign is chosen so that its largest weight is positive; absent directions are zeros.
    """
    centred = vectors - vectors.mean(0)
    size, eigenvectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    order = np.argsort(-size)[:count]
    directions = eigenvectors[:, order]
    signs = np.sign(directions[np.abs(directions).argmax(0), np.arange(len(order))])
    layout = np.zeros((len(vectors), count), np.float32)
    layout[:, : len(order)] = centred @ (directions * signs)
    share = np.zeros(count)
    share[: len(order)] = np.maximum(size[order], 0) / max(float(np.maximum(size, 0).sum()), 1e-30)
    return layout, share


def umap(vectors: Array, seed: int, tell: Tell | None = None) -> Array:
    """Return UMAP's layout (n, 2) (McInnes 2018): 15 neighbours, smallest distance 0.1, 200 epochs.

    Seed 0 starts from PCA, every other from a random cloud, so that two seeds tell what hangs on the start.
    """
    with warnings.catch_warnings():
        # It tells at import which of its other parts are not installed.
        warnings.simplefilter("ignore")
        from umap import UMAP

    count = min(NEIGHBOURS, len(vectors) - 1)
    index, distance = neighbours(vectors, count - 1)
    # umap-learn counts a point as its own nearest neighbour.
    index = np.concatenate([np.arange(len(vectors))[:, None], index], 1)
    distance = np.concatenate([np.zeros((len(vectors), 1)), distance], 1).astype(np.float32)
    with warnings.catch_warnings():
        # Nothing new will be laid out by these neighbours.
        warnings.filterwarnings("ignore", message="precomputed_knn")
        embedding = UMAP(
            n_neighbors=count,
            n_epochs=EPOCHS,
            min_dist=0.1,
            precomputed_knn=(index, distance),
            force_approximation_algorithm=True,
            init=_start(vectors, seed, np.random.default_rng(seed)),
            random_state=seed,
            n_jobs=1,
        ).fit_transform(vectors)
    layout = np.asarray(embedding, np.float32)
    if tell:
        tell(1.0, layout)
    return layout


def tsne(vectors: Array, seed: int, tell: Tell | None = None) -> Array:
    """Return t-SNE's layout (n, 2) (van der Maaten 2008): perplexity 30, Barnes–Hut, 210 or 350 steps."""
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    draw = np.random.default_rng(seed)
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    index, distance = neighbours(vectors, min(int(3 * perplexity), len(vectors) - 1))
    affinities = PerplexityBasedNN(
        perplexity=perplexity, knn_index=PrecomputedNeighbors(index, distance), n_jobs=1, random_state=seed
    )
    start = _start(vectors, seed, draw).astype(np.float64)
    start *= 1e-4 / max(float(start[:, 0].std()), 1e-30)
    early, late = SHORT if len(vectors) <= FEW else LONG
    done = 0

    def step(iteration: int, error: float, layout: Array) -> bool:
        if tell:
            tell(min((done + iteration) / (early + late), 1.0), np.asarray(layout, np.float32))
        return False

    embedding = TSNEEmbedding(
        start,
        affinities,
        negative_gradient_method="bh",
        theta=ANGLE,
        n_jobs=1,
        callbacks=[step],
        callbacks_every_iters=10,
    )
    embedding = embedding.optimize(early, exaggeration=PULL, momentum=0.5)
    done = early
    embedding = embedding.optimize(late, momentum=0.8)
    return np.asarray(embedding, np.float32)


def neighbours(vectors: Array, count: int) -> tuple[Array, Array]:
    """Return the `count` nearest other vectors of each and their distances (n, count), exactly."""
    size = np.square(vectors, dtype=np.float64).sum(1)
    index = np.empty((len(vectors), count), np.int64)
    distance = np.empty((len(vectors), count))
    piece = max(1, 8_000_000 // len(vectors))
    for start in range(0, len(vectors), piece):
        stop = min(start + piece, len(vectors))
        square = size[start:stop, None] + size - 2.0 * (vectors[start:stop] @ vectors.T)
        square[np.arange(stop - start), np.arange(start, stop)] = np.inf
        part = np.argpartition(square, count - 1, axis=1)[:, :count]
        near = np.take_along_axis(square, part, 1)
        order = near.argsort(1, kind="stable")
        index[start:stop] = np.take_along_axis(part, order, 1)
        distance[start:stop] = np.sqrt(np.maximum(np.take_along_axis(near, order, 1), 0))
    return index, distance


def neighbours_kept(
    vectors: Array, layout: Array, count: int = TRUSTED, sample: int = SAMPLE
) -> tuple[Trust, Trust]:
    """Return trustworthiness (Venna 2001), and the share of a vector's nearest that stay nearest.

    Trustworthiness takes off for every neighbour in the picture that is none in truth, the more the
    farther it is: 1 is no false neighbour, a random layout has about 0.5.
    """
    size = len(vectors)
    count = min(count, (size - 1) // 2)
    # Among very many points each one looked at costs a look at all of them.
    sample = min(sample, max(PAIRS // size, 100))
    rows = np.random.default_rng(0).permutation(size)[:sample]
    false, shares = np.empty(len(rows)), np.empty(len(rows))
    piece = max(1, 4_000_000 // size)
    for start in range(0, len(rows), piece):
        some = rows[start : start + piece]
        true, projected = (_distances(points, some) for points in (vectors, layout))
        near = np.argpartition(projected, count - 1, axis=1)[:, :count]
        # How many others are nearer in truth than each neighbour in the picture.
        rank = 1 + np.stack(
            [(true < np.take_along_axis(true, near[:, [k]], 1)).sum(1) for k in range(near.shape[1])], 1
        )
        false[start : start + piece] = np.maximum(rank - count, 0).sum(1)
        shares[start : start + piece] = (rank <= count).mean(1)
    worst = count * (2 * size - 3 * count - 1) / 2
    return Trust.of(1 - false / worst), Trust.of(shares)


def turned(layout: Array, second: Array, first: Array) -> Array:
    """Return a layout (n, 2) moved, turned, mirrored and scaled as one: then `second` lies as `first` does.

    `second` (m, 2) are points of the layout, `first` (m, 2) where they are wanted: orthogonal Procrustes
    (Schönemann 1966), and equal spread. What lies near what in the layout stays as it is.
    """
    middle, wanted = second.mean(0), first.mean(0)
    from_, to = (second - middle).astype(np.float64), (first - wanted).astype(np.float64)
    left, _, right = np.linalg.svd(from_.T @ to)
    scale = np.linalg.norm(to) / max(float(np.linalg.norm(from_)), 1e-30)
    return np.asarray((layout - middle) @ (left @ right) * scale + wanted, np.float32)


def agreement(first: Array, second: Array, count: int = TRUSTED, sample: int = SAMPLE) -> Trust:
    """Return the share of a point's nearest in one layout that are among its nearest in the other."""
    rows = np.random.default_rng(0).permutation(len(first))[:sample]
    count = min(count, len(first) - 1)
    near = [np.argpartition(_distances(layout, rows), count - 1, 1)[:, :count] for layout in (first, second)]
    shared = [len(np.intersect1d(left, right)) / count for left, right in zip(*near, strict=True)]
    return Trust.of(np.array(shared))


def aligned(layout: Array, other: Array) -> tuple[Array, float]:
    """Return `other` turned, moved and stretched onto `layout`, and the share of squares that agrees.

    Procrustes: 1 is the same picture, near 0 two that have nothing in common.
    """
    a, b = layout - layout.mean(0), other - other.mean(0)
    u, s, vt = np.linalg.svd(b.T @ a)
    norm = float(np.square(b).sum())
    share = float(s.sum()) ** 2 / max(norm * float(np.square(a).sum()), 1e-30)
    turned = b @ (u @ vt) * (float(s.sum()) / max(norm, 1e-30)) + layout.mean(0)
    return np.asarray(turned, np.float32), share


def _distances(points: Array, rows: Array) -> Array:
    distance: Array = distances.cdist(points[rows], points, "sqeuclidean")
    distance[np.arange(len(rows)), rows] = np.inf
    return distance


def _start(vectors: Array, seed: int, draw: np.random.Generator) -> Array:
    """Return PCA's layout or a random cloud, ten units wide, shaken so that no two points are one."""
    layout = pca(vectors)[0] if seed == 0 else draw.normal(0, 1, (len(vectors), 2))
    wide = max(float(np.abs(layout).max()), 1e-30)
    return np.asarray(10 * layout / wide + draw.normal(0, 1e-3, layout.shape), np.float32)
