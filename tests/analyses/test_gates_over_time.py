"""Weights over time on a planted world, of nets whose gates are known, against plain NumPy."""

import numpy as np
import pytest
import torch
from torch import Tensor

from msviz.analyses.questions import gates_over_time, rates_over_time
from msviz.analyses.shared import daily
from msviz.batch import Batch
from msviz.dataset import SPLITS, Dataset
from msviz.errors import MsvizError
from msviz.finding import Finding
from msviz.nets.base import InputSpec, Net, NetConfig, build
from msviz.nets.tap import Tap
from msviz.probing.study import Study
from msviz.training.metrics import auc

DAY = 86_400
SIGNAL = "promotion_traffic_today"


class Follows(Net):
    """Two experts: the first one's weight falls with today's promotion traffic, tilted by scenario."""

    def __init__(self, layout: InputSpec, place: int) -> None:
        super().__init__(NetConfig(), layout)
        self.place = place
        self.gate_tap = Tap("expert")

    def forward(self, batch: Batch) -> Tensor:
        assert batch.signals is not None
        mean, deviation = self.layout.signals[self.place]
        z = (torch.log1p(batch.signals[:, self.place]) - mean) / deviation
        first = torch.sigmoid(-0.5 * z + 0.1 * batch.scenario)
        return self.gate_tap(torch.stack([first, 1 - first], 1))[:, 0] - 1.5


class Own(Net):
    """A mixture for each scenario: expert 1 has the scenario's number in tenths."""

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.mixture_tap = Tap("scenario", "expert")
        self.output_tap = Tap("expert", "unit")

    def forward(self, batch: Batch) -> Tensor:
        first = torch.arange(1, self.layout.scenarios + 1) / 10
        both = torch.stack([first, 1 - first], 1).expand(len(batch), -1, -1)
        self.output_tap(both.new_zeros(len(batch), 2, 3))
        return self.mixture_tap(both)[:, 0, 0]


def place(world: Dataset) -> int:
    return [field.name for field in world.schema.signals].index(SIGNAL)


@pytest.fixture(scope="module")
def study(tiny_world: Dataset) -> Study:
    net = Follows(InputSpec.of(tiny_world.schema), place(tiny_world))
    return Study(None, tiny_world, split="all", net=net)


@pytest.fixture(scope="module")
def found(study: Study) -> Finding:
    return gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions())


def everything(world: Dataset) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return day, scenario and first expert's weight of all rows of all splits."""
    parts = [world.split(name) for name in SPLITS]
    day = np.concatenate([part.time for part in parts]) // DAY
    scenario = np.concatenate([part.scenario for part in parts])
    field = world.schema.signals[place(world)]
    raw = np.concatenate([part.signals(slice(None))[:, place(world)] for part in parts])
    z = (np.log1p(raw.astype(np.float64)) - field.mean) / field.deviation
    return day - day.min(), scenario, 1 / (1 + np.exp(0.5 * z - 0.1 * scenario))


def test_means_by_day_and_scenario_are_those_of_all_splits(found: Finding, tiny_world: Dataset) -> None:
    day, scenario, weight = everything(tiny_world)
    assert int(found.data["rows"][:, 0].sum()) == len(day) == found.provenance.rows
    for d in (0, 12, 47, 60):
        here = found.data.isel(day=d)
        np.testing.assert_allclose(
            here["mean"][0], [weight[day == d].mean(), 1 - weight[day == d].mean()], 1e-5
        )
        mine = weight[(day == d) & (scenario == 2)]
        name = tiny_world.schema.scenario_names[2]
        np.testing.assert_allclose(here["mean"].sel(group=name)[0], mine.mean(), rtol=1e-5)
        np.testing.assert_allclose(here["deviation"].sel(group=name)[0], mine.std(ddof=1), atol=1e-6)
        assert int(here["counts"][0, 0].sum()) == (day == d).sum()
    splits = found.data["split"].values
    assert list(dict.fromkeys(splits)) == ["train", "valid", "test"]
    edges = np.append(found.data["low"][0], found.data["high"][0, -1:])
    inside = np.clip(weight[day == 12], edges[0], edges[-1] - 1e-9)
    expected = np.histogram(inside, edges)[0]
    assert np.abs(found.data["counts"].values[12, 0, 0] - expected).sum() <= 2  # float32 at an edge
    np.testing.assert_allclose(
        found.data["quantile"].values[12, 0, 0],
        np.quantile(weight[day == 12], gates_over_time.SHARES),
        atol=2e-3,
    )


def test_the_change_in_promotions_is_of_days_not_rows(found: Finding, tiny_world: Dataset) -> None:
    assert tiny_world.truth is not None
    phase = np.array(tiny_world.truth["time"]["phase"])
    mean = found.data["mean"].values[:, 0, 0]
    promoted, normal = mean[np.char.startswith(phase, "during")], mean[phase == "normal"]
    one = found.data.isel(group=0, expert=0)
    np.testing.assert_allclose(float(one["change"]), promoted.mean() - normal.mean())
    # Welch over independent days would be the narrowest interval there is.
    plain = 1.96 * (promoted.var(ddof=1) / len(promoted) + normal.var(ddof=1) / len(normal)) ** 0.5
    half = float(one["change_high"] - one["change_low"]) / 2
    assert plain < half < 10 * plain
    assert float(one["change"]) < 0 and float(one["change_q"]) < 0.05
    assert "in promotions" in found.takeaway and "17 promotion days" in found.takeaway


def test_the_signal_that_moves_the_gate_goes_together_with_it(found: Finding) -> None:
    best = np.abs(found.data["correlation"].values[0]).argmax()
    assert found.data["signal"].values[best] == "Promotion traffic, planned for today"
    assert float(found.data["correlation"].values[0, best]) < -0.95
    assert "Promotion traffic, planned for today goes together best" in found.takeaway


def test_the_score_finds_the_planted_mixture(found: Finding, tiny_world: Dataset) -> None:
    scores = {
        one.name: one for one in gates_over_time.score(found, tiny_world.truth or {}, tiny_world.schema)
    }
    assert scores["All days"].value > 0.85 > scores["All days"].chance
    assert scores["Spring sale"].value in (-2, -1, 0, 1)


def test_a_gate_for_every_scenario_shows_the_rows_own(tiny_world: Dataset) -> None:
    study = Study(None, tiny_world, split="test", net=Own(InputSpec.of(tiny_world.schema)))
    data = gates_over_time.analyse(
        study, gates_over_time.GatesOverTimeOptions(periods="2025-04-24..2025-04-27 My sale")
    ).data
    for number, name in enumerate(tiny_world.schema.scenario_names):
        if number:
            here = data.sel(group=name, expert="Expert 1").where(data["rows"].sel(group=name) > 0, drop=True)
            assert here.sizes["day"] >= 5
            np.testing.assert_allclose(here["mean"], number / 10, rtol=1e-6)
    assert data.attrs["tap"] == "mixture"
    assert list(dict.fromkeys(data["promotion"].values)) == ["", "My sale"]
    assert set(data["phase"].values) == {"normal", "promotion"}


MIXED = {"width": 4, "hidden": "8,4", "transfer": "moe", "experts": 3}
GATED = {"width": 8, "item_width": 4, "heads": 2, "main_net": "8", "bias_net": "8", "experts": 3}


@pytest.mark.parametrize(
    ("model", "values", "tap"),
    [("optmsm", MIXED, "mixture"), ("same", GATED, "gate")],
    ids=["optmsm", "same"],
)
def test_models_with_experts_show_what_their_rows_get(
    tiny_world: Dataset, model: str, values: dict[str, object], tap: str
) -> None:
    study = Study(None, tiny_world, split="valid", net=build(model, values, tiny_world.schema))
    data = gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions()).data
    assert data.sizes["expert"] == 3
    rows = np.flatnonzero(
        (study.part.time // DAY == study.part.time.min() // DAY) & (study.part.scenario > 0)
    )
    shown = study.trace(rows).seen[tap].values.numpy()
    own = shown if shown.ndim == 2 else shown[np.arange(len(rows)), study.part.scenario[rows] - 1]
    assert int(data["rows"][0, 0]) == len(rows)
    np.testing.assert_allclose(data["mean"].values[0, 0], own.mean(0), rtol=1e-4)
    np.testing.assert_allclose(data["mean"].values.sum(-1)[:, 0], 1, rtol=1e-5)


def test_a_single_expert_has_no_gate(tiny_world: Dataset) -> None:
    net = build("same", {"width": 8, "item_width": 4, "heads": 2, "experts": 1}, tiny_world.schema)
    with pytest.raises(MsvizError, match="weighs no experts"):
        gates_over_time.analyse(
            Study(None, tiny_world, split="valid", net=net), gates_over_time.GatesOverTimeOptions()
        )


def test_other_groups_samples_and_few_of_them(study: Study) -> None:
    options = gates_over_time.GatesOverTimeOptions(by="age_level", most=3, rows=4_000)
    finding = gates_over_time.analyse(study, options)
    assert finding.data.sizes["group"] == 4 and finding.data["group"].values[0] == "All rows"
    assert abs(int(finding.data["rows"][:, 0].sum()) - 4_000) <= 3
    assert finding.data["rows"].values[:, 1:].sum() < finding.data["rows"].values[:, 0].sum()


def test_two_halves_of_the_log_by_slice_are_the_whole(
    study: Study, tiny_world: Dataset, found: Finding
) -> None:
    sliced = Study(None, tiny_world, split="all", slice='scenario == "Search"', net=study.net)
    one = gates_over_time.analyse(sliced, gates_over_time.GatesOverTimeOptions(by="none"))
    np.testing.assert_allclose(
        one.data["mean"].values[:, 0], found.data["mean"].sel(group="Search").values, rtol=1e-9
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Easter", "periods.*Easter.*first..last"),
        ("2025-02-30..2025-03-02 x", "2025-02-30"),
        ("2025-03-05..2025-03-02 x", "first day must not"),
    ],
)
def test_periods_that_cannot_be_read_are_refused(text: str, said: str) -> None:
    with pytest.raises(MsvizError, match=said):
        daily.calendar(["2025-03-01"], text, None)


def test_a_net_without_a_gate_and_an_unknown_tap_are_refused(tiny_world: Dataset, study: Study) -> None:
    with pytest.raises(MsvizError, match=r"tap.*'scale'.*gate"):
        gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions(tap="scale"))
    with pytest.raises(MsvizError, match=r"by.*'day'.*scenario"):
        gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions(by="day"))
    with pytest.raises(MsvizError, match="no_such_field"):
        gates_over_time.analyse(study, gates_over_time.GatesOverTimeOptions(by="no_such_field"))
    net = Net(NetConfig(), InputSpec.of(tiny_world.schema))
    with pytest.raises(MsvizError, match="weighs no experts"):
        gates_over_time.analyse(
            Study(None, tiny_world, split="all", net=net), gates_over_time.GatesOverTimeOptions()
        )


def test_likeness_and_effective_days_by_hand() -> None:
    assert daily.likeness(np.array([1.0, -1.0, 1.0, -1.0])) == 0.0
    # Around its mean of 2: -1, -1, 1, 1; neighbours' products 1, -1, 1; mean square 1.
    assert daily.likeness(np.array([1.0, 1.0, 3.0, 3.0])) == pytest.approx(1 / 3)
    # Two groups around their own means do not vary at all.
    assert daily.likeness(np.array([1.0, 1.0, 3.0, 3.0]), np.array([0, 0, 1, 1])) == 0.0
    assert daily.effective(30, 0.5) == pytest.approx(10)
    assert daily.effective(3, 0.9) == 2.0


def test_intervals_of_correlations_hold_what_they_promise() -> None:
    draw = np.random.default_rng(0)
    inside = 0
    for _ in range(200):
        noise = draw.normal(size=(2, 66))
        one, two = (np.convolve(row, np.ones(7) / 7, "valid") for row in noise)
        found = daily.together(one, two)
        inside += found.low < 0 < found.high
    # Series with a week's memory: without effective days about half of the intervals would miss zero.
    assert inside >= 176


@pytest.fixture(scope="module")
def rates(study: Study) -> Finding:
    return rates_over_time.analyse(study, rates_over_time.RatesOverTimeOptions())


def test_rates_by_day_and_period_are_counted(rates: Finding, tiny_world: Dataset) -> None:
    assert tiny_world.truth is not None
    day, scenario, weight = everything(tiny_world)
    label = np.concatenate([tiny_world.split(name).label for name in SPLITS])
    score = 1 / (1 + np.exp(1.5 - weight))
    name = tiny_world.schema.scenario_names[2]
    here = (day == 12) & (scenario == 2)
    cell = rates.data.isel(day=12).sel(scenario=name)
    assert (int(cell["rows"]), int(cell["clicks"])) == (here.sum(), label[here].sum())
    assert float(cell["low"]) <= label[here].mean() <= float(cell["high"])
    np.testing.assert_allclose(float(cell["predicted"]), score[here].mean(), rtol=1e-5)
    phase = np.array(tiny_world.truth["time"]["phase"])
    promoted = np.char.startswith(phase, "during")[day]
    period = rates.data.sel(period="All promotion days").isel(scenario=0)
    assert int(period["period_rows"]) == promoted.sum()
    np.testing.assert_allclose(float(period["period_rate"]), label[promoted].mean())


def test_auc_of_a_period_is_that_of_rows_not_trained_on(rates: Finding, tiny_world: Dataset) -> None:
    day, _, weight = everything(tiny_world)
    label = np.concatenate([tiny_world.split(name).label for name in SPLITS])
    held_out = np.arange(len(day)) >= tiny_world.rows["train"]
    inside = held_out & (day >= 54) & (day <= 57)
    cell = rates.data.sel(period="Anniversary sale").isel(scenario=0)
    expected = auc(label[inside], weight[inside])
    assert expected.value is not None and expected.low is not None
    assert int(cell["auc_rows"]) == inside.sum()
    np.testing.assert_allclose(float(cell["auc"]), expected.value, atol=2e-3)
    np.testing.assert_allclose(float(cell["auc_low"]), expected.low, atol=4e-3)
    assert np.isnan(float(rates.data.sel(period="Spring sale").isel(scenario=0)["auc"]))
