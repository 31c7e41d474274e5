"""Training and inference speed and peak memory of every model, from 3 to 10,000 scenarios.

A suite is a set of contenders that are compared with one another. Every contender is a process of its own
that waits while another works; they take turns within a round, and ratios are taken inside a round, so that
whatever else the machine does meets all of them. Peak memory is each process's own. Batch 4,096, 20 fields of
10,000 values, random ids; histories, where a model reads them, are all as long as the contender says, each
behaviour an item and its category.

    python benchmarks/speed.py [SUITE ...] [--threads 1 2] [--rounds 7] [--seconds 0.7] [--only NAME ...]
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
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

    from msviz.batch import Batch

BATCH, FIELDS, VALUES, BATCHES = 4096, 20, 10_000, 8
# The scenario, then who, what, where and both; behaviours hold the first two fields of the item.
ROLES = ("scenario", *["user"] * 6, *["item"] * 6, *["context"] * 5, *["cross"] * 2)
ITEM = ROLES.index("item")
SIGNALS, DAYS = 10, 14
PEER = "AutoInt, DeepCTR-Torch 0.3.0"


@dataclass(frozen=True)
class Contender:
    """A net, its settings, the scenarios in the data and the values of every other field."""

    model: str
    values: dict[str, object] = field(default_factory=dict)
    scenarios: int = 3
    size: int = VALUES
    history: int = 0  # behaviours of each row


SATRANS: dict[str, object] = {
    "encoder": "enp", "attention": "meta", "layers": 3, "heads": 4, "width": 32, "dropout": 0.1,
}  # fmt: skip
AUTOINT: dict[str, object] = {"layers": 3, "heads": 2, "width": 16, "hidden": "256,128", "linear": True}
OURS, OURS_SATRANS = "AutoInt", "SATrans, 3 scenarios"
SMALL, LARGE = "AutoInt, table of 10 thousand rows", "AutoInt, table of 10 million rows"
PEERS = {PEER: Contender("deepctr")}


def over_scenarios(
    title: str, model: str, values: dict[str, object], *scenarios: int, history: int = 0
) -> dict[str, Contender]:
    """Return one contender for each number of scenarios."""
    length = f", {history} behaviours" if history else ""
    return {
        f"{title}, {count:,} scenarios{length}": Contender(model, values, count, history=history)
        for count in scenarios
    }


SUITES = {
    # Self-attention between fields against a peer's.
    "attention": PEERS
    | {OURS: Contender("autoint", AUTOINT)}
    | over_scenarios("SATrans", "satrans", SATRANS, 3, 100, 1000, 10_000)
    | {
        SMALL: Contender("autoint", AUTOINT, 3, 10_000 // FIELDS),
        LARGE: Contender("autoint", AUTOINT, 3, 10_000_000 // FIELDS),
    },
    # The five papers' models at the papers' settings.
    "models": PEERS
    | over_scenarios("SATrans", "satrans", SATRANS, 3, 30, 300)
    | over_scenarios("HierRec", "hierrec", {}, 3, 30, 300, 1000)
    | over_scenarios("OptMSM", "optmsm", {}, 3, 30, 300),
    "histories": PEERS
    | over_scenarios("SAINet", "sainet", {}, 3, 30, 300, history=20)
    | over_scenarios("SAINet", "sainet", {"history": 100}, 3, 30, 300, history=100)
    | over_scenarios("SAME", "same", {}, 3, 30, 300, history=20)
    | over_scenarios("SAME", "same", {"history": 100}, 3, 30, 300, history=100),
    # Towers of their own for every scenario, without representing rows in other scenarios.
    "towers": over_scenarios(
        "OptMSM without constraint", "optmsm", {"constraint": False}, 3, 30, 100, 300, 1000
    ),
    # What representing every row in k further scenarios costs.
    "contrast": {
        f"OptMSM, k = {k}, {scenarios} scenarios": Contender("optmsm", {"contrast": k}, scenarios)
        for k, scenarios in ((1, 30), (2, 3), (2, 30), (4, 30), (8, 30), (16, 30), (16, 300))
    },
}
CONTENDERS = {name: contender for suite in SUITES.values() for name, contender in suite.items()}
# Contender, the one it is held against, what is held, at least or at most.
TARGETS = [
    (OURS, PEER, "train", 1.5),
    (OURS_SATRANS, PEER, "train", 1 / 3),
    ("SATrans, 1,000 scenarios", OURS_SATRANS, "train", 0.75),
    ("SATrans, 10,000 scenarios", OURS_SATRANS, "train", 0.5),
    ("HierRec, 3 scenarios", PEER, "train", 0.45),
    ("HierRec, 1,000 scenarios", "HierRec, 3 scenarios", "train", 0.75),
    (
        "OptMSM without constraint, 100 scenarios",
        "OptMSM without constraint, 3 scenarios",
        "train",
        0.4,
    ),
]
# Contender and the peak memory in MB that it should stay under.
MEMORY = [(OURS_SATRANS, 1_200), ("OptMSM without constraint, 1,000 scenarios", 4_000)]


def actions(contender: Contender) -> dict[str, Callable[[int], None]]:
    """Return what a contender does with the i-th batch: 'train' and 'infer'."""
    import torch

    sizes = [contender.scenarios + 2, *[contender.size] * (FIELDS - 1)]
    draw = torch.Generator().manual_seed(0)
    batches = [_batch(contender, sizes, draw) for _ in range(BATCHES)]
    if contender.model == "deepctr":
        return _peer_actions(sizes, batches)
    from msviz.nets.base import InputSpec, net_class, parse_config
    from msviz.training.optimisers import make_optimisers
    from msviz.training.scoring import probabilities
    from msviz.training.step import step

    torch.manual_seed(0)
    config = parse_config(contender.model, contender.values)
    layout = InputSpec(
        sizes=tuple(sizes),
        scenario_columns=(0,),
        scenarios=contender.scenarios,
        roles=ROLES,
        specific=(0, FIELDS - 3),
        behaviours=(ITEM, ITEM + 1) if contender.history else (),
        behaviour_scenarios=contender.history > 0,
        signals=((5.0, 2.0),) * SIGNALS if contender.history else (),
    )
    net = net_class(contender.model)(config, layout)
    optimisers = make_optimisers(net, 1e-3)

    def train(i: int) -> None:
        net.train()
        step(net, batches[i % BATCHES], optimisers)

    def infer(i: int) -> None:
        net.eval()
        with torch.inference_mode():
            probabilities(net, batches[i % BATCHES])

    return {"train": train, "infer": infer}


def _batch(contender: Contender, sizes: list[int], draw: "torch.Generator") -> "Batch":
    """Return 4,096 random rows; known scenarios have ids from 2 on."""
    import torch

    from msviz.batch import Batch, Histories

    ids = torch.stack([torch.randint(0, size, (BATCH,), generator=draw) for size in sizes], 1)
    ids[:, 0] = torch.randint(2, sizes[0], (BATCH,), generator=draw)
    label = torch.randint(0, 2, (BATCH,), generator=draw).float()
    extra = {}
    if contender.history:
        shape = (BATCH, contender.history)
        columns = [torch.randint(2, sizes[ITEM + k], shape, generator=draw) for k in (0, 1)]
        days = 1000 * torch.rand(DAYS, SIGNALS, generator=draw)
        extra = {
            "histories": Histories(
                ids=torch.stack(columns, 2),
                scenario=torch.randint(1, contender.scenarios + 1, shape, generator=draw),
                age=torch.randint(1, 10**6, shape, generator=draw),
                mask=torch.ones(shape, dtype=torch.bool),
            ),
            "signals": days[torch.randint(0, DAYS, (BATCH,), generator=draw)],
        }
    nothing = torch.zeros(BATCH, dtype=torch.int64)
    return Batch(ids, ids[:, 0] - 1, label, torch.arange(BATCH), nothing, **extra)


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
    for name, most in MEMORY:
        if name in found:
            peak = max(a["peak_mb"] for answers_ in found[name].values() for a in answers_)
            lines.append(f"| peak memory of {name} | < {most:,} MB | {peak:.0f} MB | |")
    if LARGE in found and SMALL in found:
        slower = 1 / ratio(found, LARGE, SMALL, "train")
        lines.append(f"| step on {LARGE} ÷ on {SMALL} | – | {slower:.2f} | |")
    return "\n" + "\n".join(lines) + "\n" if len(lines) > 2 else ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=0.7)
    parser.add_argument("suites", nargs="*", metavar="SUITE", help=f"{', '.join(SUITES)}; all by default")
    parser.add_argument(
        "--only", nargs="+", choices=list(CONTENDERS), help="contenders, whatever their suite"
    )
    parser.add_argument("--work", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.work:
        work(chosen.work, chosen.threads[0])
        return
    print(f"`python benchmarks/speed.py {' '.join(sys.argv[1:])}`".replace(" `", "`"), flush=True)
    unknown = [name for name in chosen.suites if name not in SUITES]
    if unknown:
        parser.error(f"suite: got {unknown[0]!r}; valid choices: {', '.join(SUITES)}")
    sets = [chosen.only] if chosen.only else [list(SUITES[name]) for name in chosen.suites or SUITES]
    for threads, names in ((threads, names) for threads in chosen.threads for names in sets):
        found = measure(names, threads, chosen.rounds, chosen.seconds)
        print("\n" + table(found, threads) + "\n" + verdicts(found, threads), flush=True)


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parent))
    main()
