"""Does each part of a model help? Every ablation of the papers, on a planted world, over several seeds.

    python benchmarks/ablations.py [MODEL ...] [--data data/demo] [--seeds 0 1 2] [--workers 2] [--kept]

Every run is the product's own command (`msviz train`), kept in build/ablations and not trained again. Prints
Markdown: AUC per scenario, the share of the best reachable AUC, and what leaving a part out costs, paired
over seeds, with a 95 % interval of Student's t.
"""

import argparse
import math
import os
import shlex
import statistics
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from scipy import stats

from msviz.data._dataset import open_data
from msviz.errors import MsvizError
from msviz.probing.truth import share_of_best
from msviz.run import Run

Settings = dict[str, object]


@dataclass(frozen=True)
class Ablation:
    """A model at the settings it is given here, and what is changed one at a time: part -> settings."""

    model: str
    base: Settings = field(default_factory=dict)
    changes: dict[str, Settings] = field(default_factory=dict)


BATCH: Settings = {"batch_size": 1024, "epochs": 4, "patience": 2}
PLAIN: Settings = {"priors": False, "constraint": False, "hypernetwork": False}
# The settings of the demo runs (models/recipes.mk), whose widths lie below the papers': the demo has a
# hundredth of their rows. HierRec keeps the paper's.
ABLATIONS = [
    Ablation(
        "autoint",
        BATCH | {"dropout": 0.1},
        {"without MLP": {"hidden": ""}, "without linear part": {"linear": False}},
    ),
    Ablation(
        "satrans",
        BATCH | {"initial_deviation": 0.3},
        {
            "no scenario in attention": {"attention": "none"},
            "gate": {"attention": "gate"},
            "bilinear": {"attention": "bilinear"},
            "encoder ie": {"encoder": "ie"},
            "encoder en": {"encoder": "en"},
            "MetaNet on q": {"meta_on": "q"},
            "MetaNet on k": {"meta_on": "k"},
            "MetaNet on v": {"meta_on": "v"},
            "MetaNet on qkv": {"meta_on": "qkv"},
        },
    ),
    Ablation(
        "optmsm",
        BATCH | {"width": 8, "hidden": "128,64,32"},
        {
            "without priors": {"priors": False},
            "without constraint": {"constraint": False},
            "without hypernetwork": {"hypernetwork": False},
            "moe": {"transfer": "moe"},
            "moe, none of the three": {"transfer": "moe"} | PLAIN,
            "cgc": {"transfer": "cgc"},
            "cgc, none of the three": {"transfer": "cgc"} | PLAIN,
            "fcn, none of the three": PLAIN,
            "signed cosines": {"measure": "signed"},
            "absolute cosines": {"measure": "absolute"},
        },
    ),
    Ablation(
        "sainet",
        BATCH | {"hidden": "128,64", "initial_deviation": 0.2},
        {
            "without SIE": {"extract": False},
            "without STM": {"tailor": False},
            "without TIF": {"fusion": False},
            "without SDT": {"tower": False},
        },
    ),
    Ablation(
        "hierrec",
        BATCH,
        {
            "one head (-MI)": {"heads": 1},
            "without implicit layers (-I)": {"implicit": False},
            "without explicit layers (-E)": {"explicit": False},
        },
    ),
    Ablation(
        "same",
        BATCH | {"width": 32, "item_width": 16, "main_net": "64,32,16", "bias_net": "32,16,8"},
        {
            "3 experts": {"experts": 3},
            "4 experts": {"experts": 4},
            "5 experts": {"experts": 5},
            "one expert (OSE)": {"experts": 1},
            "one expert, no LN-QK (OSE-NoLN)": {"experts": 1, "norm": False},
            "without LN-QK": {"norm": False},
        },
    ),
]


def folder(model: str, label: str, seed: int) -> Path:
    """Return where a run is kept."""
    name = "".join(letter if letter.isalnum() else "-" for letter in label)
    return Path("build/ablations") / f"{model}-{name}-{seed}"


def command(model: str, settings: Settings, data: str, out: Path, seed: int) -> list[str]:
    """Return the product's own command for a run."""
    words = [sys.executable, "-m", "msviz", "train", model, "--data", data, "--out", str(out)]
    words += ["--seed", str(seed), "--device", "cpu"]
    for key, value in {**settings, "threads": 1}.items():
        words += ["--set", f"{key}={str(value).lower() if isinstance(value, bool) else value}"]
    return words


def trained(model: str, label: str, settings: Settings, data: str, seed: int) -> Run:
    """Return the run, trained now where it is not kept; raises MsvizError where training fails."""
    out = folder(model, label, seed)
    words = command(model, settings, data, out, seed)
    kept = out / "command.txt"
    if not (out / "run.json").is_file() or kept.read_text() != shlex.join(words[3:]):
        alone = os.environ | {"OMP_NUM_THREADS": "1"}
        done = subprocess.run([*words, "--overwrite"], capture_output=True, text=True, env=alone, check=False)
        if done.returncode:
            raise MsvizError(f"{model}, {label}, seed {seed}: {done.stderr.strip().splitlines()[-1]}")
        kept.write_text(shlex.join(words[3:]))
        print(f"trained {out.name}", file=sys.stderr, flush=True)
    return Run.open(out)


def of_kept(ablation: Ablation, seeds: list[int]) -> Ablation:
    """Return the ablation with the changes alone that are trained for every seed."""
    changes = {
        label: change
        for label, change in ablation.changes.items()
        if all((folder(ablation.model, label, seed) / "run.json").is_file() for seed in seeds)
    }
    return replace(ablation, changes=changes)


def auc(run: Run, scenario: str | None, split: str) -> float | None:
    """Return a run's AUC over all rows or in one scenario; None where it is not defined."""
    found = run.metrics[split]
    value = (found["overall"] if scenario is None else found["scenarios"][scenario])["auc"]["value"]
    return None if value is None else float(value)


def spread(values: list[float | None]) -> str:
    """Return 'mean ± deviation' over seeds."""
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return "not defined"
    deviation = f" ± {statistics.stdev(known):.4f}" if len(known) > 1 else ""
    return f"{statistics.mean(known):.4f}{deviation}"


def effect(full: list[float], less: list[float]) -> tuple[str, str]:
    """Return what leaving a part out costs in AUC, with its 95 % interval, and what that says."""
    gains = [one - other for one, other in zip(full, less, strict=True)]
    mean = statistics.mean(gains)
    if len(gains) < 2:
        return f"{mean:+.4f}", "not told apart by one seed"
    error = statistics.stdev(gains) / math.sqrt(len(gains))
    reach = float(stats.t.ppf(0.975, len(gains) - 1)) * error
    word = "not told apart" if abs(mean) <= reach else "worse" if mean > 0 else "better"
    return f"{mean:+.4f} ({mean - reach:+.4f} to {mean + reach:+.4f})", word


def tables(
    ablation: Ablation, data: str, seeds: list[int], split: str, pool: ThreadPoolExecutor
) -> Iterator[str]:
    """Yield the Markdown of one model."""
    variants = {"full model": {}, **ablation.changes}
    waiting = {
        label: [
            pool.submit(trained, ablation.model, label, ablation.base | change, data, seed) for seed in seeds
        ]
        for label, change in variants.items()
    }
    runs = {label: [future.result() for future in futures] for label, futures in waiting.items()}
    truth = open_data(data).truth
    if truth is None:
        raise MsvizError(f"data {data}: it is not planted, so there is no best reachable AUC")
    best = truth["best"][split]
    scenarios = [
        name for name in best["scenarios"] if name in next(iter(runs.values()))[0].metrics[split]["scenarios"]
    ]
    settings = ", ".join(f"{key} {value}" for key, value in ablation.base.items())
    yield f"\n### {ablation.model} ({settings})\n"
    yield "| | all scenarios | share of best | " + " | ".join(scenarios) + " |"
    yield "|---|---|---|" + "---|" * len(scenarios)
    for label, found in runs.items():
        shares = [share_of_best(auc(run, None, split), best["overall"]["auc"]) for run in found]
        share = statistics.mean(value for value in shares if value is not None)
        cells = [spread([auc(run, name, split) for run in found]) for name in (None, *scenarios)]
        yield f"| {label} | {cells[0]} | {share:.0%} | {' | '.join(cells[1:])} |"
    if ablation.changes:
        yield "\n| change | AUC lost by it (95 % interval over seeds) | the changed model is |\n|---|---|---|"
        full = [float(auc(run, None, split) or math.nan) for run in next(iter(runs.values()))]
        for label in ablation.changes:
            cost, word = effect(full, [float(auc(run, None, split) or math.nan) for run in runs[label]])
            yield f"| {label} | {cost} | {word} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL", help="all by default")
    parser.add_argument("--data", default="data/demo")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--workers", type=int, default=2, help="trainings side by side, a thread each")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    parser.add_argument("--kept", action="store_true", help="train nothing: report what was trained before")
    given = parser.parse_args()
    known = {ablation.model: ablation for ablation in ABLATIONS}
    unknown = [name for name in given.models if name not in known]
    if unknown:
        parser.error(f"model: got {unknown[0]!r}; valid choices: {', '.join(known)}")
    try:
        with ThreadPoolExecutor(given.workers) as pool:
            for name in given.models or known:
                ablation = known[name]
                if given.kept:
                    ablation = of_kept(ablation, given.seeds)
                for line in tables(ablation, given.data, given.seeds, given.split, pool):
                    print(line, flush=True)
    except MsvizError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
