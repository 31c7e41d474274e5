"""What losing a field costs nets whose reading is known, and the statistics behind it."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from msviz.analyses.questions.field_permutation import FieldPermutationOptions, analyse, score
from msviz.analyses.shared.permute import SIGNALS, shuffles
from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.finding import Finding
from msviz.nets.base import InputSpec, Need, Net, NetConfig
from msviz.probing.study import Study
from msviz.training.metrics import auc, row_losses

ALL = "All scenarios"


class OneField(Net):
    """Clicks by one field alone."""

    def __init__(self, layout: InputSpec, column: int) -> None:
        super().__init__(NetConfig(), layout)
        self.column = column

    def forward(self, batch: Batch) -> Tensor:
        return 0.1 * batch.fields[:, self.column].float() - 2


class PastAndSignals(Net):
    """Clicks by the length of the history and by the first signal."""

    needs: ClassVar[tuple[Need, ...]] = ("behaviours", "signals")

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)

    def forward(self, batch: Batch) -> Tensor:
        assert batch.histories is not None and batch.signals is not None
        return 0.1 * batch.histories.mask.sum(1).float() + 0.01 * torch.log1p(batch.signals[:, 0]) - 2


class Tables(Net):
    """Clicks by the click rate of each value of each field, as training counts it: naive Bayes."""

    def __init__(self, layout: InputSpec, world: Dataset) -> None:
        super().__init__(NetConfig(), layout)
        part = world.split("train")
        fields, label = part.fields(slice(0, part.rows)), np.array(part.label)
        base = np.log(label.mean() / (1 - label.mean()))
        self.tables: list[Tensor] = []
        for column, size in enumerate(layout.sizes):
            if size > 50:  # ids of users and items are too rare to be counted
                self.tables.append(torch.zeros(size))
                continue
            rows = np.bincount(fields[:, column], minlength=size) + 60.0
            clicks = np.bincount(fields[label > 0, column], minlength=size) + 60.0 * label.mean()
            self.tables.append(torch.from_numpy(np.log(clicks / (rows - clicks)) - base).float())
        self.base = float(base)

    def forward(self, batch: Batch) -> Tensor:
        parts = [table[batch.fields[:, column]] for column, table in enumerate(self.tables)]
        return self.base + torch.stack(parts).sum(0)


def study_of(net: Net, world: Dataset, size: int = 500) -> Study:
    study = Study(None, world, net=net, batch_size=size)
    study.keep = False
    return study


@pytest.fixture(scope="module")
def by_position(tiny_world: Dataset) -> tuple[Study, Finding]:
    column = tiny_world.schema.index("position")
    study = study_of(OneField(InputSpec.of(tiny_world.schema), column), tiny_world)
    return study, analyse(study, FieldPermutationOptions(rows=1_500, draws=2))


def test_only_the_field_that_is_read_costs_something(by_position: tuple[Study, Finding]) -> None:
    study, finding = by_position
    title = study.schema.field("position").label
    data = finding.data
    others = [name for name in data["field"].values if name != title]
    assert len(others) == len(study.schema.features) - 2  # nor the scenario, which cannot be exchanged
    idle = data.sel(field=others)
    assert not idle["value"].values.any() and not idle["significant"].values.any()
    np.testing.assert_array_equal(idle["p"], 1)
    assert data["value"].sel(field=title, scenario=ALL).values.all()
    assert f"{len(others)} of {len(others) + 1} fields can be exchanged" in finding.takeaway or (
        "no field is missed" in finding.takeaway
    )


def test_the_cost_is_the_mean_rise_of_the_loss_paired_by_row(by_position: tuple[Study, Finding]) -> None:
    study, finding = by_position
    positions = study.sample(1_500)
    order = np.argsort(study.part.scenario[positions], kind="stable")
    positions = positions[order]
    scenario, label = study.part.scenario[positions], study.part.label[positions]
    read = study.part.fields(positions)[:, study.schema.index("position")].astype(float)

    def sigmoid(values: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(0.1 * values - 2)))

    change = np.zeros(len(read))
    lost = 0.0
    for shuffled in shuffles(scenario, 2, study.seed):
        change += (row_losses(label, sigmoid(read[shuffled])) - row_losses(label, sigmoid(read))) / 2
        lost += (auc(label, sigmoid(read)).value - auc(label, sigmoid(read[shuffled])).value) / 2  # type: ignore[operator]
    title = study.schema.field("position").label
    for place, mine in ((ALL, np.ones(len(read), bool)), ("Search", scenario == 2)):
        here = finding.data.sel(metric="logloss", scenario=place, field=title)
        rows = change[mine]
        half = 1.959964 * rows.std(ddof=1) / len(rows) ** 0.5
        np.testing.assert_allclose(here["value"], rows.mean(), rtol=1e-3)
        np.testing.assert_allclose(here["high"] - here["value"], half, rtol=1e-3)
    whole = finding.data.sel(metric="AUC", scenario=ALL, field=title)
    assert float(whole["value"]) == pytest.approx(lost, abs=1e-6)
    assert float(whole["low"]) < lost < float(whole["high"])


def test_histories_and_signals_are_exchanged_as_a_whole(tiny_world: Dataset) -> None:
    study = study_of(PastAndSignals(InputSpec.of(tiny_world.schema)), tiny_world)
    data = analyse(study, FieldPermutationOptions(rows=1_000, draws=1)).data
    past = tiny_world.schema.sequences[0].label
    assert data["field"].values[-2:].tolist() == [past, SIGNALS]
    change = data["value"].sel(scenario=ALL, metric="logloss")
    assert float(change.sel(field=past)) != 0 != float(change.sel(field=SIGNALS))
    assert not change.isel(field=slice(0, -2)).values.any()


def test_rows_are_exchanged_inside_their_scenario_only() -> None:
    scenario = np.repeat([1, 2, 5], [400, 1, 300])
    one, other = shuffles(scenario, 2, seed=4)
    for order in (one, other):
        assert sorted(order) == list(range(701))
        np.testing.assert_array_equal(scenario[order], scenario)
        assert (order != np.arange(701)).mean() > 0.95
    assert (one != other).any()


def test_a_scenario_of_one_row_has_no_interval(tiny_world: Dataset) -> None:
    study = study_of(OneField(InputSpec.of(tiny_world.schema), 3), tiny_world)
    part = study.part
    part.scenario = np.where(np.arange(part.rows) == 0, 1, 2).astype(np.int32)
    data = analyse(study, FieldPermutationOptions(rows=200_000, draws=1)).data
    lonely = data.sel(scenario=tiny_world.schema.scenario_names[1], metric="logloss")
    assert int(lonely["rows"]) == 1 and np.isnan(lonely["low"]).all()


def test_what_a_model_learned_of_the_planted_world_is_told_from_noise(tiny_world: Dataset) -> None:
    truth = tiny_world.truth
    assert truth is not None
    net = Tables(InputSpec.of(tiny_world.schema), tiny_world)
    finding = analyse(study_of(net, tiny_world), FieldPermutationOptions(rows=6_000, draws=2))
    cost = finding.data.sel(metric="logloss", scenario=ALL)
    # The two strongest fields that matter alone, and those that mean nothing anywhere.
    for name in ("position", "category_clicks_7d"):
        here = cost.sel(field=tiny_world.schema.field(name).label)
        assert float(here["low"]) > 0
    for name in truth["noise_fields"]:
        here = cost.sel(field=tiny_world.schema.field(name).label)
        assert not (float(here["value"]) > 0 and bool(here["significant"]))
    found = {one.name: one for one in score(finding, truth, tiny_world.schema)}
    assert set(tiny_world.schema.scenario_names[1:]) <= set(found)


def test_progress_is_told_field_by_field(tiny_world: Dataset) -> None:
    told: list[tuple[float, str]] = []
    study = study_of(OneField(InputSpec.of(tiny_world.schema), 3), tiny_world)
    study.progress = lambda share, words: told.append((share, words))
    analyse(study, FieldPermutationOptions(rows=200, draws=2))
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[-1] == 1 and len(shares) == 2 * 20
    assert told[-1][1].endswith("(20 of 20 fields)")
