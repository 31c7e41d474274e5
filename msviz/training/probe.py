"""What a training would cost: some real steps and some scored rows, timed within seconds, nothing written."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from msviz.batch import Batch
from msviz.data.loader import batches, steps
from msviz.data.sample import scattered
from msviz.dataset import Array, Dataset, Rows
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, parse_config, require
from msviz.training.loop import Training, choose_device, number_format
from msviz.training.optimisers import make_optimisers
from msviz.training.rows import Used, used
from msviz.training.scoring import probabilities
from msviz.training.sizes import sized
from msviz.training.start import fresh_net
from msviz.training.step import step as take_step

SECONDS = 1.5  # of training steps that are timed, and half as many of scoring
FIRST = 256  # rows of the first step, which pays for what is set up once
LONGEST = 0.4  # seconds that one timed step should take at most
# Beside steps and scores: reading code, writing the bundle, intervals of the metrics.
FIXED = 1.5
MEASURING = 1e-6  # seconds that the metrics of a scored row take
GOLDEN = (5**0.5 - 1) / 2  # its multiples, whole numbers left out, lie evenly however many there are


@dataclass(frozen=True)
class Cost:
    """What a training takes: numbers to learn, rows a second, seconds until it is done, MiB of memory."""

    parameters: int
    rows_per_second: float
    seconds: float
    memory: float | None  # None where the system does not tell
    rows: int
    steps: int
    device: str

    def to_json(self) -> dict[str, Any]:
        """Return the numbers for JSON."""
        return asdict(self)


def probe(
    model: str,
    dataset: Dataset,
    *,
    values: dict[str, Any] | None = None,
    training: Training | None = None,
    seed: int = 0,
    device: str = "auto",
) -> Cost:
    """Return what `train` with the same arguments would take, if it runs through all its epochs.

    Steps are real ones on real rows, of fewer rows than batch_size where that many would take too long.
    Raises MsvizError for what training would refuse, and for a loss that is not finite.
    """
    chosen_device = choose_device(device)
    config = parse_config(model, values or {}).model_dump(mode="json")
    rows = used(dataset, training or Training())
    training = sized(training or Training(), rows.train.rows)
    schema = rows.dataset.schema
    require(model, InputSpec.of(schema))
    before, threads = resident(reset=True), torch.get_num_threads()
    devices = [torch.cuda.current_device()] if chosen_device.type == "cuda" else []
    if devices:
        torch.cuda.reset_peak_memory_stats()
    try:
        if training.threads:
            torch.set_num_threads(training.threads)
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed)
            net = fresh_net(model, config, schema, seed, rows.train).to(chosen_device)
            learned = _train_rate(net, rows.train, training, seed, chosen_device)
            scored = _score_rate(net, rows, chosen_device)
    finally:
        torch.set_num_threads(threads)
    grown = resident() - before if not devices else torch.cuda.max_memory_allocated() / 2**20
    return Cost(
        parameters=sum(weight.numel() for weight in net.parameters()),
        rows_per_second=round(learned, 1),
        seconds=round(_seconds(rows, training, learned, scored), 1),
        memory=None if math.isnan(grown) else max(0.0, round(grown, 1)),
        rows=rows.train.rows,
        steps=steps(rows.train.rows, training.batch_size or 1) * (training.epochs or 1),
        device=chosen_device.type,
    )


def _seconds(rows: Used, training: Training, learned: float, scored: float) -> float:
    """Return seconds of all epochs, their validations, and the last word on valid and test."""
    whole = rows.dataset.rows
    epochs = training.epochs or 1
    watched = rows.valid.rows * epochs * training.checks_per_epoch
    looked_at = watched + whole["valid"] + whole["test"]
    return rows.train.rows * epochs / learned + looked_at * (1 / scored + MEASURING) + FIXED


def _train_rate(net: Net, part: Rows, training: Training, seed: int, device: torch.device) -> float:
    """Return rows a second over real steps, reading them included."""
    optimisers = make_optimisers(net, training.learning_rate, training.l2, training.optimiser)
    amp = number_format(training, device)
    histories = "behaviours" in net.needs
    net.train()

    def take(batch: Batch) -> None:
        loss = take_step(net, batch.to(device), optimisers, amp)
        if not math.isfinite(loss):
            raise MsvizError(
                f"training: the loss became {loss} within the first steps; lower learning_rate "
                f"(now {training.learning_rate:g}) or look at the data's signals"
            )

    batch_size = training.batch_size or 1
    size = min(batch_size, FIRST)
    timed = [
        # As a shuffled epoch brings them: rows side by side in the log may be of one scenario or one user.
        _time(lambda rows: take(part.batch(rows, histories)), scattered(part.rows, size, turn))
        for turn in (0, 1)
    ]
    size = min(batch_size, max(size, int(size / timed[-1] * LONGEST)), part.rows)
    done, begun, first = 0, 0.0, True
    epoch = 0
    while True:
        for batch in batches(part, size, seed=seed, epoch=epoch, behaviours=histories):
            take(batch)
            if first:  # a whole batch for the first time: memory is asked for
                first, begun = False, time.perf_counter()
                continue
            done += len(batch)
            if time.perf_counter() - begun > SECONDS:
                return done / (time.perf_counter() - begun)
        epoch += 1


def _score_rate(net: Net, rows: Used, device: torch.device) -> float:
    """Return rows a second that are scored."""
    part = next((part for part in (rows.valid, rows.dataset.split("test")) if part.rows), rows.train)
    histories = "behaviours" in net.needs
    net.eval()
    with torch.inference_mode():

        def score(few: slice) -> None:
            probabilities(net, part.batch(few, histories).to(device)).cpu()

        _time(score, _few(part, FIRST, 0))
        size = min(4096, max(FIRST, int(FIRST / _time(score, _few(part, FIRST, 1)) * LONGEST)))
        done, turn, begun = 0, 0, time.perf_counter()
        while time.perf_counter() - begun < SECONDS / 2:
            few = _few(part, size, turn)
            score(few)
            done, turn = done + few.stop - few.start, turn + 1
        return done / (time.perf_counter() - begun)


def _few(part: Rows, size: int, turn: int) -> slice:
    """Return a stretch of `size` rows in order, as scoring takes them; a few turns lie all over a split."""
    size = min(size, part.rows)
    start = int((turn + 0.5) * GOLDEN % 1 * (part.rows - size + 1))
    return slice(start, start + size)


def _time(work: Callable[[Any], None], rows: "slice | Array") -> float:
    """Return the seconds of some work on rows."""
    begun = time.perf_counter()
    work(rows)
    return max(time.perf_counter() - begun, 1e-6)


def resident(reset: bool = False) -> float:
    """Return the process's memory in MiB: its peak since the last reset, or with `reset` what it holds now.

    Read from Linux's /proc; NaN elsewhere, and where it may not be reset.
    """
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return float("nan")
    wanted = "VmRSS:" if reset else "VmHWM:"
    entry = next((line for line in lines if line.startswith(wanted)), None)
    return float("nan") if entry is None else int(entry.split()[1]) / 1024
