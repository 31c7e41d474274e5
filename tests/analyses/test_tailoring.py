"""Mean gates on past clicks by scenario, against NumPy and a net whose gates are written by hand."""

import attentive_net
import numpy as np
import pytest
import torch

from msviz.analyses.questions.tailoring import TailoringOptions, analyse
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, build
from msviz.probing.study import Study


@pytest.fixture(scope="module")
def study(tiny_world: Dataset) -> Study:
    net = build("sainet", {"blocks": 2, "heads": 2, "width": 4, "hidden": "8"}, tiny_world.schema)
    return Study(None, tiny_world, net=net, batch_size=900)


def test_every_cell_is_the_mean_over_its_impressions(study: Study) -> None:
    data = analyse(study, TailoringOptions()).data
    batch = study.part.batch(slice(None), behaviours=True)
    gates = study.trace_of(batch).seen["tailoring"].values.double().numpy()
    mask, where = batch.histories.mask.numpy(), batch.histories.scenario.numpy()
    scenario = batch.scenario.numpy()
    target, source = study.schema.scenario("Search"), study.schema.scenario("Home feed")
    there = mask & (where == source)
    rows = np.flatnonzero((scenario == target) & there.any(1))
    cell = data.sel(target="Search", source="Home feed")
    assert int(cell["holding"]) == len(rows)
    for layer in range(2):
        each = np.array([gates[row, layer][there[row]].mean() for row in rows])
        here = cell.isel(layer=layer)
        np.testing.assert_allclose(here["mean"], each.mean(), rtol=1e-5)
        np.testing.assert_allclose(here["deviation"], each.std(ddof=1), rtol=1e-2)
        np.testing.assert_allclose(
            here["high"] - here["mean"], 1.96 * each.std(ddof=1) / len(each) ** 0.5, rtol=1e-2
        )
    some = np.flatnonzero((scenario == target) & mask.any(1))
    units = np.array([gates[row, 1][mask[row]].mean(0) for row in some])
    np.testing.assert_allclose(data["unit_mean"].sel(layer="2", target="Search"), units.mean(0), rtol=1e-5)
    assert ((data["apart"] >= 0) & (data["apart"] <= 1)).all()


def test_what_scenarios_explain_of_a_unit_is_between_over_total(study: Study) -> None:
    data = analyse(study, TailoringOptions()).data
    batch = study.part.batch(slice(None), behaviours=True)
    gates = study.trace_of(batch).seen["tailoring"].values[:, 0].double().numpy()
    mask, scenario = batch.histories.mask.numpy(), batch.scenario.numpy()
    some = np.flatnonzero(mask.any(1))
    unit = np.array([gates[row][mask[row], 0].mean() for row in some])
    means = np.array([unit[scenario[some] == one].mean() for one in scenario[some]])
    wanted = ((means - unit.mean()) ** 2).sum() / ((unit - unit.mean()) ** 2).sum()
    np.testing.assert_allclose(data["apart"].sel(layer="1", unit="1"), wanted, rtol=1e-3)


def test_few_scenarios_are_kept_apart_and_nets_without_gates_are_told(
    study: Study, tiny_world: Dataset
) -> None:
    data = analyse(study, TailoringOptions(most=2)).data
    assert data["source"].values.tolist() == [*data["target"].values.tolist(), "Other scenarios"]
    plain = attentive_net.ByHand(InputSpec.of(tiny_world.schema), torch.zeros(6, 6))
    with pytest.raises(MsvizError, match="shows nothing by layer, behaviour, unit"):
        analyse(Study(None, tiny_world, net=plain), TailoringOptions())
