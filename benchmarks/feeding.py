"""How fast a split is fed as batches: in the log's order, all rows shuffled, and shuffled once on disk.

    python benchmarks/feeding.py [--data data/demo] [--rows 10000000] [--batch 1024] [--seconds 2]

Rows are those of --data (a planted world), taken again until there are --rows of them; they are written to
build/feeding, once as they come and once shuffled on disk. The first table is of feeding alone, the second
says what share of a training step it takes, of the two models whose steps are shortest. One thread; files lie
in the system's cache, so what a disk adds is not measured.
"""

import argparse
import shutil
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from msviz.batch import Batch
from msviz.data.importing import write
from msviz.data.importing.write import DatasetWriter
from msviz.data.loader import batches
from msviz.dataset import Dataset, Rows, open_data
from msviz.nets.base import build, parse_config
from msviz.training.optimisers import make_optimisers
from msviz.training.step import step

OUT = Path("build/feeding")
CHUNK = 1_000_000
TURNS = 5
MODELS: dict[str, dict[str, object]] = {"optmsm": {"width": 8, "hidden": "128,64,32"}, "autoint": {}}


def grown(data: Dataset, rows: int, shuffled: bool) -> Dataset:
    """Write `rows` rows of the train split, drawn at random and numbered anew, and return the dataset."""
    part, rng = data.split("train"), np.random.default_rng(0)
    write.SHUFFLE_FROM = 1 if shuffled else rows + 1
    known = part.events
    with DatasetWriter(
        OUT / f"{'shuffled' if shuffled else 'in-order'}", data.schema, overwrite=True
    ) as writer:
        writer.add_events(np.stack([np.asarray(one) for one in known[0]], 1), known[1], known[2])
        for start in range(0, rows, CHUNK):
            # Rising: a log lies in order of time, and its signals change seldom.
            share = np.sort(rng.random(min(CHUNK, rows - start))) * CHUNK
            chosen = ((start + share) / rows * part.rows).astype(np.int64).clip(0, part.rows - 1)
            starts, lengths = part.history_spans
            writer.append(
                "train",
                part.fields(chosen),
                part.scenario[chosen],
                part.label[chosen],
                part.time[chosen],
                start + np.arange(len(chosen)),
                signals=part.signals(chosen),
                history=(starts[chosen], lengths[chosen]),
            )
        return writer.commit({})


def rate(part: Rows, batch: int, seconds: float, **options: object) -> tuple[float, float]:
    """Return million rows a second after the first batch, and seconds until that."""
    begun = time.perf_counter()
    feed: Iterator[Batch] = batches(part, batch, **options)  # type: ignore[arg-type]
    next(feed)
    first, rows = time.perf_counter(), 0
    for one in feed:
        rows += len(one)
        if time.perf_counter() - first > seconds:
            break
    return rows / (time.perf_counter() - first) / 1e6, first - begun


def share(part: Rows, model: str, batch: int, seconds: float) -> tuple[float, float]:
    """Return milliseconds of feeding and of learning of one training step."""
    net = build(model, parse_config(model, MODELS[model]).model_dump(mode="json"), part.schema, 0)
    optimisers, feed = make_optimisers(net, 1e-3, 0.0, "adam"), batches(part, batch, seed=0)
    net.train()
    fed, learned = [], []
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        start = time.perf_counter()
        rows = next(feed)
        middle = time.perf_counter()
        step(net, rows, optimisers)
        fed.append(middle - start)
        learned.append(time.perf_counter() - middle)
    return 1e3 * statistics.mean(fed[5:]), 1e3 * statistics.mean(learned[5:])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", default="data/demo")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--batch", type=int, default=1024)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each measurement")
    given = parser.parse_args()
    torch.set_num_threads(1)
    small = open_data(given.data)
    begun = time.perf_counter()
    plain = grown(small, given.rows, shuffled=False).split("train")
    written = time.perf_counter() - begun
    shuffled = grown(small, given.rows, shuffled=True).split("train")
    longer = time.perf_counter() - begun - 2 * written
    cases = {
        "in order": (plain, {}),
        "all rows shuffled": (plain, {"seed": 0}),
        "shuffled on disk": (shuffled, {"seed": 0}),
        f"in order, {small.name}": (small.split("train"), {}),
        f"all rows shuffled, {small.name}": (small.split("train"), {"seed": 0}),
    }
    print(f"| batches of {given.batch:,} | rows | million rows/s | s to the first batch |\n|---|---|---|---|")
    for name, (part, options) in cases.items():
        turns = [rate(part, given.batch, given.seconds / TURNS, **options) for _ in range(TURNS)]
        fed, first = (statistics.median(turn[k] for turn in turns) for k in (0, 1))
        print(f"| {name} | {part.rows:,} | {fed:.2f} | {first:.2f} |")
    print(f"\nShuffling {given.rows:,} rows when they are written took {longer:.0f} s more.")
    print("\n| a step of | rows | feeding, ms | learning, ms | share of feeding |\n|---|---|---|---|---|")
    for model in MODELS:
        for name, (part, options) in cases.items():
            if options:
                fed, learned = share(part, model, given.batch, 2 * given.seconds)
                words = f"{part.rows:,} | {fed:.2f} | {learned:.2f} | {fed / (fed + learned):.1%}"
                print(f"| {model}, {name} | {words} |")
    shutil.rmtree(OUT)


if __name__ == "__main__":
    main()
