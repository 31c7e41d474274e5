"""Batch feeds: the tensors of B rows, in the one form that every net and analysis reads."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Histories:
    """The past behaviours of B rows, padded in front to T: what each was, where and how long ago."""

    ids: Tensor  # (B, T, F) int64, latest last, 0 where padded; item first, then sides
    scenario: Tensor  # (B, T) int64, 0 where the log does not tell it
    age: Tensor  # (B, T) int64, seconds before the row's time
    mask: Tensor  # (B, T) bool, False where padded

    def __post_init__(self) -> None:
        """Check that every tensor speaks of the same B rows and T behaviours."""
        for field in fields(self):
            shape = tuple(getattr(self, field.name).shape[:2])
            if shape != tuple(self.mask.shape):
                raise ValueError(f"Histories.{field.name} is {shape}, mask is {tuple(self.mask.shape)}")

    def __len__(self) -> int:
        """Return B."""
        return len(self.mask)

    def to(self, device: torch.device | str) -> "Histories":
        """Return the histories on `device`."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def take(self, rows: "Tensor | slice") -> "Histories":
        """Return the chosen rows, in the order given."""
        return self._each(lambda tensor: tensor[rows])

    def columns(self, behaviours: slice) -> "Histories":
        """Return some of the T behaviours of every row."""
        return self._each(lambda tensor: tensor[:, behaviours])

    def replace(self, **changes: Tensor) -> "Histories":
        """Return a copy with some tensors exchanged."""
        return replace(self, **changes)

    def _each(self, function: Callable[[Tensor], Tensor]) -> "Histories":
        return Histories(*(function(getattr(self, field.name)) for field in fields(self)))


@dataclass(frozen=True)
class Batch:
    """B rows: N features, a scenario and a label each; histories and signals where the log has them."""

    fields: Tensor  # (B, N) int64, each column's ids count from 0
    scenario: Tensor  # (B,) int64, 0 = combination not seen in training
    label: Tensor  # (B,) float32, 0 or 1
    row: Tensor  # (B,) int64, number of the row in the log
    time: Tensor  # (B,) int64, local seconds since 1970-01-01; 0 where the log has no time
    histories: Histories | None = None
    signals: Tensor | None = None  # (B, K) float32, as in the log

    def __post_init__(self) -> None:
        """Check that every tensor speaks of the same B rows."""
        rows = len(self.fields)
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and len(value) != rows:
                raise ValueError(f"Batch.{field.name} has {len(value)} rows, fields have {rows}")

    def __len__(self) -> int:
        """Return B."""
        return len(self.fields)

    def to(self, device: torch.device | str) -> "Batch":
        """Return the batch on `device`."""
        return self._each(lambda part: part.to(device, non_blocking=True), lambda past: past.to(device))

    def take(self, rows: "Tensor | slice") -> "Batch":
        """Return the chosen rows, in the order given."""
        return self._each(lambda part: part[rows], lambda past: past.take(rows))

    def replace(self, **changes: Tensor | Histories | None) -> "Batch":
        """Return a copy with some tensors exchanged, or the histories."""
        return replace(self, **changes)  # type: ignore[arg-type]

    def _each(
        self, of_tensor: Callable[[Tensor], Tensor], of_histories: Callable[[Histories], Histories]
    ) -> "Batch":
        parts: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(self)}
        for name, value in parts.items():
            if value is not None:
                parts[name] = of_histories(value) if isinstance(value, Histories) else of_tensor(value)
        return Batch(**parts)
