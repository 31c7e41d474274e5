"""What a model costs: numbers to store, time to train and to predict, memory, and growth with scenarios."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.side_by_side import entries, named, switched
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.schema import FIRST

if TYPE_CHECKING:
    from msviz.nets.base import InputSpec
    from msviz.probing.study import Study
    from msviz.run import Run

Array = np.ndarray[Any, Any]
TITLE = "What does each model cost?"
GROWTH = (2, 10, 100, 1_000, 10_000)
PARTS = 5  # timings of each run, of equal numbers of rows


class ModelCostOptions(QuestionOptions):
    """Which runs stand beside the one that is asked, and how many rows they are timed on."""

    runs: str | None = Setting(
        None, description="paths between commas, of runs or of a folder of runs; by default the shelf"
    )
    rows: int = Setting(10_000, ge=100, description="rows that each run is timed on")

    def key(self) -> dict[str, Any]:
        """Return the options with the runs' content in place of their paths."""
        return {**super().key(), "runs": sorted(run.card.digest for run in named(self.runs))}


def analyse(study: Study, options: ModelCostOptions) -> Finding:
    """Return per run what its training wrote down, what it takes now, and how it grows with scenarios.

    `parameters`, `train_rate` (rows a second), `train_seconds` (run) and `device` are the run card's; `rate`,
    `rate_low`, `rate_high` (run) rows predicted a second by this process: median, slowest and fastest of
    five stretches; `test_seconds` for the whole split at that rate; `memory` (run) the MiB that predicting
    added at its peak, NaN where the system does not tell. `growth` (run, scenarios) counts parameters of
    the same model laid out for so many scenarios: exact, nothing is trained or measured. `with_seconds`,
    `without_seconds`, `increase` (pair) are the seconds of one pass over the training rows with what can be
    switched off, and without it, at the speed that training wrote down, the mean of seeds.
    """
    assert study.run is not None
    every = {run.path.resolve(): run for run in [study.run, *named(options.runs)]}
    runs = [run for run in every.values() if run.card.data.fingerprint == study.dataset.fingerprint]
    if not runs:
        raise MsvizError(f"run {study.run.name}: it was trained on other data than {study.dataset.name}")
    if not study.part.rows:
        raise MsvizError(f"split {study.split}: it has no rows to predict")
    positions = study.sample(options.rows)
    timed = []
    for number, run in enumerate(runs):
        if study.progress:
            study.progress(number / len(runs), f"timing {run.name}")
        timed.append(_time(study, run, positions))
    rates, memory = np.array([timing[0] for timing in timed]), np.array([timing[1] for timing in timed])
    cards = [run.card for run in runs]
    rate = np.median(rates, 1)
    pairs, names = _pairs(study.run, runs, study.dataset.fingerprint)
    data = xr.Dataset(
        {
            "parameters": (("run",), np.array([card.parameters for card in cards])),
            "train_rate": (("run",), np.array([card.rows_per_second for card in cards])),
            "train_seconds": (("run",), np.array([card.seconds for card in cards])),
            "device": (("run",), np.array([card.device for card in cards])),
            "model": (("run",), np.array([card.model for card in cards])),
            "rate": (("run",), rate),
            "rate_low": (("run",), rates.min(1)),
            "rate_high": (("run",), rates.max(1)),
            "test_seconds": (("run",), study.part.rows / rate),
            "memory": (("run",), memory),
            "growth": (("run", "scenarios"), np.array([_growth(run) for run in runs])),
            "with_seconds": (("pair",), pairs[:, 0]),
            "without_seconds": (("pair",), pairs[:, 1]),
            "increase": (("pair",), pairs[:, 0] / pairs[:, 1] - 1),
        },
        {"run": [run.name for run in runs], "scenarios": list(GROWTH), "pair": names},
        {"rows": study.part.rows, "now": study.device, "threads": torch.get_num_threads()},
    )
    return Finding(
        analysis="model_cost",
        question=TITLE,
        takeaway=_words(data),
        data=data,
        provenance=Provenance(rows=len(positions)),
    )


def _pairs(first: Run, runs: list[Run], fingerprint: str) -> tuple[Array, list[str]]:
    """Return seconds of a pass over the training rows (pair, with and without), and the pairs' names."""
    listing, _ = entries(first, runs, fingerprint)
    seconds = [float(np.mean([_pass(run) for run in entry.runs])) for entry in listing]
    pairs = switched(listing)
    values = np.array([(seconds[pair.on], seconds[pair.off]) for pair in pairs], np.float64)
    return values.reshape(-1, 2), [pair.name for pair in pairs]


def _pass(run: Run) -> float:
    """Return the seconds of one pass over the training rows: early stopping does not change it."""
    rows = run.card.data.rows["train"] * float(run.card.training.get("train_share", 1.0))
    return rows / run.card.rows_per_second if run.card.rows_per_second else float("nan")


def _time(study: Study, run: Run, positions: Array) -> tuple[list[float], float]:
    """Return rows a second over each part of the positions, and the MiB that predicting added at its peak."""
    from msviz.training.scoring import probabilities

    beside = study if study.run is not None and run.path == study.run.path else study.beside(run)
    net = beside.net
    parts = [part for part in np.array_split(positions, PARTS) if len(part)]
    with torch.inference_mode():
        # The first batch pays for what is set up once, and touches the rows on the disk.
        probabilities(net, beside.batch(parts[0][: study.batch_size]))
        from msviz.training.probe import resident

        before = resident(reset=True)
        rates = []
        for part in parts:
            start = time.perf_counter()
            for first in range(0, len(part), study.batch_size):
                probabilities(net, beside.batch(part[first : first + study.batch_size])).cpu()
            rates.append(len(part) / (time.perf_counter() - start))
    return rates + rates[-1:] * (PARTS - len(rates)), resident() - before


def _growth(run: Run) -> list[int]:
    """Return how many parameters the run's model has for each number of scenarios in GROWTH."""
    from msviz.nets.base import InputSpec, parse_config

    config, layout = parse_config(run.card.model, run.card.config), InputSpec.of(run.schema)
    return [_parameters(run.card.model, config, _resize(layout, count)) for count in GROWTH]


def _resize(layout: InputSpec, scenarios: int) -> InputSpec:
    """Return the layout for another number of scenarios, spread evenly over the scenario fields."""
    columns = layout.scenario_columns
    if not columns:
        return layout
    each = int(np.ceil(round(scenarios ** (1 / len(columns)), 9)))
    sizes = [each + FIRST if column in columns else size for column, size in enumerate(layout.sizes)]
    return replace(layout, sizes=tuple(sizes), scenarios=scenarios)


def _parameters(model: str, config: Any, layout: InputSpec) -> int:
    with torch.device("meta"):
        from msviz.nets.base import net_class

        net = net_class(model)(config, layout)
    return sum(weight.numel() for weight in net.parameters())


def _words(data: xr.Dataset) -> str:
    """Return sentences on the smallest and fastest, and on who grows most with scenarios."""
    names = data["run"].values
    rate = data["rate"].values
    fast, slow = int(rate.argmax()), int(rate.argmin())
    where = f"on {data.attrs['now']} with {data.attrs['threads']} thread"
    where += "s" if data.attrs["threads"] != 1 else ""
    words = f"{names[fast]} predicts {rate[fast]:,.0f} rows a second {where}"
    words += (
        f" (slowest and fastest fifth: {data['rate_low'].values[fast]:,.0f} to "
        f"{data['rate_high'].values[fast]:,.0f})"
    )
    if len(names) > 1:
        words += f", {rate[fast] / rate[slow]:.1f} times as many as {names[slow]} ({rate[slow]:,.0f})"
    growth = data["growth"].values
    times = growth[:, -1] / growth[:, 1]
    most, least = int(times.argmax()), int(times.argmin())
    words += f". From {GROWTH[1]} to {GROWTH[-1]:,} scenarios, {names[most]} grows {times[most]:.1f}-fold"
    words += f", {names[least]} {times[least]:.1f}-fold" if most != least else ""
    for name, more in zip(data["pair"].values[:3], data["increase"].values, strict=False):
        side = "more" if more >= 0 else "less"
        words += f"; a pass of {name} takes {abs(more):.1%} {side} time with than without"
    busy = "" if os.cpu_count() is None else " Times are of this machine as busy as it was."
    return f"{words}.{busy}"


QUESTION = Question(
    title=TITLE,
    options=ModelCostOptions,
    analyse=analyse,
    version=2,
    needs=("prediction",),
)
