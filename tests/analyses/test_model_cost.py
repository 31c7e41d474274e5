"""What models cost: exact counts against real nets, timings that add up."""

from pathlib import Path

import numpy as np
import pytest

import msviz
from msviz.analyses.questions import model_cost
from msviz.nets.base import InputSpec, build
from msviz.run import Run
from msviz.schema import Schema


@pytest.fixture(scope="module")
def finding(satrans: Run, autoint: Run) -> "msviz.Finding":
    return msviz.analyse("model_cost", satrans, runs=str(autoint.path), rows=500, keep=False)


def test_cards_are_told_and_predicting_is_timed(satrans: Run, autoint: Run, finding: "msviz.Finding") -> None:
    data = finding.data
    assert data["run"].values.tolist() == ["satrans", "autoint"]
    for run in (satrans, autoint):
        one = data.sel(run=run.name)
        assert int(one["parameters"]) == run.card.parameters
        assert float(one["train_seconds"]) == run.card.seconds
        assert float(one["train_rate"]) == run.card.rows_per_second
    assert (data["rate_low"] <= data["rate"]).all() and (data["rate"] <= data["rate_high"]).all()
    np.testing.assert_allclose(data["test_seconds"] * data["rate"], data.attrs["rows"])
    memory = data["memory"].values
    assert (np.isnan(memory) | (memory >= 0)).all() and (np.nan_to_num(memory) < 2_000).all()
    assert "rows a second on cpu" in finding.takeaway and "From 10 to 10,000 scenarios" in finding.takeaway


def test_growth_goes_through_the_real_net(satrans: Run, finding: "msviz.Finding") -> None:
    growth = finding.data["growth"].sel(run="satrans")
    # Only the tables of the scenario field grow: a row of both tables a scenario.
    slope = (float(growth.sel(scenarios=10)) - float(growth.sel(scenarios=2))) / 8
    at_five = float(growth.sel(scenarios=2)) + 3 * slope
    assert at_five == satrans.card.parameters
    config = satrans.card.config
    assert slope == config["width"] + config["scenario_width"]
    assert growth.values[-1] - growth.values[-2] == 9_000 * slope


def test_several_scenario_fields_share_the_scenarios(satrans: Run) -> None:
    content = satrans.schema.model_dump(mode="json")
    schema = Schema.model_validate(content)
    layout = InputSpec.of(schema)
    two = model_cost._resize(model_cost.replace(layout, scenario_columns=(0, 1)), 100)
    assert two.sizes[:2] == (12, 12) and two.sizes[2:] == layout.sizes[2:] and two.scenarios == 100
    assert (
        model_cost._resize(model_cost.replace(layout, scenario_columns=()), 100).scenarios == layout.scenarios
    )
    net = build("satrans", satrans.card.config, schema)
    counted = model_cost._parameters("satrans", net.config, layout)
    assert counted == sum(weight.numel() for weight in net.parameters())


def test_what_a_part_costs_is_a_pass_with_it_over_one_without(optmsm: Run, tmp_path: Path) -> None:
    """Seeds count as their mean; early stopping does not, nor the share of rows that is trained on."""

    def made(name: str, rate: float, seed: int = 0, share: float = 1.0, **config: object) -> Run:
        card = optmsm.card.model_copy(
            update={
                "config": {**optmsm.card.config, **config},
                "training": {**optmsm.card.training, "train_share": share},
                "rows_per_second": rate,
                "seed": seed,
            }
        )
        return Run(tmp_path / name, card)

    rows = optmsm.card.data.rows["train"]
    runs = [
        made("with", rows / 10),
        made("with-1", rows / 12, seed=1),
        made("without", rows / 8, constraint=False),
    ]
    pairs, names = model_cost._pairs(runs[0], runs, optmsm.card.data.fingerprint)
    assert names == ["optmsm: constraint"]
    np.testing.assert_allclose(pairs, [[11, 8]])
    assert model_cost._pass(made("half", rows / 10, share=0.5)) == pytest.approx(5)
