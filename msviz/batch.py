"""Batch feeds: the tensors of B rows, in the one form that every net and analysis reads."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """B rows: N features, a scenario and a label each; behaviours and signals where the log has them."""

    fields: Tensor  # (B, N) int64, each column's ids count from 0
    scenario: Tensor  # (B,) int64, 0 = combination not seen in training
    label: Tensor  # (B,) float32, 0 or 1
    row: Tensor  # (B,) int64, number of the row in the log
    time: Tensor  # (B,) int64, local seconds since 1970-01-01; 0 where the log has no time
    behaviours: Tensor | None = None  # (B, T, F) int64, latest last, 0 where padded; item first, then sides
    behaviour_scenario: Tensor | None = None  # (B, T) int64
    behaviour_age: Tensor | None = None  # (B, T) int64, seconds before the row's time
    mask: Tensor | None = None  # (B, T) bool, False where padded
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
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def take(self, rows: "Tensor | slice") -> "Batch":
        """Return the chosen rows, in the order given."""
        return self._each(lambda tensor: tensor[rows])

    def replace(self, **changes: Tensor) -> "Batch":
        """Return a copy with some tensors exchanged."""
        return replace(self, **changes)

    def _each(self, function: Callable[[Tensor], Tensor]) -> "Batch":
        present = {field.name: getattr(self, field.name) for field in fields(self)}
        return Batch(**{k: None if v is None else function(v) for k, v in present.items()})  # type: ignore[arg-type]
