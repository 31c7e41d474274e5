"""Vectors in the plane by PCA, UMAP and t-SNE, told while they move; how far a layout is to be trusted.

UMAP is written out in NumPy: umap-learn's own loop compiles for most of a minute in every process before it
draws
the first point. Here the pulls of a quarter of an epoch are added up before points move, which costs no
neighbours.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_matrix
from scipy.spatial.distance import cdist

from msviz.analyses._words import Z

Array = np.ndarray[Any, Any]
Tell = Callable[[float, Array], None]  # the share done and the layout so far
NEIGHBOURS, PERPLEXITY = 15, 30
TRUSTED, SAMPLE = 10, 1_000  # neighbours looked at, of so many points
PAIRS = 20_000_000  # points looked at times all points, at most
EPOCHS, QUARTERS = 200, 4
NEGATIVE = 5  # points pushed away for each neighbour pulled near
A, B = 1.5769, 0.8951  # UMAP's curve 1 / (1 + A d^2B) for a smallest distance of 0.1 and a spread of 1
EARLY, LATE = 100, 250  # t-SNE's iterations with exaggerated attraction, and without
ANGLE = 0.7  # how coarsely far points are summed: as many neighbours stay as at 0.5, and it is faster
PULL, STRONGEST = 12.0, 4.0


@dataclass(frozen=True)
class Trust:
    """A share of 1 with its 95 % interval, over a sample of points."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, parts: Array) -> "Trust":
        """Take the mean of the points' own values (n,), its interval from their spread."""
        mean = float(parts.mean())
        half = Z * float(parts.std(ddof=1)) / len(parts) ** 0.5 if len(parts) > 1 else float("nan")
        return cls(mean, max(mean - half, 0.0), min(mean + half, 1.0))


def pca(vectors: Array, count: int = 2) -> tuple[Array, Array]:
    """Return coordinates (n, count) along the directions of most variance, and each direction's share of it.

    A direction's sign is chosen so that its largest weight is positive; absent directions are zeros.
    """
    centred = vectors - vectors.mean(0)
    size, found = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    order = np.argsort(-size)[:count]
    directions = found[:, order]
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
    draw = np.random.default_rng(seed)
    head, tail, weight = _graph(vectors)
    order = draw.permutation(len(head))
    head, tail, every = head[order], tail[order], (weight.max() / weight)[order]
    due = every.copy()
    layout = _start(vectors, seed, draw)
    for epoch in range(EPOCHS):
        rate = 1 - epoch / EPOCHS
        active = np.flatnonzero(due <= epoch + 1)
        due[active] += every[active]
        for part in np.array_split(active, QUARTERS):
            _move(layout, head[part], tail[part], rate, draw)
        if tell:
            tell((epoch + 1) / EPOCHS, layout)
    return layout


def tsne(vectors: Array, seed: int, tell: Tell | None = None) -> Array:
    """Return t-SNE's layout (n, 2) (van der Maaten 2008): perplexity 30, Barnes–Hut, 350 iterations."""
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
    done = 0

    def step(iteration: int, error: float, layout: Array) -> bool:
        if tell:
            tell(min((done + iteration) / (EARLY + LATE), 1.0), np.asarray(layout, np.float32))
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
    embedding = embedding.optimize(EARLY, exaggeration=PULL, momentum=0.5)
    done = EARLY
    embedding = embedding.optimize(LATE, momentum=0.8)
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
    false, kept = np.empty(len(rows)), np.empty(len(rows))
    piece = max(1, 4_000_000 // size)
    for start in range(0, len(rows), piece):
        some = rows[start : start + piece]
        true, seen = (_distances(points, some) for points in (vectors, layout))
        near = np.argpartition(seen, count - 1, axis=1)[:, :count]
        # How many others are nearer in truth than each neighbour in the picture.
        rank = 1 + np.stack(
            [(true < np.take_along_axis(true, near[:, [k]], 1)).sum(1) for k in range(near.shape[1])], 1
        )
        false[start : start + piece] = np.maximum(rank - count, 0).sum(1)
        kept[start : start + piece] = (rank <= count).mean(1)
    worst = count * (2 * size - 3 * count - 1) / 2
    return Trust.of(1 - false / worst), Trust.of(kept)


def agreement(first: Array, second: Array, count: int = TRUSTED, sample: int = SAMPLE) -> Trust:
    """Return the share of a point's nearest in one layout that are among its nearest in the other."""
    rows = np.random.default_rng(0).permutation(len(first))[:sample]
    count = min(count, len(first) - 1)
    near = [np.argpartition(_distances(layout, rows), count - 1, 1)[:, :count] for layout in (first, second)]
    shared = [len(np.intersect1d(one, two)) / count for one, two in zip(*near, strict=True)]
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
    distance: Array = cdist(points[rows], points, "sqeuclidean")
    distance[np.arange(len(rows)), rows] = np.inf
    return distance


def _start(vectors: Array, seed: int, draw: np.random.Generator) -> Array:
    """Return PCA's layout or a random cloud, ten units wide, shaken so that no two points are one."""
    layout = pca(vectors)[0] if seed == 0 else draw.normal(0, 1, (len(vectors), 2))
    wide = max(float(np.abs(layout).max()), 1e-30)
    return np.asarray(10 * layout / wide + draw.normal(0, 1e-3, layout.shape), np.float32)


def _graph(vectors: Array) -> tuple[Array, Array, Array]:
    """Return heads, tails and weights (m,) of UMAP's fuzzy graph of nearest neighbours, both ways."""
    size, count = len(vectors), min(NEIGHBOURS, len(vectors) - 1)
    index, distance = neighbours(vectors, count)
    near = np.maximum(distance - distance[:, :1], 0)
    low, high = np.zeros(size), np.full(size, np.inf)
    scale = np.ones(size)
    for _ in range(64):
        # Halving: each point's weights shall sum to log2 of the neighbours.
        big = np.exp(-near / scale[:, None]).sum(1) > np.log2(count + 1)
        high, low = np.where(big, scale, high), np.where(big, low, scale)
        scale = np.where(np.isinf(high), scale * 2, (low + np.minimum(high, 1e300)) / 2)
    scale = np.maximum(scale, max(1e-3 * float(distance.mean()), 1e-12))
    weight = np.exp(-near / scale[:, None])
    one_way = coo_matrix(
        (weight.ravel(), (np.repeat(np.arange(size), count), index.ravel())), (size, size)
    ).tocsr()
    both = (one_way + one_way.T - one_way.multiply(one_way.T)).tocoo()
    heavy = both.data >= both.data.max() / EPOCHS
    return both.row[heavy], both.col[heavy], both.data[heavy]


def _move(layout: Array, head: Array, tail: Array, rate: float, draw: np.random.Generator) -> None:
    """Pull neighbours together and push random points away, in place."""
    size = len(layout)
    gap = layout[head] - layout[tail]
    square = np.square(gap).sum(1)
    pull = -2 * A * B * np.power(np.maximum(square, 1e-12), B - 1) / (A * np.power(square, B) + 1)
    pulled = np.clip(np.where(square > 0, pull, 0)[:, None] * gap, -STRONGEST, STRONGEST) * rate
    other = draw.integers(0, size, (len(head), NEGATIVE))
    gap = layout[head][:, None] - layout[other]
    square = np.square(gap).sum(2)
    push = 2 * B / ((0.001 + square) * (A * np.power(square, B) + 1))
    pushed = np.clip(push[..., None] * gap, -STRONGEST, STRONGEST).sum(1) * rate
    for axis in range(2):
        layout[:, axis] += np.bincount(head, pulled[:, axis] + pushed[:, axis], size)
        layout[:, axis] -= np.bincount(tail, pulled[:, axis], size)
