"""Trace observes: what the taps showed during one batch, with named axes and the rows it belongs to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # most of what speaks of a trace makes none
    from torch import Tensor


@dataclass(frozen=True)
class TapOutput:
    """One tap's tensor (B, *axes) and the names of its axes after the row axis."""

    axes: tuple[str, ...]
    values: Tensor


@dataclass(frozen=True)
class Trace:
    """What was seen of B rows: predicted click probabilities (B,) and the taps' tensors by name."""

    row: Tensor  # (B,) int64
    prediction: Tensor  # (B,) float32 probabilities
    seen: dict[str, TapOutput] = field(default_factory=dict)
