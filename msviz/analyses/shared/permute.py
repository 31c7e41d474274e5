"""Predictions of a sample when one field's ids are exchanged among rows of the same scenario."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from msviz.lazy import torch

if TYPE_CHECKING:
    from msviz.batch import Batch
    from msviz.probing.study import Study

Array = np.ndarray[Any, Any]
SIGNALS = "All signals"


@dataclass(frozen=True)
class Input:
    """Something that a net reads: a column of the fields, all past clicks, or all signals."""

    title: str
    column: int | None = None
    part: Literal["histories", "signals"] | None = None

    def exchanged(self, batch: Batch, source: torch.Tensor) -> Batch:
        """Return the batch with this input taken from the rows `source` (B,)."""
        if self.part == "histories" and batch.histories is not None:
            return batch.replace(histories=batch.histories.take(source))
        if self.part == "signals" and batch.signals is not None:
            return batch.replace(signals=batch.signals[source])
        if self.column is None:
            return batch
        fields = batch.fields.clone()
        fields[:, self.column] = batch.fields[source, self.column]
        return batch.replace(fields=fields)


def inputs(study: Study) -> list[Input]:
    """Return all that varies inside a scenario: features but those that make it, past clicks, signals."""
    schema = study.schema
    outside = set(schema.scenario_columns)
    varying = [
        Input(field.label, column) for column, field in enumerate(schema.features) if column not in outside
    ]
    if "behaviours" in study.net.needs and schema.sequences:
        varying.append(Input(schema.sequences[0].label, part="histories"))
    if "signals" in study.net.needs and schema.signals:
        varying.append(Input(SIGNALS, part="signals"))
    return varying


def sorted_sample(study: Study, rows: int) -> Batch:
    """Return a uniform sample of the split, rows of one scenario side by side."""
    batch = study.batch(study.sample(rows))
    return batch.take(torch.argsort(batch.scenario, stable=True))


def shuffles(scenario: Array, draws: int, seed: int) -> Iterator[Array]:
    """Yield orders (n,) that exchange rows of one scenario at random; `scenario` (n,) is sorted."""
    random = np.random.default_rng(seed)
    for _ in range(draws):
        yield np.lexsort((random.random(len(scenario)), scenario))


def predicted(study: Study, batch: Batch) -> Array:
    """Return the click probabilities (B,), in pieces that stay in a processor's cache."""
    size = min(study.batch_size, study.net.piece or study.batch_size)
    parts = [study.predict(batch.take(slice(at, at + size))) for at in range(0, len(batch), size)]
    return torch.cat(parts).cpu().numpy().astype(np.float64)
