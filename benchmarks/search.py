"""An equal, small search of recipes for every model, on the validation split.

    python benchmarks/search.py [MODEL ...] [--device cpu] [--workers 2] [--out FILE]

Every model is tried at the same start and with the same changes to it, one at a time. Every try is a line of
JSON as soon as it ends: what it measured on valid and test, and for each tap what the AUC loses with the
average in its place and how like the untrained net's it is (`msviz/probing/learned.py`). Prints the tries of
each model as Markdown, the best AUC on valid first.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from _trainings import Done, Job, trained

# `inner_rate` stands for the learning rate of what is inside a model.
START = {
    "batch_size": 512,
    "learning_rate": 0.001,
    "dropout": 0.2,
    "l2": 1e-4,
    "initial_deviation": 0.3,
    "inner_rate": 10.0,
    "patience": 1,
}
CHANGES: list[dict[str, Any]] = [
    {},
    {"l2": 0.0},
    {"l2": 3e-4},
    {"inner_rate": 1.0},
    {"initial_deviation": 0.1},
    {"batch_size": 1024},
    {"dropout": 0.0},
]
# What is inside a model, by the setting of its learning rate.
RATE = {
    "autoint": "attention_rate",
    "satrans": "scenario_rate",
    "optmsm": "gate_rate",
    "hierrec": "heads_rate",
    "sainet": "attention_rate",
    "same": "gate_rate",
}
# Sizes of the demo runs, below the papers': the demo has a hundredth of their rows.
SIZES: dict[str, dict[str, Any]] = {
    "optmsm": {"width": 8, "hidden": "128,64,32"},
    "hierrec": {"width": 8, "bottleneck": 8},
    "sainet": {"hidden": "128,64"},
    "same": {"width": 32, "item_width": 16, "main_net": "64,32,16", "bias_net": "32,16,8"},
}
BUILD = Path("build/search")
ROWS = 4_000  # on which taps are looked at


def tries(model: str) -> list[dict[str, Any]]:
    """Return the settings that are tried."""
    found = []
    for change in CHANGES:
        settings = START | change
        found.append(SIZES.get(model, {}) | settings | {RATE[model]: settings["inner_rate"]})
        del found[-1]["inner_rate"]
    return found


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
    parser.add_argument("--data", default="data/demo")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("build/search/results.jsonl"))
    given = parser.parse_args()
    if unknown := set(given.models) - set(RATE):
        parser.error(f"model: got {unknown.pop()!r}; valid choices: {', '.join(RATE)}")
    given.out.parent.mkdir(parents=True, exist_ok=True)
    models = given.models or list(RATE)
    # In turns, so that a search which is cut short has tried every model as often.
    jobs = [
        (
            Job(model, given.data, settings | {"precision": "float32"}, 0, given.device),
            BUILD / f"{model}-{number}",
        )
        for number in range(len(CHANGES))
        for model in models
        for settings in [tries(model)[number]]
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
        print(f"\n### {model}\n\n| settings | valid AUC | logloss | bias | epochs |\n|---|---|---|---|---|")
        for one in best:
            words = ", ".join(f"{key} {value}" for key, value in one["settings"].items())
            valid = one["valid"]
            numbers = f"{valid['auc']:.4f} | {valid['logloss']:.4f} | {valid['bias']:+.3f} | {one['epochs']}"
            print(f"| {words} | {numbers} |")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
