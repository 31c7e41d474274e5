"""What a picture shows of a model's inside as one array of cells, and how far two such arrays agree."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from msviz.lazy import LazyModule

optimize = LazyModule("scipy.optimize")

Array = np.ndarray[Any, Any]
MOMENTS = ("n", "x", "y", "xx", "yy", "xy")  # sums over cells that both have; x and y are centred
FLAT = 1e-3  # deviation, as a share of the scale, up to which cells count as all alike
FEW = 3  # cells below which there is no correlation to speak of


@dataclass(frozen=True)
class Cells:
    """The cells that a question's picture draws; `values` has named axes with labels, NaN where nothing is.

    `each` are the axes of which a reader chooses an entry; cells lie along the others. `means` names the
    entry of an axis that is the mean of its others. The entries of `numbered` have no order of their own:
    another seed may number them otherwise, anew in each entry of `within`. `scale` is the size that a
    variation is small against. `incomparable` says why seeds have nothing in common, "" where they have.
    """

    values: xr.DataArray
    each: tuple[str, ...]
    scale: float
    means: Mapping[str, str] = field(default_factory=dict)
    numbered: str = ""
    within: tuple[str, ...] = ()
    noun: str = "map"
    even: str = "attention is even"
    incomparable: str = ""


@dataclass(frozen=True)
class Agreement:
    """Pearson's correlation over so many cells; NaN where one side does not vary, or where they are few."""

    r: float
    cells: int
    even: str = ""  # who does not vary: "this", "other" or ""


def names(values: xr.DataArray | xr.Dataset, axis: str) -> list[str]:
    """Return the labels of one axis."""
    return [str(name) for name in values[axis].values]


def aligned(mine: xr.DataArray, theirs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return both with the labels that they share on every axis, in the same order."""
    theirs = theirs.transpose(*mine.dims)
    if all(names(mine, str(axis)) == names(theirs, str(axis)) for axis in mine.dims):
        return mine, theirs
    left, right = xr.align(mine, theirs, join="inner")
    return left, right


def matched(cells: Cells, theirs: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Return the others' values with their heads or experts put where they agree best, and which went where.

    The assignment has the largest sum of correlations, in each entry of `within` by itself; an entry without
    variation counts as correlated with none. The second array (*within, numbered) holds the others' labels.
    """
    axis = cells.numbered
    own_values, theirs = aligned(cells.values, theirs)
    order = (*cells.within, axis)
    x, y = (side.transpose(*order, ...) for side in (own_values, theirs))
    labels = np.array(names(own_values, axis), dtype=str)
    free = np.flatnonzero(labels != cells.means.get(axis))
    moved = y.values.copy()
    shape = x.shape[: len(order)]
    partners = np.broadcast_to(labels, shape).copy()
    for cell in product(*(range(size) for size in shape[:-1])):
        left, right = x.values[cell][free], y.values[cell][free]
        _, chosen = optimize.linear_sum_assignment(-_correlations(left, right))
        moved[cell][free] = right[chosen]
        partners[cell][free] = labels[free[chosen]]
    coords = {name: names(own_values, name) for name in order}
    return y.copy(data=moved).transpose(*own_values.dims), xr.DataArray(partners, coords, order)


def _correlations(left: Array, right: Array) -> Array:
    """Return the correlation of each entry of one (E, ...) with each of another, 0 without variation."""
    a, b = left.reshape(len(left), -1), right.reshape(len(right), -1)
    there = np.isfinite(a).all(0) & np.isfinite(b).all(0)
    sides = []
    for side in (a[:, there], b[:, there]):
        centred = side - side.mean(1, keepdims=True) if side.shape[1] else side
        length = np.sqrt((centred**2).sum(1, keepdims=True))
        sides.append(np.divide(centred, length, out=np.zeros_like(centred, float), where=length > 0))
    correlations: Array = sides[0] @ sides[1].T
    return correlations


def sums(cells: Cells, theirs: xr.DataArray) -> xr.DataArray:
    """Return the sums (*each, moment) from which the agreement over any entries follows exactly."""
    own_values, theirs = aligned(cells.values, theirs)
    x, y = (side.transpose(*cells.each, ...).values.astype(np.float64) for side in (own_values, theirs))
    there = np.isfinite(x) & np.isfinite(y)
    # Squares of large numbers cancel: deviations from the overall means do not.
    a, b = (np.where(there, side - (side[there].mean() if there.any() else 0.0), 0.0) for side in (x, y))
    rest = tuple(range(len(cells.each), x.ndim))
    parts = [part.sum(rest) for part in (there.astype(np.float64), a, b, a * a, b * b, a * b)]
    coords: dict[str, Any] = {axis: names(own_values, axis) for axis in cells.each}
    return xr.DataArray(np.stack(parts, -1), coords | {"moment": list(MOMENTS)}, (*cells.each, "moment"))


def agreement(
    found: xr.DataArray, scale: float, means: Mapping[str, str], chosen: Mapping[str, str]
) -> Agreement:
    """Return the agreement over the `chosen` entries; of other axes over all entries but their mean."""
    for axis in [str(axis) for axis in found.dims if axis != "moment"]:
        if axis in chosen:
            found = found.isel({axis: names(found, axis).index(chosen[axis])})
            continue
        single = [number for number, name in enumerate(names(found, axis)) if name != means.get(axis)]
        found = found.isel({axis: single or [0]}).sum(axis)
    return of_sums(found.values, scale)


def of_sums(moments: Array, scale: float) -> Agreement:
    """Return the agreement that six sums (moment,) tell."""
    n, x, y, xx, yy, xy = (float(value) for value in moments)
    if n < FEW:
        return Agreement(math.nan, int(n))
    spread = [max(square / n - (total / n) ** 2, 0.0) for total, square in ((x, xx), (y, yy))]
    for value, whose in zip(spread, ("this", "other"), strict=True):
        if math.sqrt(value) <= FLAT * scale:
            return Agreement(math.nan, int(n), whose)
    r = (xy / n - x * y / n**2) / math.sqrt(spread[0] * spread[1])
    return Agreement(min(max(r, -1.0), 1.0), int(n))


def pairs(matrix: xr.DataArray) -> xr.DataArray:
    """Return a symmetric matrix (..., a, b) with each pair once: NaN on the diagonal and below it."""
    size = matrix.shape[-1]
    return matrix.where(xr.DataArray(np.triu(np.ones((size, size), bool), 1), dims=matrix.dims[-2:]))


def size_of(values: xr.DataArray) -> float:
    """Return the root mean square of what is finite, 1 where that is nothing: a scale for amounts."""
    finite = values.values[np.isfinite(values.values)].astype(np.float64)
    return (float(np.sqrt((finite**2).mean())) if finite.size else 0.0) or 1.0
