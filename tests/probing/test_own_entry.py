"""What is shown of every scenario, taken of each row's own; all four readers give unseen ones nothing."""

import numpy as np
import pytest
import torch
from torch import Tensor

from msviz.analyses.questions.representation import RepresentationOptions
from msviz.analyses.questions.representation import analyse as represented
from msviz.analyses.questions.scenario_similarity import ScenarioMeans
from msviz.analyses.shared.vectors import KeptVectors
from msviz.analyses.shared.weights import OwnScenario
from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap
from msviz.probing.groups import Groups
from msviz.probing.over_time import WeightsByDay
from msviz.probing.reducers import BatchRows, own_entry
from msviz.probing.study import Study

LAST = 3  # the scenario that counting from behind would give to those that training never saw


def test_each_row_has_its_own_scenarios_entry_and_unseen_ones_have_nan() -> None:
    values = torch.arange(24.0).reshape(2, 3, 4)
    own = own_entry(values, ("scenario", "unit"), torch.tensor([3, 1]))
    assert own.tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
    own = own_entry(values, ("unit", "scenario"), torch.tensor([4, 1]))
    assert own.tolist() == [[3, 7, 11], [12, 16, 20]]
    own = own_entry(values, ("scenario", "unit"), torch.tensor([0, 2]))
    assert own[0].isnan().all() and own[1].tolist() == [16, 17, 18, 19]
    assert own_entry(values[:, :, 0], ("scenario",), torch.tensor([2, 0]))[0] == 4
    assert own_entry(values, ("layer", "unit"), torch.tensor([0, 2])) is values


def a_batch(scenario: list[int]) -> Batch:
    count = len(scenario)
    return Batch(
        fields=torch.zeros(count, 1, dtype=torch.long),
        scenario=torch.tensor(scenario),
        label=torch.zeros(count),
        row=torch.arange(count),
        time=torch.zeros(count, dtype=torch.long),
    )


class Everything:
    """A reducer that keeps what it is shown."""

    sources = ("gate",)

    def begin(self, rows: BatchRows) -> None:
        self.shown: list[Tensor] = []

    def see(self, source: str, layer: int | None, values: Tensor, rows: slice) -> None:
        self.shown.append(values)


# Of scenario s the entry is (s, 10 s); rows are of scenario 2, of none, of 1 and of none.
SCENARIOS = [2, 0, 1, 0]
SHOWN = torch.tensor([[1.0, 10.0], [2.0, 20.0], [LAST, 10.0 * LAST]]).expand(4, 3, 2)
OWN = [[2, 20], [np.nan, np.nan], [1, 10], [np.nan, np.nan]]


def test_weights_of_fields_are_the_rows_own() -> None:
    inner = Everything()
    reader = OwnScenario(inner)  # type: ignore[arg-type]
    reader.begin(BatchRows(np.arange(4), a_batch(SCENARIOS)))
    reader.see("gate", None, SHOWN, slice(0, 4))
    np.testing.assert_array_equal(inner.shown[0].numpy(), OWN)


def test_kept_vectors_are_the_rows_own() -> None:
    reader = KeptVectors("representation", np.arange(4), "own")
    reader.begin(BatchRows(np.arange(4), a_batch(SCENARIOS)))
    reader.see("representation", None, SHOWN, slice(0, 4))
    np.testing.assert_array_equal(reader.values[:, 0], OWN)


def test_means_of_scenarios_are_of_the_rows_own() -> None:
    reader = ScenarioMeans("gate", ("scenario", "unit"), np.array([1, 2]), 1, seed=0)
    reader.begin(BatchRows(np.arange(2), a_batch([2, 1])))
    reader.see("gate", None, SHOWN[:2], slice(0, 2))
    assert reader.sums[None].tolist() == [[1, 10], [2, 20]]


def test_weights_of_experts_are_the_rows_own_and_unseen_ones_are_left_out() -> None:
    days, groups = (
        Groups((name,), lambda batch: torch.zeros_like(batch.scenario)) for name in ("day", "all")
    )
    reader = WeightsByDay("mixture", days, groups, 2, 10, own=True, signals=0)
    reader.begin(BatchRows(np.arange(4), a_batch(SCENARIOS)))
    reader.see("mixture", None, SHOWN / 100, slice(0, 4))
    reader.end()
    assert reader.left_out == 2 and reader.rows.tolist() == [[2]]
    np.testing.assert_allclose(reader.moments()[0][0, :, 0], [0.015, 0.15], rtol=1e-6)


class OfScenarios(Net):
    """Shows a vector for every scenario."""

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.representation_tap = Tap("scenario", "unit")

    def forward(self, batch: Batch) -> Tensor:
        return self.representation_tap(torch.ones(len(batch), 5, 3)).sum((1, 2))  # type: ignore[operator]


def test_where_no_row_has_a_scenario_there_is_no_vector_of_its_own(tiny_world: Dataset) -> None:
    study = Study(None, tiny_world, net=OfScenarios(InputSpec.of(tiny_world.schema)))
    study.part.scenario = np.zeros(study.part.rows, np.int64)
    with pytest.raises(MsvizError, match=r"entries.*'own'.*no row is of a scenario that training saw"):
        represented(study, RepresentationOptions(entries="own"))
