"""Does each part of a model help? Every ablation of the papers, on a planted world, over several seeds.

    python benchmarks/ablations.py [MODEL ...] [--changes CHANGE ...] [--data data/demo] [--seeds 0 1 2]
        [--workers 2] [--kept]

The full models are the demo runs on the shelf and the same with other seeds; a change is made to their
settings. Runs are kept in build/ablations and not trained again. Prints Markdown: AUC per scenario, the share
of the best reachable AUC, and what leaving a part out costs, paired over seeds, with a 95 % interval of
Student's t.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from _trainings import Job, trained

from msviz.dataset import open_data
from msviz.errors import MsvizError
from msviz.probing.truth import share_of_best
from msviz.run import Run
from msviz.statistics.comparison import student_half_width

Settings = dict[str, object]
FULL = "full model"


@dataclass(frozen=True)
class Ablation:
    """A run on the shelf and what is changed one at a time: part -> settings."""

    model: str
    run: str
    changes: dict[str, Settings] = field(default_factory=dict)

    @property
    def base(self) -> Settings:
        """Return the settings of the run."""
        card = Run.peek(Path("models") / self.run).card
        return {**card.config, **card.training}

    def folder(self, label: str, seed: int) -> Path:
        """Return where a run is kept; the full model of the shelf's own seed is the run on the shelf."""
        shelf = Path("models") / self.run
        if label == FULL and Run.peek(shelf).card.seed == seed:
            return shelf
        name = "".join(letter if letter.isalnum() else "-" for letter in label)
        return Path("build/ablations") / f"{self.model}-{name}-{seed}"

    def job(self, label: str, data: str, seed: int) -> Job:
        """Return the training of a change with a seed."""
        return Job(self.model, data, {**self.base, **self.changes.get(label, {})}, seed)


PLAIN: Settings = {"priors": False, "constraint": False, "hypernetwork": False}
ABLATIONS = [
    Ablation(
        "autoint", "demo-autoint", {"without MLP": {"hidden": ""}, "without linear part": {"linear": False}}
    ),
    Ablation(
        "satrans",
        "demo-satrans",
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
        "demo-optmsm",
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
        "demo-sainet",
        {
            "without SIE": {"extract": False},
            "without STM": {"tailor": False},
            "without TIF": {"fusion": False},
            "without SDT": {"tower": False},
        },
    ),
    Ablation(
        "hierrec",
        "demo-hierrec",
        {
            "one head (-MI)": {"heads": 1},
            "without implicit layers (-I)": {"implicit": False},
            "without explicit layers (-E)": {"explicit": False},
        },
    ),
    Ablation(
        "same",
        "demo-same-2",
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


def of_kept(ablation: Ablation, seeds: list[int]) -> Ablation:
    """Return the ablation with the changes alone that are trained for every seed."""
    changes = {
        label: change
        for label, change in ablation.changes.items()
        if all((ablation.folder(label, seed) / "run.json").is_file() for seed in seeds)
    }
    return replace(ablation, changes=changes)


def only(ablation: Ablation, labels: list[str]) -> Ablation:
    """Return the ablation with these changes alone."""
    return replace(
        ablation, changes={label: ablation.changes[label] for label in labels if label in ablation.changes}
    )


def train_all(ablations: list[Ablation], data: str, seeds: list[int], workers: int) -> None:
    """Train what is missing, seed after seed; raise MsvizError where a training fails."""
    jobs = [
        (ablation.job(label, data, seed), ablation.folder(label, seed))
        for seed in seeds
        for ablation in ablations
        for label in [FULL, *ablation.changes]
        if ablation.folder(label, seed).parent != Path("models")
    ]
    for done in trained(jobs, workers):
        if done.error:
            raise MsvizError(f"{done.out.name}: {done.error}")
        print(f"{done.out.name} in {done.seconds:.0f} s", file=sys.stderr, flush=True)


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
    reach = float(student_half_width(error, len(gains) - 1))
    word = "not told apart" if abs(mean) <= reach else "worse" if mean > 0 else "better"
    return f"{mean:+.4f} ({mean - reach:+.4f} to {mean + reach:+.4f})", word


def tables(ablation: Ablation, data: str, seeds: list[int], split: str) -> Iterator[str]:
    """Yield the Markdown of one model."""
    runs = {
        label: [Run.peek(ablation.folder(label, seed)) for seed in seeds]
        for label in [FULL, *ablation.changes]
    }
    truth = open_data(data).truth
    if truth is None:
        raise MsvizError(f"data {data}: it is not planted, so there is no best reachable AUC")
    best = truth["best"][split]
    scenarios = [
        name for name in best["scenarios"] if name in next(iter(runs.values()))[0].metrics[split]["scenarios"]
    ]
    yield f"\n### {ablation.model} (as {ablation.run})\n"
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
    parser.add_argument("--changes", nargs="+", metavar="CHANGE", help="these changes alone; all by default")
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
    chosen = [known[name] for name in given.models or known]
    if given.changes:
        labels = [label for ablation in chosen for label in ablation.changes]
        if unknown := [label for label in given.changes if label not in labels]:
            parser.error(f"--changes: got {unknown[0]!r}; valid choices: {', '.join(labels)}")
        chosen = [only(ablation, given.changes) for ablation in chosen]
    try:
        if given.kept:
            chosen = [of_kept(ablation, given.seeds) for ablation in chosen]
        else:
            train_all(chosen, given.data, given.seeds, given.workers)
        for ablation in chosen:
            for line in tables(ablation, given.data, given.seeds, given.split):
                print(line, flush=True)
    except MsvizError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
