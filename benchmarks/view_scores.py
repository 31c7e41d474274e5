"""Score every view on planted worlds, where the truth is known; write docs/truth.md and what the app quotes.

    python benchmarks/view_scores.py --models models build/sister/models

The sister world is another draw of the same kind of shop, with the demo's recipes trained on it:

    msviz data plant --out build/sister/data --rows 200000 --seed 1
    python benchmarks/view_scores.py --train build/sister --models models build/sister/models
"""

import argparse
import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from msviz.analyses.question import load_question
from msviz.analyses.run import analyse, score, why_not
from msviz.data.run_data import find_data
from msviz.errors import MsvizError
from msviz.probing.truth import Score
from msviz.registry import QUESTIONS
from msviz.run import Run, shelf

ROOT = Path(__file__).parents[1]
OUT, QUOTED = ROOT / "docs/truth.md", ROOT / "msviz/analyses/scores.json"
# Other ways to ask the same, each with a ruler of its own.
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "migration": {"attention": {}, "taking clicks away": {"method": "removal"}},
    "sub_scenarios": {"": {"fields": "gender,age_level", "on": "price_band"}},
    "field_permutation": {"": {"rows": 4_000, "draws": 2}},
    "sankey": {"": {"fields": "age_level,price_band"}},
}
HEAD = """# How well each view finds the truth

A planted world knows which pairs, fields, past clicks, days and scenarios matter, so what a view shows can be
held against it (`docs/planted.md` says what is planted). Below, every view that can be scored is, on
{worlds}, for every run that shows what it needs. Written by
`{command}`; {runs} runs.
One seed a run: the bounds speak of pairs, fields, cells or days, not of another training.

A view may be bad because the model learned little, or because what it shows is not what it learned. Either
way, do not build on a view whose bounds include chance; each section says what to look at instead.
"""


def scored(name: str, runs: Sequence[Run]) -> list[tuple[str, Run, str, list[Score]]]:
    """Return world, run, variant and scores of every run that can answer a question."""
    found: list[tuple[str, Run, str, list[Score]]] = []
    of_log = not load_question(name).needs
    for run in runs:
        dataset = find_data(run)
        world = dataset.name if dataset.name != "data" else dataset.path.resolve().parent.name
        done = of_log and world in [other for other, *_ in found]
        if dataset.truth is None or done or (not of_log and why_not(name, run)):
            continue
        for variant, options in VARIANTS.get(name, {"": {}}).items():
            try:
                finding = analyse(name, run, dataset, **options)
                scores = score(finding, dataset.truth, dataset.schema)
            except MsvizError as error:
                print(f"{name}, {run.name} {variant}: {error}", file=sys.stderr)
                continue
            if scores:
                found.append((world, run, variant, scores))
            print(f"{name}, {run.name} {variant}: {len(scores)} scores", file=sys.stderr, flush=True)
    return found


def section(name: str, found: list[tuple[str, Run, str, list[Score]]]) -> list[str]:
    """Return a view's question, what to do where it scores badly, and the table of its scores."""
    question = load_question(name)
    lines = [f"## {name}", "", f"{question.title}", ""]
    if instead := question.instead:
        lines += [f"Where it does badly: {instead}", ""]
    lines += ["| run | world | of | measure | score | 95 % | by chance |", "|---|---|---|---|---|---|---|"]
    for world, run, variant, scores in found:
        who = run.name if question.needs else "the log"
        label = f"{who}, {variant}" if variant else who
        for one in scores:
            bounds = "–" if math.isnan(one.low) else f"{one.low:.2f} to {one.high:.2f}"
            value = "–" if math.isnan(one.value) else f"{one.value:.2f}"
            cells = [label, world, one.name, one.measure, value, bounds, f"{one.chance:.2g}"]
            lines.append("| " + " | ".join(cells) + " |")
    return [*lines, ""]


def glance(words: dict[str, str]) -> list[str]:
    """Return the table of what every view scores over all scenarios, and what to look at instead."""
    lines = [
        "## At a glance",
        "",
        "| view | over all scenarios, lowest to highest of the runs | where it does badly |",
    ]
    lines.append("|---|---|---|")
    for name, reached in words.items():
        instead = load_question(name).instead or "–"
        lines.append(f"| [`{name}`](#{name}) | {reached} | {instead} |")
    return [*lines, ""]


def quoted(found: list[tuple[str, Run, str, list[Score]]], of_model: bool) -> str:
    """Return the range of first scores by model: 'AUC 0.91 to 0.95 (satrans); 0.5 is chance'."""
    by_model: dict[str, list[Score]] = {}
    for _, run, variant, scores in found:
        if not math.isnan(scores[0].value):
            who = run.card.model if of_model else "the log"
            by_model.setdefault(f"{who}{', ' if variant else ''}{variant}", []).append(scores[0])
    if not by_model:
        return ""
    parts = []
    for model, scores in by_model.items():
        low, high = min(one.value for one in scores), max(one.value for one in scores)
        span = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        parts.append(f"{span} ({model})")
    first = next(iter(by_model.values()))[0]
    return f"{first.measure} {', '.join(parts)}; {first.chance:.2g} is chance"


def train(folder: Path) -> None:
    """Train the demo's recipes on the sister world, where they are not yet."""
    recipes = (ROOT / "models/recipes.mk").read_text("utf-8").replace("\\\n", " ")
    named = dict(re.findall(r"^(\w+) := (.*)$", recipes, re.MULTILINE))
    common = named.pop("COMMON").replace("data/demo", str(folder / "data"))
    for run, recipe in re.findall(r"^RECIPE\.demo-(\S+) := (.*)$", recipes, re.MULTILINE):
        for name, text in named.items():
            recipe = recipe.replace(f"$({name})", text)  # noqa: PLW2901
        out = folder / "models" / f"sister-{run}"
        if not (out / "run.json").is_file():
            words = f"train {recipe} {common} --out {out}".split()
            subprocess.run([sys.executable, "-m", "msviz", *words], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--models", nargs="+", type=Path, default=[Path("models")])
    parser.add_argument("--only", nargs="*", help="views to score; the documents are then left alone")
    parser.add_argument(
        "--train", type=Path, help="folder with data/, in which the recipes are trained first"
    )
    given = parser.parse_args()
    if given.train:
        train(given.train)
    runs = sorted((run for path in given.models for run in shelf(path)), key=lambda run: run.name)
    sections, words, command = [], {}, "python benchmarks/view_scores.py --models "
    for name in given.only or QUESTIONS.names():
        if load_question(name).score is None:
            continue
        found = scored(name, runs)
        if found:
            sections += section(name, found)
            words[name] = quoted(found, bool(load_question(name).needs))
    if given.only:
        print("\n".join(sections))
        return
    head = HEAD.format(
        command=command + " ".join(str(path) for path in given.models),
        runs=len(runs),
        worlds="the demo and on its sister world (another draw, seed 1)"
        if len(given.models) > 1
        else "the demo alone (one world: the sister world of other draws has not been trained anew)",
    )
    OUT.write_text("\n".join([head, *glance(words), *sections]), "utf-8")
    QUOTED.write_text(json.dumps(words, ensure_ascii=False, indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
