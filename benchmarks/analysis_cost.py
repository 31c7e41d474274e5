"""What watching costs: an attention analysis of 1 million rows against plain inference, in one run.

Both go over the same stretch of rows in turns, ten times, so that whatever else the machine does meets
both; wall clock and, on one thread, processor time (which a busy machine disturbs less). Peak memory is
measured in processes of their own, at a tenth of the rows and at all of them.

    python benchmarks/analysis_cost.py [--rows 1000000] [--threads 1] [--scenarios 5] [--models satrans]
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from _paired import paired

from msviz.data.importing.write import DatasetWriter
from msviz.dataset import Dataset, open_data
from msviz.nets.base import build
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
    from msviz.analyses.questions import attention_by_scenario

    attention_by_scenario.analyse(study, attention_by_scenario.AttentionByScenarioOptions())


def compared(model: str, data: Dataset, turns: int) -> dict[str, float]:
    """Return what watching costs against plain inference over the same stretch."""
    study = study_of(model, data)
    return paired(lambda: predict(study.net, study.part), lambda: watch(study), study.part.rows, turns)


def peak(model: str, data: Path) -> float:
    """Return the peak memory in MB of a process of its own that asks the question once."""
    command = [sys.executable, __file__, "--peak", model, "--data", str(data)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--scenarios", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--stretches", type=int, default=10, help="into how many pairs the rows are cut")
    parser.add_argument("--no-memory", action="store_true")
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
        stretch = world(Path(folder) / "stretch", given.rows // given.stretches, given.scenarios)
        sizes = () if given.no_memory else (given.rows // 10, given.rows)
        data = {rows: world(Path(folder) / str(rows), rows, given.scenarios).path for rows in sizes}
        for model in given.models:
            found: dict[str, object] = {"model": model, "rows": given.rows, "threads": given.threads}
            found |= compared(model, stretch, given.stretches)
            found["peak MB"] = {rows: round(peak(model, path)) for rows, path in data.items()}
            print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main()
