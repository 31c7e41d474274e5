"""How far apart groups of vectors lie: cosines, silhouette, a linear rule; each with an interval.

Every interval is a percentile bootstrap over impressions: an impression is drawn with all that is shown of
it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from msviz.statistics.intervals import Z, jackknife_std

Array = np.ndarray[Any, Any]
DRAWS = 400  # bootstrap samples
FOLDS = 5
PARTS = 10
RIDGE = (
    0.01  # share of the mean variance that is added to all, so that units that do not vary can be inverted
)


@dataclass(frozen=True)
class Estimate:
    """Numbers with their 95 % bounds, all of one shape, and the bootstrap's own numbers (draws, ...)."""

    value: Array
    low: Array
    high: Array
    draws: Array

    @classmethod
    def of(cls, value: Array, draws: Array) -> "Estimate":
        """Take the middle 95 % of the draws (D, ...) as the interval of a value (...)."""
        defined = np.isfinite(draws).all(0) & np.isfinite(value)
        low, high = np.quantile(np.where(defined, draws, 0.0), [0.025, 0.975], axis=0)
        return cls(value, np.where(defined, low, np.nan), np.where(defined, high, np.nan), draws)


def resampled(impressions: int, seed: int) -> Array:
    """Return how often each impression is drawn (1 + DRAWS, n): once each, then by the bootstrap."""
    draw = np.random.default_rng(seed)
    counts = draw.multinomial(impressions, np.full(impressions, 1 / impressions), size=DRAWS)
    return np.concatenate([np.ones((1, impressions)), counts]).astype(np.float32)


def unit_length(vectors: Array) -> Array:
    """Return vectors (..., d) of length one; one of zeros stays, at a right angle to all."""
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(length > 0, length, 1), np.float32)


def cosines(vectors: Array, group: Array, groups: int, weights: Array, absolute: bool = True) -> Estimate:
    """Return the mean cosine (G, G) between every two vectors (n, d) of two groups, one with itself left out.

    `weights` (1 + D, n) come from `resampled`. A group with a single vector has no cosine inside it.
    """
    product = unit_length(vectors)
    product = product @ product.T
    product = np.abs(product) if absolute else product
    np.fill_diagonal(product, 0)
    # For every draw, sums over pairs of members: first over the second member, then over the first.
    total = np.zeros((len(weights), groups, groups))
    size = np.zeros((len(weights), groups))
    twice = np.zeros((len(weights), groups))
    for b in range(groups):
        members = group == b
        size[:, b], twice[:, b] = weights[:, members].sum(1), np.square(weights[:, members]).sum(1)
        inner = weights[:, members] @ product[members]
        for a in range(groups):
            other = group == a
            total[:, a, b] = np.einsum("dn,dn->d", weights[:, other], inner[:, other])
    pairs = size[:, :, None] * size[:, None, :]
    pairs[:, np.arange(groups), np.arange(groups)] -= twice
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(pairs > 0, total / pairs, np.nan)
    return Estimate.of(mean[0], mean[1:])


def entry_cosines(vectors: Array, weights: Array, absolute: bool = True) -> Estimate:
    """Return the mean cosine (E, E) between two entries of the same impression, vectors (n, E, d).

    On the diagonal: between one entry of two different impressions.
    """
    entries = vectors.shape[1]
    ready = unit_length(vectors)
    product = np.einsum("nad,nbd->nab", ready, ready)
    product = np.abs(product) if absolute else product
    mean = np.einsum("dn,nab->dab", weights, product) / weights.sum(1)[:, None, None]
    nobody = np.zeros(len(vectors), np.int64)
    for entry in range(entries):
        inside = cosines(vectors[:, entry], nobody, 1, weights, absolute)
        mean[:, entry, entry] = np.concatenate([inside.value[None], inside.draws])[:, 0, 0]
    return Estimate.of(mean[0], mean[1:])


def reaction(vectors: Array, seed: int) -> tuple[Array, Array, Array]:
    """Return linear CKA (E, E) of vectors (n, E, d) with its 95 % bounds: do two entries change together?

    |Xᵀy|² / (|Xᵀx| |Yᵀy|) of centred vectors (Kornblith 2019): 1 where the impressions lie alike, whatever
    the
    direction in which they lie, 0 where they have nothing in common. Bounds by a jackknife of ten parts.
    """
    impressions, entries, _ = vectors.shape
    part = np.random.default_rng(seed).permutation(impressions) % PARTS
    left = vectors - vectors.mean(0)
    member = np.eye(PARTS, dtype=np.float32)[part]
    sums = np.einsum("np,ned->ped", member, left)
    size = member.sum(0)
    square = np.zeros((PARTS + 1, entries, entries))
    for a in range(entries):
        for b in range(a, entries):
            cross = np.stack([left[part == p, a].T @ left[part == p, b] for p in range(PARTS)])
            all_but = [cross.sum(0) - block for block in cross]
            rest = impressions - size
            # The mean of what is left moves a little when a part goes.
            shift = [np.outer(-sums[p, a], -sums[p, b]) / max(rest[p], 1) for p in range(PARTS)]
            versions = [cross.sum(0), *(block - move for block, move in zip(all_but, shift, strict=True))]
            square[:, a, b] = square[:, b, a] = [
                np.square(block, dtype=np.float64).sum() for block in versions
            ]
    norm = np.sqrt(np.einsum("pee->pe", square))
    with np.errstate(divide="ignore", invalid="ignore"):
        similarity = square / (norm[:, :, None] * norm[:, None, :])
    half = Z * jackknife_std(similarity[1:])
    return similarity[0], np.maximum(similarity[0] - half, 0), np.minimum(similarity[0] + half, 1)


def between(matrix: Estimate) -> Estimate:
    """Return the mean over pairs of different groups of a matrix (G, G)."""
    first, second = np.triu_indices(len(matrix.value), 1)
    if not len(first):
        return Estimate.of(np.array(np.nan), np.full((DRAWS,), np.nan))
    # A pair that has no number in some draw (a tiny group that was not drawn) is left out of that draw.
    draws = matrix.draws[:, first, second]
    finite = np.isfinite(draws)
    mean = np.where(finite, draws, 0).sum(1) / np.maximum(finite.sum(1), 1)
    return Estimate.of(np.asarray(np.nanmean(matrix.value[first, second])), mean)


def silhouette(vectors: Array, group: Array, groups: int, impression: Array, weights: Array) -> Estimate:
    """Return the mean silhouette (G + 1,) of all groups alike and of each, by distance 1 - cosine.

    Rousseeuw's (b - a) / max(a, b): a is a vector's mean distance to its own group, b to the nearest other. A
    group of one vector has 0. `impression` (n,) says to which column of `weights` a vector belongs.
    """
    ready = unit_length(vectors)
    distance = np.maximum(1 - ready @ ready.T, 0)
    member = np.eye(groups, dtype=np.float32)[group]
    size = member.sum(0)
    total = distance @ member
    rows = np.arange(len(group))
    own = total[rows, group] / np.maximum(size[group] - 1, 1)
    other = total / np.maximum(size, 1)
    other[:, size == 0] = np.inf
    other[rows, group] = np.inf
    nearest = other.min(1)
    largest = np.maximum(own, nearest)
    defined = (size[group] > 1) & np.isfinite(nearest) & (largest > 0)
    value = np.where(defined, (nearest - own) / np.where(defined, largest, 1), 0)
    return _by_group(value, member, impression, weights)


def probe(
    vectors: Array, group: Array, groups: int, impression: Array, weights: Array, seed: int
) -> Estimate:
    """Return the share (G + 1,) that a linear rule assigns rightly, of all groups alike and of each.

    Linear discriminants with equal chances for all groups, on standardised units, fitted on four fifths of
    the
    impressions and tried on the fifth left out; chance is 1 / G. NaN where a group has fewer impressions
    than folds.
    """
    right = np.zeros(len(group))
    for train, test in _folds(impression, seed):
        # A fold without a group cannot learn it: those vectors are then counted as wrong.
        right[test] = _discriminant(vectors[train], group[train], groups, vectors[test]) == group[test]
    shares = _by_group(right, np.eye(groups, dtype=np.float32)[group], impression, weights)
    few = np.array([len(np.unique(impression[group == g])) < FOLDS for g in range(groups)])
    undefined = np.concatenate([[few.all()], few])
    return Estimate(
        *(np.where(undefined, np.nan, part) for part in (shares.value, shares.low, shares.high, shares.draws))
    )


def _by_group(value: Array, member: Array, impression: Array, weights: Array) -> Estimate:
    """Return means (1 + G,) of a value (n,) by group, for every draw; the first is the mean of the groups."""
    drawn = weights[:, impression]
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = (drawn * value) @ member / (drawn @ member)
    finite = np.isfinite(parts)
    whole = np.where(finite, parts, 0).sum(1) / np.maximum(finite.sum(1), 1)
    mean = np.concatenate([whole[:, None], parts], 1)
    return Estimate.of(mean[0], mean[1:])


def _folds(impression: Array, seed: int) -> Iterator[tuple[Array, Array]]:
    """Yield positions to learn from and to try on; what belongs to one impression stays together."""
    count = int(impression.max()) + 1
    fold = np.random.default_rng(seed).permutation(count) % FOLDS
    for number in range(min(FOLDS, count)):
        out = fold[impression] == number
        if out.any() and not out.all():
            yield np.flatnonzero(~out), np.flatnonzero(out)


def _discriminant(examples: Array, group: Array, groups: int, queried: Array) -> Array:
    """Return the group (m,) that Fisher's linear discriminants of examples (n, d) give to vectors."""
    centre, spread = examples.mean(0), examples.std(0)
    spread = np.where(spread > 1e-12, spread, 1)
    x, y = ((part - centre).astype(np.float64) / spread for part in (examples, queried))
    size = np.bincount(group, minlength=groups)
    member = np.eye(groups)[group]
    means = member.T @ x / np.maximum(size, 1)[:, None]
    within = x - means[group]
    covariance = within.T @ within / max(len(x) - groups, 1)
    level = max(float(np.trace(covariance)) / len(covariance), 1e-6)
    covariance[np.diag_indices_from(covariance)] += RIDGE * level
    direction = np.linalg.solve(covariance, means.T)
    score = y @ direction - 0.5 * np.einsum("gd,dg->g", means, direction)
    score[:, size == 0] = -np.inf
    return np.asarray(score.argmax(1))
