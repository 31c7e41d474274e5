"""Hold runs against the truth of the planted world they were trained on: `python benchmarks/truth.py RUN...`.

Prints Markdown for RESULTS.md: the share of the best reachable AUC, and how each way of reading attention
ranks the truly interacting pairs of a scenario (area under the curve; 0.5 is chance).
"""

import argparse
import math
import sys
from typing import Any

import xarray as xr

from msviz.analyses.run import analyse
from msviz.data.run_data import find_data
from msviz.errors import MsvizError
from msviz.probing.truth import ALL, VIEWS, pair_ranking, share_of_best
from msviz.run import Run

MEAN = "mean of heads"


def number(value: float | None) -> str:
    return "not defined" if value is None or math.isnan(value) else f"{value:.3f}"


def reached(run: Run, truth: dict[str, Any], split: str) -> list[str]:
    """Return the table of AUC, best AUC and the share reached per scenario."""
    lines = ["| scenario | rows | AUC (95 % interval) | best AUC | share of best |", "|---|---|---|---|---|"]
    measured, best = run.metrics[split], truth["best"][split]
    scopes = {ALL: (measured["overall"], best["overall"])}
    for name, content in measured["scenarios"].items():
        if name in best["scenarios"]:
            scopes[name] = (content, best["scenarios"][name])
    for name, (mine, most) in scopes.items():
        auc, top = mine["auc"], most["auc"]
        share = share_of_best(auc["value"], top)
        interval = f"{number(auc['value'])} ({number(auc['low'])} to {number(auc['high'])})"
        percent = "not defined" if share is None else f"{share:.0%}"
        lines.append(f"| {name} | {mine['rows']:,} | {interval} | {number(top)} | {percent} |")
    return lines


def ranked(ranking: xr.Dataset, against: str) -> list[str]:
    """Return the table of pair-ranking AUC per scenario and view: mean of heads in each layer."""
    layers = [str(layer) for layer in ranking["layer"].values]
    lines = [
        f"| scenario | true pairs | {' | '.join(VIEWS)} |",
        "|---|---|" + "---|" * len(VIEWS),
    ]
    chosen = ranking.sel(head=MEAN, against=against)
    for scenario in ranking["scenario"].values:
        one = chosen.sel(scenario=scenario)
        cells = [
            " / ".join(number(float(one["auc"].sel(view=view, layer=layer))) for layer in layers)
            for view in VIEWS
        ]
        if all(cell == " / ".join(["not defined"] * len(layers)) for cell in cells):
            continue
        cells = [cell if "not" not in cell else "–" for cell in cells]
        lines.append(
            f"| {scenario} | {int(one['true'])} of {int(one['true'] + one['other'])} | {' | '.join(cells)} |"
        )
    return lines


def best_head(ranking: xr.Dataset) -> str:
    """Return the sentence on the single head that does best, chosen with the truth in hand."""
    heads = [head for head in ranking["head"].values if head != MEAN]
    auc = ranking["auc"].sel(against="all other pairs", view=VIEWS[0], head=heads)
    whole = auc.mean("scenario")
    place = whole.argmax(["layer", "head"])
    layer, head = (str(whole[name].values[int(place[name])]) for name in ("layer", "head"))
    value = float(whole.isel(place))
    return (
        f"The best single head over all scenarios ({VIEWS[0]}) is layer {layer}, head {head}: {value:.3f}. "
        "It was picked with the truth in hand, so it is too good by the luck of the choice."
    )


def report(path: str, data: str | None, split: str) -> None:
    """Print what one run reaches and finds; raises MsvizError where its data is not planted."""
    run = Run.open(path)
    dataset = find_data(run, data)
    if dataset.truth is None:
        raise MsvizError(
            f"run {run.name}: {dataset.name} is not planted, so there is no truth to score against"
        )
    finding = analyse("attention_by_scenario", run, dataset, split=split)
    ranking = pair_ranking(finding, dataset.truth, run.schema)
    print(f"### {run.name} ({run.card.model}) on {dataset.name}, {split}\n")
    print("\n".join(reached(run, dataset.truth, split)))
    layers = " / ".join(str(layer) for layer in ranking["layer"].values)
    for against in ranking["against"].values:
        print(f"\nTrue pairs ranked against {against}, mean of heads, layers {layers}:\n")
        print("\n".join(ranked(ranking, str(against))))
    width = (ranking["high"] - ranking["low"]).sel(against="all other pairs", head=MEAN).mean()
    print(f"\nA 95 % interval of one cell of the first table is {float(width):.2f} wide on average.")
    print(best_head(ranking) + "\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("runs", nargs="+", metavar="RUN")
    parser.add_argument("--data", help="the planted world; by default the one each run was trained on")
    parser.add_argument("--split", default="test", choices=("valid", "test"))
    arguments = parser.parse_args()
    try:
        for path in arguments.runs:
            report(path, arguments.data, arguments.split)
    except MsvizError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
