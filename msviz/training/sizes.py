"""Batch size and number of epochs that follow from the number of rows, where nobody sets them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from msviz.training.loop import Training

SMALLEST, LARGEST = 32, 4096  # rows of a batch
AN_EPOCH = 200  # steps of an epoch, at least: fewer say too little of how a loss goes down
IN_ALL = 4000  # steps until the epochs are used up, at least: Adam moves a weight by learning_rate a step
FEWEST, MOST = 5, 20  # epochs


def sized(training: "Training", rows: int) -> "Training":
    """Return the settings with numbers for batch_size and epochs where they are left to the rows.

    The largest power of two that gives an epoch AN_EPOCH steps, within limits; as many epochs as IN_ALL steps
    take, within limits. Patience ends a training that has learned what is there.
    """
    size = training.batch_size or _batch_size(rows)
    steps = -(-rows // size)
    epochs = training.epochs or min(MOST, max(FEWEST, -(-IN_ALL // max(steps, 1))))
    return training.model_copy(update={"batch_size": size, "epochs": epochs})


def _batch_size(rows: int) -> int:
    size = SMALLEST
    while size < LARGEST and rows // (2 * size) >= AN_EPOCH:
        size *= 2
    return size


def told(asked: "Training", taken: "Training", rows: int) -> Iterator[str]:
    """Yield one line that says which numbers follow from the rows; none where all were set."""
    parts = []
    if asked.batch_size is None:
        parts.append(f"batches of {taken.batch_size:,} rows (batch_size)")
    if asked.epochs is None:
        parts.append(f"at most {taken.epochs} epochs (epochs)")
    if parts:
        yield f"taken for {rows:,} training rows: {' and '.join(parts)}"
