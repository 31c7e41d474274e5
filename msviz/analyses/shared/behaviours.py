"""What the questions about past clicks have in common: who attends to them, and how they are named."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from msviz.errors import MsvizError, invalid, one_of
from msviz.lazy import torch
from msviz.probing import hooks
from msviz.schema import FIRST, UNSEEN

if TYPE_CHECKING:
    from torch import Tensor

    from msviz.batch import Batch
    from msviz.dataset import Rows
    from msviz.probing.study import Study

Array = np.ndarray[Any, Any]
PARTS = ("layer", "expert")
OTHERS = "Other scenarios"


def attending(axes: Mapping[str, tuple[str, ...]]) -> list[str]:
    """Return the taps that attend to past clicks, those nearest to the prediction first.

    Such a tap's axes end in `behaviour`; one that weighs clicks for the impression goes before those in
    which clicks attend to one another.
    """
    taps = [name for name, of in axes.items() if of[-1:] == ("behaviour",)]
    taps.reverse()
    return sorted(taps, key=lambda name: axes[name].count("behaviour"))


def tap_of(study: Study, tap: str | None) -> str:
    """Return the tap asked for, or the first that attends to past clicks; raise MsvizError for others."""
    taps = attending(study.axes())
    if not taps:
        model = "this model" if study.run is None else study.run.card.model
        raise MsvizError(f"{model} shows no attention to past behaviours")
    if tap is not None and tap not in taps:
        raise invalid("tap", tap, one_of(taps))
    return tap or taps[0]


@dataclass(frozen=True)
class BehaviourTap:
    """Which part of a tap is read: a layer or expert and a head, counted from 1; 0 is their mean."""

    tap: str
    axes: tuple[str, ...]
    part: int = 0
    head: int = 0

    @classmethod
    def of(cls, study: Study, tap: str | None, part: int = 0, head: int = 0) -> BehaviourTap:
        """Return what is read; raise MsvizError for a tap, part or head that does not exist."""
        name = tap_of(study, tap)
        axes = study.axes()[name]
        for axis, number in ((cls._part_of(axes), part), ("head", head)):
            if number and axis not in axes:
                raise invalid("head" if axis == "head" else "part", number, f"tap {name} has none: choose 0")
        layers = sum(point.name == name for point in hooks.points(study.net))
        if "layer" in axes and part > layers:
            raise invalid("part", part, f"tap {name} has {layers} layers")
        return cls(name, axes, part, head)

    @staticmethod
    def _part_of(axes: tuple[str, ...]) -> str:
        return next((axis for axis in PARTS if axis in axes), "layer or expert")

    def takes(self, layer: int | None) -> bool:
        """Tell whether this layer is read."""
        return layer is None or not self.part or layer == self.part - 1

    def weights(self, values: Tensor, asking: Tensor) -> Tensor:
        """Return the attention (b, T) of what a tap shows (b, *axes) of one layer.

        `asking` (b, T) tells which clicks there are: where clicks attend to one another, theirs is averaged.
        """
        axes = [axis for axis in self.axes if axis != "layer"]
        values = values.float()
        for axis, number in (("expert", self.part), ("head", self.head)):
            if axis in axes:
                dim = axes.index(axis) + 1
                if number > values.shape[dim]:
                    name = "head" if axis == "head" else "part"
                    raise invalid(name, number, f"tap {self.tap} has {values.shape[dim]}")
                values = values.select(dim, number - 1) if number else values.mean(dim)
                axes.remove(axis)
        if axes == ["behaviour", "behaviour"]:
            there = asking[:, :, None].float()
            values = (values * there).sum(1) / there.sum(1).clamp_min(1)
        return values


def read(study: Study, batch: Batch) -> Tensor:
    """Return which past clicks (B, T) the net reads: all that are there, or the latest of its setting."""
    if batch.histories is None:
        raise MsvizError("history: this model reads no past clicks, or the log has none")
    latest = getattr(study.net.config, "history", None)
    mask = batch.histories.mask
    if latest is None or latest >= mask.shape[1]:
        return mask
    mask = mask.clone()
    mask[:, :-latest] = False
    return mask


def side(study: Study, name: str) -> tuple[int, int]:
    """Return the place of a field among those that past clicks carry, and its column among the features.

    Raises MsvizError naming the choices.
    """
    columns = study.schema.behaviour_columns
    fields = [study.schema.features[column] for column in columns]
    for number, field in enumerate(fields):
        if name in (field.name, field.title):
            return number, columns[number]
    raise invalid(
        "field", name, one_of(field.label for field in fields) if fields else "the log has no history"
    )


def related(batch: Batch, place: int, column: int) -> Tensor:
    """Return which past clicks (B, T) have the impression's own value of a field, if it is known."""
    assert batch.histories is not None
    own = batch.fields[:, column, None]
    return (batch.histories.ids[:, :, place] == own) & (own >= FIRST)


@dataclass(frozen=True)
class ScenarioAxis:
    """The largest scenarios, which have a line each, and which column a past click's scenario has.

    The last column, "Other scenarios", holds clicks of all that have none.
    """

    targets: list[str]
    ids: list[int]
    place: Tensor  # (S + 1,) from a scenario's id to its number, len(ids) for all others

    @classmethod
    def largest(cls, study: Study, most: int) -> ScenarioAxis:
        """Return up to `most` scenarios with rows, in the schema's order; raise MsvizError where none has."""
        sequences = study.schema.sequences
        if sequences and sequences[0].scenario is None:
            wanted = "the schema names no column for it (scenario: ... of the sequence)"
            if others := study.dataset.scenario_of:
                wanted = f"the log tells it of its own scenarios, not of those by {', '.join(others)}"
            raise MsvizError(f"history: in which scenario past clicks happened is not told: {wanted}")
        count = np.bincount(study.part.scenario, minlength=len(study.schema.scenarios) + 1)
        count[UNSEEN] = 0
        ranked = [int(number) for number in np.argsort(-count, kind="stable")[:most] if count[number]]
        if not ranked:
            raise MsvizError(f"split {study.split}: it has no rows of a known scenario")
        ids = sorted(ranked)
        index = torch.full((len(count),), len(ids))
        index[torch.tensor(ids)] = torch.arange(len(ids))
        return cls([study.schema.scenario_names[number] for number in ids], ids, index)

    @property
    def sources(self) -> list[str]:
        """Return the names of the columns."""
        return [*self.targets, OTHERS]


def age(seconds: int) -> str:
    """Return '3 days', '5 hours', '12 minutes'."""
    for size, word in ((86_400, "day"), (3_600, "hour"), (60, "minute")):
        if seconds >= size:
            count = round(seconds / size)
            return f"{count} {word}{'' if count == 1 else 's'}"
    return "under a minute"


def divergence(weights: Array) -> float:
    """Return the mean Jensen-Shannon divergence, in bits, between all pairs of heads (H, n); NaN for one.

    0 where all attend alike, 1 where no two look at the same click (Lin 1991).
    """
    divergences = []
    for first in range(len(weights)):
        for second in range(first + 1, len(weights)):
            middle = (weights[first] + weights[second]) / 2
            divergences.append(entropy(middle) - (entropy(weights[first]) + entropy(weights[second])) / 2)
    return float(np.mean(divergences)) if divergences else float("nan")


def entropy(weights: Array) -> float:
    """Return the entropy of shares (n,) in bits."""
    positive = weights[weights > 0]
    return float(-(positive * np.log2(positive)).sum())


def interesting(part: Rows, scenario: int | None, most: int) -> Array:
    """Return the positions of up to `most` rows with the longest histories.

    Among equally long ones, those go first that mix clicks like the impression (same first side field) with
    others most evenly, then those from most scenarios. Up to 5,000 of the longest are looked at.
    """
    columns = part.schema.behaviour_columns
    if not columns:
        return np.zeros(0, np.int64)
    lengths = part.history_spans[1]
    allowed = np.arange(part.rows) if scenario is None else np.flatnonzero(part.scenario == scenario)
    order = allowed[np.argsort(-lengths[allowed].astype(np.int64), kind="stable")[:5_000]]
    order = np.sort(order[lengths[order] > 0])
    if not len(order):
        return order
    batch = part.batch(order, behaviours=True)
    assert batch.histories is not None
    mask = batch.histories.mask
    value_column = min(1, len(columns) - 1)
    length = mask.sum(1)
    alike = (related(batch, value_column, columns[value_column]) & mask).sum(1)
    mixed = torch.minimum(alike, length - alike).numpy()
    pairs = zip(batch.histories.scenario.numpy(), mask.numpy(), strict=True)
    sources = np.array([len(np.unique(row_sources[there])) for row_sources, there in pairs])
    ranked = np.lexsort((-sources, -mixed, -length.numpy()))
    positions: Array = order[ranked[:most]]
    return positions
