"""Score a split with a net, and find the data that a run was trained on."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.data.loader import batches
from msviz.data.regroup import match_run
from msviz.dataset import Array, Dataset, Rows, open_data
from msviz.errors import MsvizError, invalid, one_of
from msviz.nets.base import Net
from msviz.run import Run
from msviz.schema import Schema
from msviz.training.metrics import measure
from msviz.training.step import pieces

Progress = Callable[[float, str], None]  # a share from 0 to 1, and words


def predict(
    net: Net,
    part: Rows,
    *,
    batch_size: int = 4096,
    device: str | torch.device = "cpu",
    progress: Progress | None = None,
) -> Array:
    """Return the click probabilities (rows,) float32 of a split, in the log's order.

    The net is read in evaluation mode and left as it was; `progress` hears the share done.
    """
    out = np.empty(part.rows, np.float32)
    training = net.training
    net.eval()
    try:
        with torch.inference_mode():
            done = 0
            for batch in batches(part, batch_size, behaviours="behaviours" in net.needs):
                out[done : done + len(batch)] = probabilities(net, batch.to(device)).cpu().numpy()
                done += len(batch)
                if progress is not None:
                    progress(done / part.rows, f"scoring {part.name}: {done:,} of {part.rows:,} rows")
    finally:
        net.train(training)
    return out


def probabilities(net: Net, batch: Batch) -> Tensor:
    """Return the click probabilities (B,) float32 of a batch, computed in the pieces that suit the net.

    On a CPU pieces of some hundred rows stay in the cache: 1.5 to 2 times as fast as 4,096 rows at once.
    """
    probability = torch.cat([torch.sigmoid(net(piece).float()) for piece in pieces(net, batch)])
    order = net.order(batch)
    if order is None:
        return probability
    return torch.empty_like(probability).index_copy_(0, order, probability)


def evaluate(
    net: Net, part: Rows, *, device: str | torch.device = "cpu", progress: Progress | None = None
) -> dict[str, Any]:
    """Return the measures of a split, overall and per scenario, as `metrics.measure` gives them."""
    score = predict(net, part, device=device, progress=progress)
    return measure(part.label, score, part.scenario, part.schema.scenario_names, users(part))


def users(part: Rows) -> Array | None:
    """Return the encoded user (rows,) of a split, or None where the log names no user."""
    for field in part.schema.features:
        # The first one is the user; what follows with this role describes it.
        if field.role == "user":
            return part.column(field.name) if field.kind == "categorical" else None
    return None


def find_data(run: Run, data: Dataset | Path | str | None = None) -> Dataset:
    """Return the data to look at a run with: the given, or that which the run was trained on.

    Its scenarios are what the run knows as such, which need not be the log's own (`scenario_fields`).
    Without `data`, the place that the run remembers is tried, then the folder of the same name in
    $MSVIZ_DATA or data/; only the same fingerprint counts. Raises MsvizError when none fits, or when
    the given data means something else by its ids.
    """
    if data is not None:
        dataset = data if isinstance(data, Dataset) else open_data(data)
        _same_words(run, dataset.schema)
        dataset = match_run(dataset, run.schema)
        if dataset.schema.scenarios != run.schema.scenarios:
            raise MsvizError(f"data: its scenarios are not those that run {run.name} was trained on")
        return dataset
    card = run.card.data
    shelf = Path(os.environ.get("MSVIZ_DATA", "data"))
    places = [run.path / card.path] if card.path else []
    for folder in [*places, shelf / card.name]:
        if (folder / "dataset.json").is_file():
            dataset = open_data(folder)
            if dataset.fingerprint == card.fingerprint:
                return match_run(dataset, run.schema)
    raise invalid(
        "data",
        card.name,
        f"the data that run {run.name} was trained on is not in {shelf}/ (or changed since); "
        "pass its folder as --data",
    )


def _same_words(run: Run, schema: Schema) -> None:
    """Raise MsvizError where ids of `schema` do not mean what the run's ids mean."""
    ours = {field.name: field for field in run.schema.features}
    theirs = {field.name: field for field in schema.features}
    if list(ours) != list(theirs):
        differing = next((n for n in [*theirs, *ours] if (n in ours) != (n in theirs)), "their order")
        raise invalid("data: fields", differing, f"run {run.name} was trained with {one_of(ours)}")
    for name, field in ours.items():
        if (field.vocabulary, field.edges) != (theirs[name].vocabulary, theirs[name].edges):
            raise MsvizError(
                f"data: field {name} has other values than the one run {run.name} was trained on"
            )
