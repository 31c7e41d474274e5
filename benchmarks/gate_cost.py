"""What gates over time cost: weights of all days and scenarios against plain inference, in one run.

Both go over a planted log in turns, so that whatever else the machine does meets both; wall clock and, on one
thread, processor time. Peak memory is measured in processes of their own, at a tenth of the rows and at all.

    python benchmarks/gate_cost.py [--rows 5000000] [--threads 1] [--experts 2] [--turns 3] [--no-memory]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from _paired import paired

from msviz.data.planted.plant import PlantOptions, plant
from msviz.dataset import Dataset, open_data
from msviz.nets.base import build
from msviz.probing.study import Study
from msviz.training.scoring import predict


def study_of(experts: int, data: Dataset) -> Study:
    """Return a study of an untrained SAME: what a pass costs does not depend on what was learned."""
    return Study(None, data, split="all", net=build("same", {"experts": experts}, data.schema))


def watch(study: Study) -> None:
    from msviz.analyses.questions import gates_over_time

    gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions())


def infer(study: Study) -> None:
    for split, rows in study.dataset.rows.items():
        if rows:
            predict(study.net, study.dataset.split(split))


def peak(experts: int, data: Path) -> int:
    """Return the peak memory in MB of a process of its own that asks the question once."""
    command = [sys.executable, __file__, "--peak", "--experts", str(experts), "--data", str(data)]
    return round(float(subprocess.run(command, check=True, capture_output=True, text=True).stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--experts", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--no-memory", action="store_true")
    parser.add_argument("--peak", action="store_true")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        watch(study_of(given.experts, open_data(given.data)))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        small, large = (
            plant(Path(folder) / str(rows), PlantOptions(rows=rows), report=lambda line: None)
            for rows in (max(10_000, given.rows // 10), given.rows)
        )
        found: dict[str, object] = {"rows": given.rows, "experts": given.experts, "threads": given.threads}
        study = study_of(given.experts, large)
        rows = sum(large.rows.values())
        found |= paired(lambda: infer(study), lambda: watch(study), rows, given.turns)
        if not given.no_memory:
            found["peak MB"] = {
                sum(data.rows.values()): peak(given.experts, data.path) for data in (small, large)
            }
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
