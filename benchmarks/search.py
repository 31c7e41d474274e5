"""The search of the demo's recipes, on the validation split: every try of it again.

    python benchmarks/search.py [MODEL ...] [--tries FILE] [--data DIR] [--device cpu] [--workers 2]
        [--out FILE]

`benchmarks/tries.json` lists what was tried on the demo (seed 0), model by model, `tries_kuairand.json` what
was tried on KuaiRand. Every try is a line of JSON as soon as it ends: what it measured on valid and test, and
for each tap what the AUC loses with the average in its place and how like the untrained net's it is
(`msviz/probing/learned.py`). Prints the tries of each model as Markdown, the best AUC on valid first.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from _trainings import Done, Job, trained

# Sizes are the demo's and not searched.
SIZES = ("hidden", "bottleneck", "item_width", "main_net", "bias_net", "precision")
ROWS = 4_000  # on which taps are looked at


def measured(done: Done) -> dict[str, Any]:
    """Return what is worth knowing of a run, ready for JSON."""
    import torch

    from msviz.probing.learned import learned
    from msviz.probing.study import Study

    torch.set_num_threads(1)
    study = Study.open(done.out, done.job.data, split="valid", device=done.job.device)
    assert study.run is not None
    card = study.run.card
    taps = learned(study, study.sample(ROWS))
    metrics = {
        split: {name: found["overall"][name]["value"] for name in ("auc", "logloss", "bias")}
        for split, found in study.run.metrics.items()
    }
    return {
        "model": card.model,
        "settings": done.job.settings,
        "seed": card.seed,
        **metrics,
        "epochs": card.epochs,
        "seconds": round(done.seconds, 1),
        "taps": {one.tap: [round(one.worth, 4), round(one.likeness, 3)] for one in taps},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all by default")
    parser.add_argument("--tries", type=Path, default=Path(__file__).with_name("tries.json"))
    parser.add_argument("--data", default="data/demo")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/search/results.jsonl"))
    given = parser.parse_args()
    tries: list[tuple[str, dict[str, Any]]] = json.loads(given.tries.read_text())
    known = list(dict.fromkeys(model for model, _ in tries))
    if unknown := set(given.models) - set(known):
        parser.error(f"model: got {unknown.pop()!r}; valid choices: {', '.join(known)}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    models = given.models or known
    jobs = [
        (Job(model, given.data, settings, 0, given.device), given.out.parent / f"{model}-{number}")
        for number, (model, settings) in enumerate(tries)
        if model in models
    ]
    found = []
    with given.out.open("w", encoding="utf-8") as file:
        for done in trained(jobs, given.workers, measured):
            if done.error:
                print(f"{done.job.model} {done.job.settings}: {done.error}", file=sys.stderr)
                continue
            found.append(done.made)
            file.write(json.dumps(found[-1]) + "\n")
            file.flush()
    for model in models:
        mine = [one for one in found if one["model"] == model]
        best = sorted(mine, key=lambda one: -one["valid"]["auc"])
        print(f"\n| {model} | valid AUC | logloss | bias | test AUC | epochs |\n|---|---|---|---|---|---|")
        for one in best:
            words = ", ".join(f"{key} {value}" for key, value in one["settings"].items() if key not in SIZES)
            valid, test = one["valid"], one["test"]
            numbers = (
                f"{valid['auc']:.4f} | {valid['logloss']:.4f} | {valid['bias']:+.3f} | {test['auc']:.4f}"
            )
            print(f"| {words} | {numbers} | {one['epochs']} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
