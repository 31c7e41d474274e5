"""What each tap of the runs on the shelf has learned: two controls a tap, as Markdown.

    python benchmarks/learned.py [RUN ...] [--rows 8000]

For each tap: how like it is to the same net's untrained (a correlation over rows and cells; 1 is the same),
and the AUC lost on test rows with the average in its place, with DeLong's 95 % interval
(`msviz/probing/learned.py`).
"""

import argparse
from pathlib import Path

import torch

from msviz.probing.learned import learned
from msviz.probing.study import Study


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", nargs="*", type=Path, default=sorted(Path("models").glob("demo-*")))
    parser.add_argument("--rows", type=int, default=8_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    print("| run | tap | like the untrained net's | AUC lost with its average (95 %) |\n|---|---|---|---|")
    for run in given.runs:
        study = Study.open(run)
        for one in learned(study, study.sample(given.rows)):
            bounds = f"{-one.cost.high:+.4f} to {-one.cost.low:+.4f}"
            print(
                f"| {run.name} | {one.tap} | {one.likeness:.2f} | {one.worth:+.4f} ({bounds}) |", flush=True
            )


if __name__ == "__main__":
    main()
