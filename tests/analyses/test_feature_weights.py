"""Field weights of nets whose weights are known, against NumPy over all rows."""

from typing import ClassVar

import numpy as np
import pytest
import torch
from scipy.stats import ttest_ind
from torch import Tensor

from msviz.analyses.questions import feature_weights
from msviz.analyses.questions.feature_weights import FeatureWeightsOptions, analyse
from msviz.analyses.shared.weights import agreement, entropy, spread
from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap
from msviz.probing.study import Study

ALL, MEAN = "All scenarios", "mean of heads"
COLUMNS = (1, 4, 5, 8)


class Heads(Net):
    """Weights (3 heads, 4 fields) that the scenario alone makes."""

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.weights_tap = Tap("head", "field")

    def columns(self, tap: str) -> tuple[int, ...]:
        return COLUMNS

    def forward(self, batch: Batch) -> Tensor:
        return self.weights_tap(torch.from_numpy(heads_of(batch.scenario.numpy()))).sum((1, 2))


class Gate(Net):
    """A weight for each of the scenarios 1..S and four fields, made by the row."""

    COUNT: ClassVar[int] = 5

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.gate_tap = Tap("scenario", "field")

    def columns(self, tap: str) -> tuple[int, ...]:
        return COLUMNS

    def forward(self, batch: Batch) -> Tensor:
        return self.gate_tap(torch.from_numpy(gates_of(batch.fields.numpy()))).sum((1, 2))


def heads_of(scenario: np.ndarray) -> np.ndarray:
    """Return (rows, 3, 4) shares: head h of scenario s prefers field (s + h) % 4, the third is even."""
    out = np.full((len(scenario), 3, 4), 0.25, np.float32)
    for head in (0, 1):
        out[:, head] = 0.1
        out[np.arange(len(scenario)), head, (scenario + head) % 4] = 0.7
    return out


def gates_of(fields: np.ndarray) -> np.ndarray:
    """Return (rows, S, 4)."""
    number = np.arange(1, Gate.COUNT + 1)[None, :, None]
    return ((fields[:, None, COLUMNS] * number) % 7 / 7).astype(np.float32)


def study_of(kind: type[Net], world: Dataset) -> Study:
    study = Study(None, world, net=kind(InputSpec.of(world.schema)))  # type: ignore[call-arg, arg-type]
    study.keep = False
    return study


@pytest.fixture(scope="module")
def exact(tiny_world: Dataset) -> Finding:
    return analyse(study_of(Heads, tiny_world), FeatureWeightsOptions())


@pytest.fixture(scope="module")
def varying(tiny_world: Dataset) -> Finding:
    return analyse(study_of(Gate, tiny_world), FeatureWeightsOptions())


def test_weights_that_the_scenario_makes_are_exact_and_averaged_over_rows(
    exact: Finding, tiny_world: Dataset
) -> None:
    data, part = exact.data, tiny_world.split("test")
    names = tiny_world.schema.scenario_names
    assert data["scenario"].values.tolist() == [ALL, *names[1:]]
    assert data["head"].values.tolist() == [MEAN, "1", "2", "3"]
    assert data["field"].values.tolist() == [tiny_world.schema.features[c].label for c in COLUMNS]
    assert data.attrs["exact"] == data.attrs["shares"] == 1
    every = heads_of(np.array(part.scenario)).astype(np.float64)
    np.testing.assert_allclose(data["weight"].sel(scenario=ALL).values[1:], every.mean(0), rtol=1e-5)
    spread_of = every.mean(1).std(0, ddof=1)
    np.testing.assert_allclose(data["deviation"].sel(scenario=ALL, head=MEAN), spread_of, rtol=1e-4)
    for number, name in enumerate(names[1:], 1):
        here = data.sel(scenario=name)
        np.testing.assert_allclose(here["weight"].values[1:], heads_of(np.array([number]))[0], rtol=1e-6)
        assert not here["deviation"].values.any()
        assert (here["weight_low"] == here["weight"]).all() and (here["weight_high"] == here["weight"]).all()
        assert int(here["rows"]) == (part.scenario == number).sum()
        np.testing.assert_allclose(here["agreed"], here["weight"].values[1:].min(0))
        assert "the same for all its" in exact.takeaways[name]


def test_a_gate_counts_with_the_entry_of_the_rows_own_scenario(varying: Finding, tiny_world: Dataset) -> None:
    data, part = varying.data, tiny_world.split("test")
    gates = gates_of(part.fields(slice(0, part.rows))).astype(np.float64)
    own = gates[np.arange(part.rows), part.scenario - 1]
    assert data["head"].values.tolist() == ["gate"] and not data.attrs["exact"]
    np.testing.assert_allclose(data["weight"].sel(scenario=ALL, head="gate"), own.mean(0), rtol=1e-5)
    for number, name in enumerate(tiny_world.schema.scenario_names[1:], 1):
        mine = own[part.scenario == number]
        here = data.sel(scenario=name, head="gate")
        np.testing.assert_allclose(here["weight"], mine.mean(0), rtol=1e-5)
        np.testing.assert_allclose(here["deviation"], mine.std(0, ddof=1), rtol=1e-3, atol=1e-6)
        half = 1.959964 * mine.std(0, ddof=1) / len(mine) ** 0.5
        np.testing.assert_allclose(here["weight_low"], mine.mean(0) - half, rtol=1e-4)
        np.testing.assert_allclose(here["weight_high"], mine.mean(0) + half, rtol=1e-4)
        assert " ± " in varying.takeaways[name]


def test_rows_of_unseen_combinations_have_no_gate_and_are_left_out(tiny_world: Dataset) -> None:
    study = study_of(Gate, tiny_world)
    part = study.part
    part.scenario = np.where(np.arange(part.rows) % 3 == 0, 0, part.scenario)
    finding = analyse(study, FeatureWeightsOptions())
    assert int(finding.data["rows"].sel(scenario=ALL)) == (np.arange(part.rows) % 3 != 0).sum()
    assert "unseen combination" not in finding.data["scenario"].values


def test_two_scenarios_are_compared_by_welchs_test(tiny_world: Dataset) -> None:
    finding = analyse(study_of(Gate, tiny_world), FeatureWeightsOptions(a="Home feed", b="Search"))
    part, names = tiny_world.split("test"), tiny_world.schema.scenario_names
    own = gates_of(part.fields(slice(0, part.rows))).astype(np.float64)[
        np.arange(part.rows), part.scenario - 1
    ]
    first, second = (own[part.scenario == names.index(name)] for name in ("Home feed", "Search"))
    wanted = ttest_ind(second, first, equal_var=False)
    here = finding.data.sel(head="gate")
    np.testing.assert_allclose(here["difference"], second.mean(0) - first.mean(0), atol=1e-5)
    np.testing.assert_allclose(here["p"], wanted.pvalue, rtol=0.02, atol=1e-12)
    assert (here["q"].values >= here["p"].values - 1e-9).all()


def test_exact_weights_differ_exactly_or_not_at_all(tiny_world: Dataset) -> None:
    data = analyse(study_of(Heads, tiny_world), FeatureWeightsOptions(a="Home feed", b="Search")).data
    difference = data["difference"].values
    np.testing.assert_allclose(data["low"], difference)
    assert (data["significant"].values == (np.abs(difference) > 1e-6)).all()
    assert not data["significant"].sel(head="3").values.any()


def test_the_smallest_scenarios_are_only_part_of_the_average(tiny_world: Dataset, exact: Finding) -> None:
    finding = analyse(study_of(Heads, tiny_world), FeatureWeightsOptions(most=2))
    assert finding.data.sizes["scenario"] == 3 and "3 smaller scenarios" in finding.takeaway
    np.testing.assert_allclose(finding.data["weight"][0], exact.data["weight"][0])


def test_a_sample_of_rows_is_enough_where_asked(tiny_world: Dataset) -> None:
    study = study_of(Gate, tiny_world)
    data = analyse(study, FeatureWeightsOptions(rows=500)).data
    positions = study.sample(500)
    own = gates_of(study.part.fields(positions))[np.arange(500), study.part.scenario[positions] - 1]
    assert int(data["rows"].sel(scenario=ALL)) == 500
    np.testing.assert_allclose(data["weight"].sel(scenario=ALL, head="gate"), own.mean(0), rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tap": "attention"}, "feature_weights tap: got 'attention'"),
        ({"a": "Nowhere"}, "feature_weights a: got 'Nowhere'"),
        ({"a": "Search", "b": "Search"}, "wanted: another scenario than a"),
    ],
)
def test_what_does_not_exist_is_refused(options: dict[str, str], said: str, tiny_world: Dataset) -> None:
    with pytest.raises(MsvizError, match=said.replace("(", r"\(")):
        analyse(study_of(Gate, tiny_world), FeatureWeightsOptions(**options))


def test_evenness_and_agreement_by_hand() -> None:
    found = entropy(np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [1, 0, 0, 0], [2, 2, 0, 0]]))
    np.testing.assert_allclose(found, [1, 0.5, 0, 0.5], atol=1e-12)
    assert agreement(np.array([[1, 2, 3], [1, 2, 9]])) == pytest.approx(1)
    assert agreement(np.array([[1, 2, 3], [3, 2, 1.0]])) == pytest.approx(-1)
    # Three heads: 1, -1, -1 on average.
    assert agreement(np.array([[1, 2, 3], [1, 2, 3], [3, 2, 1.0]])) == pytest.approx(-1 / 3)
    assert np.isnan(agreement(np.array([[1.0, 2]])))


def test_every_group_is_probed() -> None:
    groups = np.array([2, 0, 0, 0, 2, 5, 0, 0])
    chosen = spread(groups, 2)
    assert set(groups[chosen]) == {0, 2, 5} and len(chosen) == 5


def test_weights_score_by_how_they_rank_the_fields_that_matter(
    exact: Finding, varying: Finding, tiny_world: Dataset
) -> None:
    truth = tiny_world.truth
    assert truth is not None
    found = {one.name: one for one in feature_weights.score(varying, truth, tiny_world.schema)}
    # All four fields of these nets stand for something everywhere or nowhere: only some can be ranked.
    assert all(0 <= one.value <= 1 for one in found.values() if one.measure == "AUC")
    assert all(one.low <= one.value <= one.high for one in found.values())
