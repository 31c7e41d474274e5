"""How well the runs on the shelf predict the planted world they were trained on, as Markdown.

    python benchmarks/demo_runs.py [--models models]

AUC, logloss and bias (predicted clicks over clicks, less one) on valid and test, and the share of the best
reachable AUC on test: (AUC - 0.5) / (best AUC - 0.5).
"""

import argparse
from pathlib import Path

from msviz.data.run_data import find_data
from msviz.probing.truth import share_of_best
from msviz.run import Run, shelf


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", type=Path, default=Path("models"))
    given = parser.parse_args()
    print("| run | valid AUC | logloss | bias | test AUC | share of best | logloss | bias | seconds |")
    print("|---|---|---|---|---|---|---|---|---|")
    for run in sorted(shelf(given.models), key=lambda run: run.name):
        truth = find_data(Run.open(run.path)).truth
        if truth is None:
            continue
        valid, test = (run.metrics[split]["overall"] for split in ("valid", "test"))
        share = share_of_best(test["auc"]["value"], truth["best"]["test"]["overall"]["auc"])
        cells = [f"{one['auc']['value']:.4f}" for one in (valid, test)]
        rest = [f"{one['logloss']['value']:.4f} | {one['bias']['value']:+.1%}" for one in (valid, test)]
        seconds = f"{run.card.seconds:.0f}"
        print(f"| {run.name} | {cells[0]} | {rest[0]} | {cells[1]} | {share:.1%} | {rest[1]} | {seconds} |")


if __name__ == "__main__":
    main()
