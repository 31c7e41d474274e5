"""Whether a tap has learned something: on nets whose inside is known, and on every run of the demo shelf."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap
from msviz.probing.learned import Learned, learned
from msviz.probing.study import Study

MODELS = Path("models")
ROWS = 6_000


class Known(Net):
    """Answers with what passes its tap: each row's own click, turned by a weight; and shows it."""

    def __init__(self, layout: InputSpec, weight: float) -> None:
        super().__init__(NetConfig(), layout)
        self.weight = nn.Parameter(torch.tensor(weight))
        self.gate_tap = Tap("expert")
        self.idle_tap = Tap("unit")

    def forward(self, batch: Batch) -> Tensor:
        gate = torch.stack([self.weight * batch.label + 0.5, 2 - batch.label], 1)
        self.idle_tap(batch.fields[:, :3].float())  # goes nowhere
        return self.gate_tap(gate)[:, 0]


@pytest.fixture
def study_of(tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch) -> Callable[[float, float], Study]:
    layout = InputSpec.of(tiny_world.schema)

    def of(trained: float, before: float) -> Study:
        def other(self: Study) -> Study:
            return Study(None, tiny_world, net=Known(layout, before))

        monkeypatch.setattr(Study, "untrained", other)
        return Study(None, tiny_world, net=Known(layout, trained))

    return of


def by_tap(study: Study) -> dict[str, Learned]:
    return {one.tap: one for one in learned(study, np.arange(1000))}


def test_the_average_in_its_place_costs_what_the_tap_knew(study_of: Callable[[float, float], Study]) -> None:
    found = by_tap(study_of(1.0, 1.0))
    # The net ranks perfectly; with the average in place all rows are alike: an AUC of 0.5.
    assert found["gate"].worth == pytest.approx(0.5) and found["gate"].cost.p < 1e-6
    assert found["idle"].worth == 0 and found["idle"].cost.p == 1
    assert found["gate"].likeness == pytest.approx(1) and found["idle"].likeness == pytest.approx(1)


def test_a_net_that_turned_its_weight_round_shows_something_else(
    study_of: Callable[[float, float], Study],
) -> None:
    study = study_of(1.0, -1.0)
    label = study.part.label[np.linspace(0, 999, 512).astype(int)].astype(float)
    first, second = np.r_[label + 0.5, 2 - label], np.r_[0.5 - label, 2 - label]
    assert by_tap(study)["gate"].likeness == pytest.approx(np.corrcoef(first, second)[0, 1])


def test_attention_to_past_clicks_is_made_even_among_those_that_are_there(tiny_world: Dataset) -> None:
    from msviz.probing.learned import TapAverages

    averages = TapAverages(("head", "behaviour"), layered=False)
    averages.mask = torch.tensor([[False, True, True], [True, True, True], [False, False, False]])
    shown = torch.tensor([[[0, 0.9, 0.1]], [[0.2, 0.2, 0.6]], [[0, 0, 0.0]]])
    put = averages.put(averages.collect(shown, None), None)
    third = 1 / 3
    torch.testing.assert_close(put, torch.tensor([[[0, 0.5, 0.5]], [[third] * 3], [[0, 0, 0.0]]]))


def test_padding_counts_for_nothing_in_an_average_over_past_clicks() -> None:
    from msviz.probing.learned import TapAverages

    averages = TapAverages(("behaviour", "unit"), layered=False)
    averages.mask = torch.tensor([[False, True], [True, True]])
    shown = torch.tensor([[[9.0, 9.0], [1.0, 4.0]], [[2.0, 5.0], [3.0, 0.0]]])
    put = averages.put(averages.collect(shown, None), None)
    # Means of the three that are there: (1 + 2 + 3) / 3 and (4 + 5 + 0) / 3.
    torch.testing.assert_close(put, torch.tensor([[[0.0, 0.0], [2.0, 3.0]], [[2.0, 3.0], [2.0, 3.0]]]))


# What the demo runs do not use, for all that was tried; docs/models.md says so.
UNUSED = {
    "autoint": {"attention"},
    "optmsm": {"gate", "scale_1", "scale_2"},
    "sainet": {"self_attention", "fusion", "scale_2"},
    "same": {"self_attention", "user_attention", "target_attention", "scenario", "gate"},
}
RUNS = ("demo-autoint", "demo-hierrec", "demo-optmsm", "demo-sainet", "demo-same-2", "demo-satrans")
LIKE = 0.7  # correlation with the untrained net's from which a tap may be what it was drawn as


@pytest.mark.parametrize("name", RUNS)
def test_what_a_demo_run_shows_was_learned(name: str) -> None:
    """Every tap shows something else than untrained, and the model ranks worse with its average in place."""
    study = Study.open(MODELS / name)
    model = study.run.card.model
    unused = UNUSED.get(model, set())
    assert unused <= set(study.axes())
    for one in learned(study, study.sample(ROWS), [tap for tap in study.axes() if tap not in unused]):
        assert one.likeness < LIKE, f"{name}: {one.tap} looks as it was drawn ({one.likeness:.2f})"
        assert one.cost.high < 0, f"{name}: without {one.tap} the model ranks as well ({one.worth:+.4f})"


def test_what_the_demo_runs_do_not_use_is_told() -> None:
    text = Path("docs/models.md").read_text(encoding="utf-8")
    section = text.partition("## What the demo runs do not use")[2].partition("\n## ")[0]
    told = {line.split("|")[1].strip(): line for line in section.splitlines() if line.startswith("| `")}
    assert {model.strip("`") for model in told} == set(UNUSED)
    for model, taps in UNUSED.items():
        assert all(f"`{tap}`" in told[f"`{model}`"] for tap in taps)
