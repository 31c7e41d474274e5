"""What watching costs: an attention analysis of 1 million rows against plain inference, in one run.

Both go over the same rows in turns, so that whatever else the machine does meets both. Peak memory
is measured in processes of their own, at 100,000 and at 1 million rows.

    python benchmarks/analysis_cost.py [--rows 1000000] [--threads 1] [--repeats 1] [--scenarios 5]
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from msviz.data._dataset import Dataset, DatasetWriter, open_data
from msviz.nets._base import build
from msviz.probing.study import Study
from msviz.schema import Field, Schema
from msviz.training.scoring import predict

FIELDS, VALUES = 20, 10_000
NETS = {
    "satrans": {"encoder": "enp", "attention": "meta", "layers": 3, "heads": 4, "width": 32},
    "autoint": {"layers": 3, "heads": 2, "width": 16, "hidden": "256,128"},
}


def world(out: Path, rows: int, scenarios: int) -> Dataset:
    """Write rows of random ids: what a pass costs does not depend on what they mean."""
    words = [str(value) for value in range(VALUES - 2)]
    fields = [Field(name="scenario", role="scenario", vocabulary=[str(s) for s in range(scenarios)])]
    fields += [Field(name=f"field {number}", vocabulary=words) for number in range(1, FIELDS)]
    schema = Schema(
        fields=[Field(name="click", role="label"), *fields], scenarios=[[s + 2] for s in range(scenarios)]
    )
    draw = np.random.default_rng(0)
    with DatasetWriter(out, schema) as writer:
        for start in range(0, rows, 100_000):
            count = min(100_000, rows - start)
            ids = draw.integers(0, VALUES, (count, FIELDS))
            scenario = np.minimum(draw.geometric(0.4, count), scenarios)
            ids[:, 0] = scenario + 1
            label = draw.integers(0, 2, count)
            row = np.arange(start, start + count)
            writer.append("test", ids, scenario, label, np.zeros(count), row)
        return writer.commit({})


def study_of(model: str, data: Dataset) -> Study:
    return Study(None, data, net=build(model, NETS[model], data.schema))


def watch(study: Study) -> None:
    from msviz.analyses import attention_by_scenario

    attention_by_scenario.analyse(study, attention_by_scenario.Options())


def paired(model: str, data: Dataset, repeats: int) -> dict[str, float]:
    """Return seconds of both and their ratio; the rows are cut in ten stretches that alternate."""
    study = study_of(model, data)
    plain, watched = [], []
    for turn in range(repeats):
        jobs = [(plain, lambda: predict(study.net, study.part)), (watched, lambda: watch(study))]
        for seconds, job in jobs if turn % 2 == 0 else reversed(jobs):
            start = time.perf_counter()
            job()
            seconds.append(time.perf_counter() - start)
    ratios = [w / p for w, p in zip(watched, plain, strict=True)]
    return {
        "plain_rows_per_second": round(study.part.rows / statistics.median(plain)),
        "watched_rows_per_second": round(study.part.rows / statistics.median(watched)),
        "ratio": round(statistics.median(ratios), 3),
        "lowest": round(min(ratios), 3),
        "highest": round(max(ratios), 3),
    }


def peak(model: str, data: Path) -> float:
    """Return the peak memory in MB of a process of its own that asks the question once."""
    command = [sys.executable, __file__, "--peak", model, "--data", str(data)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scenarios", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--models", nargs="*", default=list(NETS))
    parser.add_argument("--peak")
    parser.add_argument("--data", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    if given.peak:
        watch(study_of(given.peak, open_data(given.data)))
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
        return
    with tempfile.TemporaryDirectory() as folder:
        large = world(Path(folder) / "large", given.rows, given.scenarios)
        small = world(Path(folder) / "small", given.rows // 10, given.scenarios)
        for model in given.models:
            found: dict[str, object] = {"model": model, "rows": given.rows, "threads": given.threads}
            found |= paired(model, large, given.repeats)
            found["peak_mb"] = {data.rows["test"]: round(peak(model, data.path)) for data in (small, large)}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
