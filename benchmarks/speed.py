"""Training and inference speed and peak memory against DeepCTR-Torch, from 3 to 10,000 scenarios.

Every contender is a process of its own that waits while another works; they take turns within a round,
and ratios are taken inside a round, so that whatever else the machine does meets all of them. Peak memory
is each process's own. Batch 4,096, 20 fields of 10,000 values, random ids.

    python benchmarks/speed.py [--threads 1 2] [--rounds 7] [--seconds 0.7] [--only NAME ...]
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

BATCH, FIELDS, VALUES, BATCHES = 4096, 20, 10_000, 8
PEER = "AutoInt, DeepCTR-Torch 0.3.0"


@dataclass(frozen=True)
class Contender:
    """A net, its settings, the scenarios in the data and the values of every other field."""

    model: str
    values: dict[str, object] = field(default_factory=dict)
    scenarios: int = 3
    size: int = VALUES


SATRANS: dict[str, object] = {
    "encoder": "enp", "attention": "meta", "layers": 3, "heads": 4, "width": 32, "dropout": 0.1,
}  # fmt: skip
AUTOINT: dict[str, object] = {"layers": 3, "heads": 2, "width": 16, "hidden": "256,128", "linear": True}
OURS, OURS_SATRANS = "AutoInt", "SATrans, 3 scenarios"
SMALL, LARGE = "AutoInt, table of 10 thousand rows", "AutoInt, table of 10 million rows"
CONTENDERS = {
    PEER: Contender("deepctr"),
    OURS: Contender("autoint", AUTOINT),
    OURS_SATRANS: Contender("satrans", SATRANS),
    "SATrans, 100 scenarios": Contender("satrans", SATRANS, 100),
    "SATrans, 1,000 scenarios": Contender("satrans", SATRANS, 1000),
    "SATrans, 10,000 scenarios": Contender("satrans", SATRANS, 10_000),
    SMALL: Contender("autoint", AUTOINT, 3, 10_000 // FIELDS),
    LARGE: Contender("autoint", AUTOINT, 3, 10_000_000 // FIELDS),
}
# Contender, the one it is held against, what is held, at least or at most.
TARGETS = [
    (OURS, PEER, "train", 1.5),
    (OURS_SATRANS, PEER, "train", 1 / 3),
    ("SATrans, 1,000 scenarios", OURS_SATRANS, "train", 0.75),
    ("SATrans, 10,000 scenarios", OURS_SATRANS, "train", 0.5),
]


def actions(contender: Contender) -> dict[str, Callable[[int], None]]:
    """Return what a contender does with the i-th batch: 'train' and 'infer'."""
    import torch

    from msviz.batch import Batch

    draw = torch.Generator().manual_seed(0)
    sizes = [contender.scenarios, *[contender.size] * (FIELDS - 1)]
    batches = []
    for _ in range(BATCHES):
        ids = torch.stack([torch.randint(0, size, (BATCH,), generator=draw) for size in sizes], 1)
        label = torch.randint(0, 2, (BATCH,), generator=draw).float()
        batches.append(Batch(ids, ids[:, 0] + 1, label, torch.arange(BATCH), torch.zeros_like(ids[:, 0])))
    if contender.model == "deepctr":
        return _peer_actions(sizes, batches)
    from msviz.nets._base import Layout, net_class, parse_config
    from msviz.training.optimisers import make_optimisers
    from msviz.training.scoring import probabilities
    from msviz.training.step import step

    torch.manual_seed(0)
    config = parse_config(contender.model, contender.values)
    net = net_class(contender.model)(config, Layout(tuple(sizes), (0,), contender.scenarios))
    optimisers = make_optimisers(net, 1e-3)

    def train(i: int) -> None:
        net.train()
        step(net, batches[i % BATCHES], optimisers)

    def infer(i: int) -> None:
        net.eval()
        with torch.inference_mode():
            probabilities(net, batches[i % BATCHES])

    return {"train": train, "infer": infer}


def _peer_actions(sizes: list[int], batches: list) -> dict[str, Callable[[int], None]]:
    from _peers import deepctr_autoint

    peer = deepctr_autoint(sizes)
    floats = [(batch.fields.float(), batch.label) for batch in batches]
    return {
        "train": lambda i: peer.train(*floats[i % BATCHES]),
        "infer": lambda i: peer.infer(floats[i % BATCHES][0]),
    }


def work(name: str, threads: int) -> None:
    """Be one contender: for each line 'train SECONDS' or 'infer SECONDS' answer with rates and memory."""
    import torch

    torch.set_num_threads(threads)
    does = actions(CONTENDERS[name])
    for line in sys.stdin:
        what, seconds = line.split()
        does[what](0)  # caches and allocator are warm when the clock starts
        count, start, busy = 0, time.perf_counter(), time.process_time()
        while time.perf_counter() - start < float(seconds):
            does[what](count)
            count += 1
        rows = count * BATCH
        answer = {
            "rows_per_second": rows / (time.perf_counter() - start),
            "rows_per_cpu_second": rows / (time.process_time() - busy),
            "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }
        print(json.dumps(answer), flush=True)


class Turns:
    """The contenders' processes, asked one after the other."""

    def __init__(self, names: list[str], threads: int) -> None:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
        self.workers = {
            name: subprocess.Popen(
                [sys.executable, __file__, "--work", name, "--threads", str(threads)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment,
            )
            for name in names
        }  # fmt: skip

    def ask(self, name: str, what: str, seconds: float) -> dict[str, float]:
        """Let one contender work, and return its rates and its peak memory so far."""
        worker = self.workers[name]
        assert worker.stdin and worker.stdout
        worker.stdin.write(f"{what} {seconds}\n")
        worker.stdin.flush()
        while line := worker.stdout.readline():
            if line.startswith("{"):
                return json.loads(line)
        raise SystemExit(f"{name} ended before it answered")

    def end(self) -> None:
        """Send everybody home."""
        for worker in self.workers.values():
            assert worker.stdin
            worker.stdin.close()
            worker.wait()


def measure(names: list[str], threads: int, rounds: int, seconds: float) -> dict[str, dict[str, list[dict]]]:
    """Return each contender's answers by what it did, round by round."""
    turns = Turns(names, threads)
    found: dict[str, dict[str, list[dict]]] = {name: {"train": [], "infer": []} for name in names}
    try:
        for _ in range(rounds):
            for what in ("train", "infer"):
                for name in names:
                    found[name][what].append(turns.ask(name, what, seconds))
    finally:
        turns.end()
    return found


def ratio(found: dict, name: str, base: str, what: str, rate: str = "rows_per_second") -> float:
    """Return the median over rounds of one contender's rate over another's."""
    pairs = zip(found[name][what], found[base][what], strict=True)
    return statistics.median(one[rate] / other[rate] for one, other in pairs)


def table(found: dict, threads: int) -> str:
    """Return the measurements as Markdown."""
    lines = [
        f"| {threads} thread{'s' * (threads > 1)} | training, thousand rows/s | inference, thousand rows/s | "
        "training ÷ peer | inference ÷ peer | peak memory, MB |",
        "|---|---|---|---|---|---|",
    ]
    for name, by in found.items():
        rates = [
            statistics.median(a["rows_per_second"] for a in by[what]) / 1000 for what in ("train", "infer")
        ]
        cells = [f"{rate:.1f}" for rate in rates]
        cells += [f"{ratio(found, name, PEER, w):.2f}" if PEER in found else "" for w in ("train", "infer")]
        peak = max(answer["peak_mb"] for answers_ in by.values() for answer in answers_)
        lines.append(f"| {name} | " + " | ".join([*cells, f"{peak:.0f}"]) + " |")
    return "\n".join(lines)


def verdicts(found: dict, threads: int) -> str:
    """Return each target with what was reached, as Markdown."""
    lines = [
        f"| target, {threads} thread{'s' * (threads > 1)} | wanted | wall clock | processor time |",
        "|---|---|---|---|",
    ]
    for name, base, what, least in TARGETS:
        if name in found and base in found:
            wall, cpu = (
                ratio(found, name, base, what, r) for r in ("rows_per_second", "rows_per_cpu_second")
            )
            lines.append(f"| {name} ÷ {base} | ≥ {least:.2f} | {wall:.2f} | {cpu:.2f} |")
    if OURS_SATRANS in found:
        peak = max(a["peak_mb"] for answers_ in found[OURS_SATRANS].values() for a in answers_)
        lines.append(f"| peak memory of {OURS_SATRANS} | < 1,200 MB | {peak:.0f} MB | |")
    if LARGE in found and SMALL in found:
        slower = 1 / ratio(found, LARGE, SMALL, "train")
        lines.append(f"| step on {LARGE} ÷ on {SMALL} | – | {slower:.2f} | |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("--only", nargs="+", choices=list(CONTENDERS), default=list(CONTENDERS))
    parser.add_argument("--work", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.work, chosen.threads[0])
        return
    print(f"`python benchmarks/speed.py {' '.join(sys.argv[1:])}`".replace(" `", "`"), flush=True)
    for threads in chosen.threads:
        found = measure(chosen.only, threads, chosen.rounds, chosen.seconds)
        print("\n" + table(found, threads) + "\n\n" + verdicts(found, threads), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
