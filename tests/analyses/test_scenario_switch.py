"""The same impression in every scenario, also by a model that shows no attention between fields."""

import numpy as np
import pytest
import torch

from msviz.analyses.questions.scenario_switch import ScenarioSwitchOptions, analyse
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import build
from msviz.probing.study import Study


def test_a_model_without_attention_still_predicts_in_every_scenario(tiny_world: Dataset) -> None:
    net = build("sainet", {"blocks": 1, "heads": 2, "width": 4, "hidden": "8"}, tiny_world.schema)
    study = Study(None, tiny_world, net=net)
    position = int(np.argmax(study.part.history_spans[1]))
    finding = analyse(study, ScenarioSwitchOptions(row=int(study.part.row[position])))
    assert "attention" not in finding.data
    column = study.schema.index("Scenario")
    for place in range(5):
        batch = study.batch(np.array([position]))
        fields = batch.fields.clone()
        fields[0, column] = study.schema.scenarios[place][0]
        moved = batch.replace(fields=fields, scenario=torch.tensor([place + 1]))
        assert float(finding.data["prediction"][place]) == pytest.approx(
            float(study.predict(moved)[0]), abs=1e-6
        )
    assert len(finding.figure().data[0].x) == 5
    with pytest.raises(MsvizError, match="view: got 'attention'; valid choices: prediction"):
        finding.figure(view="attention")
