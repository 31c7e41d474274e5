"""What a model shows as vectors: which tap, which of its entries, and of which impressions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.data.sample import drawn as sampled
from msviz.errors import MsvizError, invalid, one_of
from msviz.lazy import torch
from msviz.probing.reducers import Reducer, own_entry

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.probing.reducers import BatchRows
    from msviz.probing.study import Study

Array = np.ndarray[Any, Any]
UNIT = "unit"
# What a vector may be of, best first: a representation for every scenario says most about keeping them apart.
ENTRIES = ("scenario", "expert", "head", "level")
OWN, JOINED = "own scenario", "all together"
CELLS = 8_000_000  # numbers kept of all vectors: 32 MB
WIDE = 128  # units beyond which vectors are kept by their main directions
ROUNDING = 1e-6  # share of the largest: below, directions are rounding
FIRST = 512  # impressions that the main directions are taken from


def taps(axes: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the names of the taps that show vectors, those kept apart by scenario first."""
    entry_axes = {name: axis_names[:-1] for name, axis_names in axes.items() if axis_names[-1:] == (UNIT,)}
    order: dict[tuple[str, ...], float] = {(entry,): number for number, entry in enumerate(ENTRIES)}
    order[()] = len(ENTRIES) - 1.5  # one vector of the whole: after heads, before levels
    able = [name for name, rest in entry_axes.items() if rest in order]
    # What stands for the whole impression says more than the scales of one layer.
    return sorted(able, key=lambda name: (order[entry_axes[name]], name.startswith("scale_")))


def tap_of(axes: Mapping[str, tuple[str, ...]], asked: str | None) -> str:
    """Return the tap that was asked for, or the first that shows vectors; raise MsvizError without one."""
    names = taps(axes)
    if asked is not None and asked not in names:
        raise invalid("representation tap", asked, one_of(names) if names else "this model shows no vectors")
    if not names:
        raise MsvizError("this model shows no vectors (unit)")
    return asked or names[0]


def ways(axes: tuple[str, ...]) -> list[str]:
    """Return which vectors of an impression can be taken from a tap, the default first.

    "each": one for every entry of the axis; "own": that of the impression's scenario; "joined": one of all
    entries.
    """
    kind = axes[0] if len(axes) == 2 else ""
    return {"scenario": ["each", "own"], "expert": ["each", "joined"], "": ["joined"]}.get(
        kind, ["joined", "each"]
    )


def drawn(study: Study, size: int) -> Array:
    """Return the positions (n,), rising, of a sample in which small scenarios are seen; a seed repeats it."""
    return sampled(study.part.scenario, size, study.seed)


class KeptVectors(Reducer):
    """The vectors (n, E, units) of chosen positions, their predictions (n,), and nothing else."""

    def __init__(
        self, tap: str, positions: Array, entries: list[int] | str, basis: Array | None = None
    ) -> None:
        """Take some entries of the axis by number, or "own" for the scenario's, or "joined" for all in one.

        A `basis` (units, k) with orthonormal columns keeps their coordinates along its directions instead.
        """
        self._basis = None if basis is None else torch.from_numpy(basis)
        self.sources: tuple[str, ...] = (tap, "prediction")
        self.positions = positions
        self.prediction = np.zeros(len(positions), np.float32)
        self.values = np.zeros((len(positions), 0, 0), np.float32)
        self._entries = entries
        self._place = np.zeros(0, np.int64)
        self._scenario = torch.zeros(0, dtype=torch.long)

    def begin(self, rows: BatchRows) -> None:
        """Look up where the batch's rows belong."""
        self._place = np.searchsorted(self.positions, rows.positions)
        self._scenario = rows.batch.scenario

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        """Keep the chosen entries of a piece of the batch."""
        position = self._place[rows]
        if source == "prediction":
            self.prediction[position] = values.float().cpu().numpy()
            return
        vectors = self._chosen(values, self._scenario[rows]).float()
        if self._basis is not None:
            vectors = vectors @ self._basis.to(vectors.device)
        chosen = vectors.cpu().numpy()
        if not self.values.size:
            self.values = np.zeros((len(self.positions), *chosen.shape[1:]), np.float32)
        self.values[position] = chosen

    def _chosen(self, values: Tensor, scenario: Tensor) -> Tensor:
        if self._entries == "joined":
            return values.flatten(1)[:, None]
        if self._entries == "own":
            return own_entry(values, ("scenario", UNIT), scenario)[:, None]
        return values[:, torch.as_tensor(self._entries, device=values.device)]

    def merge(self, other: KeptVectors) -> None:
        """Add the positions that the other saw."""
        positions = np.concatenate([self.positions, other.positions])
        order = np.argsort(positions, kind="stable")
        self.values = np.concatenate([self.values, other.values])[order]
        self.prediction = np.concatenate([self.prediction, other.prediction])[order]
        self.positions = positions[order]


def main_directions(vectors: Array) -> tuple[Array, float]:
    """Return up to WIDE orthonormal directions (units, k) of vectors (n, units), and what share they hold.

    The vectors are not centred, so that angles between them stay what they are.
    """
    small = vectors @ vectors.T if len(vectors) < vectors.shape[1] else vectors.T @ vectors
    size, eigenvectors = np.linalg.eigh(small.astype(np.float64))
    order = np.argsort(-size)[:WIDE]
    order = order[size[order] > ROUNDING * max(size.max(), 1e-30)]
    share = float(size[order].sum() / max(np.maximum(size, 0).sum(), 1e-30))
    directions = eigenvectors[:, order]
    if len(vectors) < vectors.shape[1]:
        directions = vectors.T @ directions / np.sqrt(size[order])
    return np.ascontiguousarray(directions, np.float32), share


def entry_names(study: Study, axes: tuple[str, ...], count: int) -> list[str]:
    """Return the readable names of a tap's entries, "" for the axis of a single vector."""
    if axes[0] == "scenario":
        return list(study.schema.scenario_names)[1:]
    return [f"{axes[0].capitalize()} {number + 1}" for number in range(count)]


def largest(study: Study, positions: Array, most: int) -> list[int]:
    """Return the entries (scenario - 1) of the `most` scenarios with the most rows, in the schema's order."""
    count = np.bincount(study.part.scenario, minlength=len(study.schema.scenarios) + 1)[1:]
    return sorted(int(number) for number in np.argsort(-count, kind="stable")[:most])
