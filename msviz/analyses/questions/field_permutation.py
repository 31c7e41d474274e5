"""What it costs the model to lose a field: its values are exchanged among rows of the same scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared.attention import ALL
from msviz.analyses.shared.permute import (
    inputs,
    predicted,
    shuffles,
    sorted_sample,
)
from msviz.analyses.shared.weights import largest
from msviz.analyses.shared.words import listed
from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance
from msviz.lazy import torch
from msviz.probing.truth.fields import score_fields
from msviz.statistics.auc import Placements, row_placements
from msviz.statistics.comparison import adjust_p_values, normal_p
from msviz.statistics.intervals import Z
from msviz.training.metrics import row_losses

if TYPE_CHECKING:
    from msviz.analyses.shared.permute import (
        Array,
    )
    from msviz.probing.study import Study
    from msviz.probing.truth import Score
    from msviz.schema import Schema

TITLE = "What does it cost the model to lose a field?"
METRICS = ("logloss", "AUC")
LEVEL = 0.05
WORSE = np.array([[1.0], [-1.0]])  # which way each metric goes when predictions become worse


class FieldPermutationOptions(QuestionOptions):
    """How many impressions, how often, and which scenarios are kept apart."""

    rows: int = Setting(20_000, ge=100, le=200_000, description="a uniform sample of so many rows")
    draws: int = Setting(3, ge=1, le=20, description="times that a field is exchanged; the mean is shown")
    most: int = Setting(300, ge=1, le=10_000, description="the largest scenarios are kept, up to so many")


def analyse(study: Study, options: FieldPermutationOptions) -> Finding:
    """Return how much worse the predictions become without what each field says of a row.

    `value`, `low`, `high` (metric, scenario, field): logloss risen and AUC lost, so that above 0 is worse;
    95 % intervals over the rows, paired with the unchanged prediction; `p` two-sided, `q` corrected over
    scenarios and fields of a metric (Benjamini and Hochberg), `significant`; `base` (metric, scenario);
    `rows`, `clicks` (scenario). Past clicks and signals are exchanged as a whole where the model reads them.
    """
    if not study.part.rows:
        raise MsvizError(f"split {study.split}: it has no rows to look at")
    batch = sorted_sample(study, options.rows)
    scenario, label = batch.scenario.cpu().numpy(), batch.label.cpu().numpy()
    scenarios, left = largest(scenario, options.most)
    members = [np.arange(len(scenario)), *(np.flatnonzero(scenario == number) for number in scenarios)]
    base = predicted(study, batch)
    before = _parts(label, base, members)
    fields = inputs(study)
    sums = np.zeros((len(fields), len(METRICS), 2, len(members)))  # mean and variance of the mean
    for number, field in enumerate(fields):
        changes = [np.zeros((2, len(rows))) for rows in members]
        for draw, order in enumerate(shuffles(scenario, options.draws, study.seed)):
            score = predicted(study, field.exchanged(batch, torch.from_numpy(order).to(study.device)))
            for group, after in enumerate(_parts(label, score, members)):
                changes[group] += (after - before[group]) * WORSE / options.draws
            if study.progress:
                done = (number * options.draws + draw + 1) / (len(fields) * options.draws)
                study.progress(done, f"{field.title} ({number + 1} of {len(fields)} fields)")
        for group, (change, rows) in enumerate(zip(changes, members, strict=True)):
            sums[number, 0, :, group] = _of_mean(change[0])
            sums[number, 1, :, group] = _of_auc(change[1], label[rows])
    data = _name_axes(sums, before, label, members)
    names = [ALL, *(study.schema.scenario_names[number] for number in scenarios)]
    data = data.assign_coords(
        {"metric": list(METRICS), "scenario": names, "field": [field.title for field in fields]}
    )
    data.attrs.update(left_out=left, draws=options.draws)
    words = {name: _words(data, name) for name in names}
    also = f" {left} smaller scenarios are only part of the average." if left else ""
    return Finding(
        analysis="field_permutation",
        question=TITLE,
        takeaway=words[ALL] + also,
        data=data,
        provenance=Provenance(rows=len(scenario)),
        takeaways=words,
    )


def _parts(label: Array, score: Array, members: list[Array]) -> list[Array]:
    """Return for each group of rows what every row adds to logloss and AUC: (2, rows)."""
    loss = row_losses(label, score)
    return [np.stack([loss[rows], row_placements(label[rows], score[rows])]) for rows in members]


def _of_mean(change: Array) -> tuple[float, float]:
    """Return the mean of changes (n,) and its variance, NaN for fewer than two rows."""
    variance = float(change.var(ddof=1)) / len(change) if len(change) > 1 else float("nan")
    return float(change.mean()) if len(change) else float("nan"), variance


def _of_auc(change: Array, label: Array) -> tuple[float, float]:
    """Return the AUC lost and its variance, from what rows add to it (paired DeLong 1988)."""
    clicked = label > 0
    moved = Placements(change[clicked], change[~clicked])
    return moved.auc if clicked.any() else float("nan"), moved.variance


def _name_axes(sums: Array, before: list[Array], label: Array, members: list[Array]) -> xr.Dataset:
    """Return the numbers with named axes, tested and corrected."""
    mean, variance = (sums[:, :, part].transpose(1, 2, 0) for part in (0, 1))
    half = Z * np.sqrt(variance)
    p = normal_p(mean, np.sqrt(variance))
    q = np.stack([adjust_p_values(row) for row in p])
    cells = ("metric", "scenario", "field")
    arrays = {"value": mean, "low": mean - half, "high": mean + half, "p": p, "q": q}
    clicked = [label[rows] > 0 for rows in members]
    base = np.array(
        [
            [part[0].mean() for part in before],
            [
                part[1][is_click].mean() if is_click.any() else np.nan
                for part, is_click in zip(before, clicked, strict=True)
            ],
        ]
    )
    return xr.Dataset(
        {name: (cells, values.astype(np.float32)) for name, values in arrays.items()}
        | {
            "significant": (cells, np.nan_to_num(q, nan=1.0) <= LEVEL),
            "base": (cells[:2], base),
            "rows": (cells[1:2], np.array([len(rows) for rows in members])),
            "clicks": (cells[1:2], np.array([int(is_click.sum()) for is_click in clicked])),
        }
    )


def _words(data: xr.Dataset, scenario: str) -> str:
    here = data.sel(scenario=scenario, metric="logloss")
    scope = "Over all scenarios" if scenario == ALL else f"In {scenario}"
    count = f"{int(here['rows']):,} sampled rows"
    worse = here["significant"].values & (here["value"].values > 0)
    order = [i for i in np.argsort(-np.nan_to_num(here["value"].values), kind="stable") if worse[i]]
    if not order:
        return f"{scope} ({count}), no field is missed more than chance explains."
    auc = data.sel(scenario=scenario, metric="AUC")
    parts = [_cost(here.isel(field=i), auc.isel(field=i)) for i in order[:3]]
    words = f"{scope} ({count}), the predictions suffer most without {listed(parts)}"
    idle = int((~here["significant"].values).sum())
    if idle:
        words += f"; {idle} of {worse.size} fields can be exchanged without a loss that is more than chance"
    return words + "."


def _cost(loss: xr.Dataset, auc: xr.Dataset) -> str:
    """Return 'Category (logloss +0.0123 ± 0.0011, AUC -0.021)'."""
    text = f"{loss['field'].item()} (logloss {float(loss['value']):+.4f}"
    half = float(loss["high"] - loss["value"])
    text += f" ± {half:.4f}" if np.isfinite(half) else ""
    lost = float(auc["value"])
    return text + (f", AUC {-lost:+.3f})" if np.isfinite(lost) else ")")


def score(finding: Finding, truth: Mapping[str, Any], schema: Schema) -> list[Score]:
    """Return how well the logloss that a field costs ranks the fields that matter, scenario by scenario."""
    data = finding.data["value"].sel(metric="logloss").transpose("scenario", "field")
    return score_fields(
        data.values,
        [str(name) for name in data["scenario"].values],
        [str(name) for name in data["field"].values],
        truth,
        schema,
        "the cost of losing a field",
        "costs more to lose",
    )


QUESTION = Question(
    title=TITLE,
    options=FieldPermutationOptions,
    analyse=analyse,
    version=1,
    needs=("prediction",),
    score=score,
)
