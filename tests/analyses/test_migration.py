"""Whose past clicks count where: against NumPy, and against weights written by hand."""

import attentive_net
import numpy as np
import pytest
import torch
from scipy.stats import ttest_1samp

from msviz.analyses.questions.migration import MigrationOptions, analyse, score
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec
from msviz.probing.study import Study
from msviz.probing.truth.migration import migration_scores, planted
from msviz.statistics.comparison import adjust_p_values


def study_of(world: Dataset, weight: torch.Tensor, unrelated: float = 1.0, **more: object) -> Study:
    net = attentive_net.ByHand(InputSpec.of(world.schema), weight, unrelated)
    return Study(None, world, net=net, batch_size=700, **more)  # type: ignore[arg-type]


def weights(world: Dataset) -> torch.Tensor:
    """Return the planted weights by scenario id, a tenth as large."""
    names = world.schema.scenario_names[1:]
    assert world.truth is not None
    out = torch.zeros(len(names) + 1, len(names) + 1)
    out[1:, 1:] = torch.from_numpy(planted(world.truth, names, names)) / 10
    return out


@pytest.fixture(scope="module")
def by_hand(tiny_world: Dataset) -> Study:
    return study_of(tiny_world, weights(tiny_world))


@pytest.mark.parametrize(
    ("only", "head", "tap"), [("", 0, None), ("Category", 2, None), ("", 1, "self_attention")]
)
def test_shares_are_those_of_every_row_added_up(
    by_hand: Study, only: str, head: int, tap: str | None
) -> None:
    data = analyse(by_hand, MigrationOptions(only=only, head=head, tap=tap)).data
    batch = by_hand.part.batch(slice(None), behaviours=True)
    shares = by_hand.trace_of(batch).seen["pool"].values.numpy()
    shares = shares[:, head - 1] if head else shares.mean(1)
    mask, where = batch.histories.mask.numpy(), batch.histories.scenario.numpy()
    counted = mask.copy()
    if only:
        column = by_hand.schema.index("category")
        own = batch.fields[:, column, None].numpy()
        counted &= (batch.histories.ids[:, :, 1].numpy() == own) & (own >= 2)
    length = mask.sum(1)
    cells, p = data.sel(target="Search"), []
    mine = (batch.scenario.numpy() == by_hand.schema.scenario("Search")) & (length > 0)
    assert int(cells["rows"]) == mine.sum()
    for source in data["source"].values:
        there = counted & (where == by_hand.schema.scenario(str(source)))
        mass, even = (shares * there).sum(1)[mine], (there.sum(1) / np.maximum(length, 1))[mine]
        cell = cells.sel(source=source)
        np.testing.assert_allclose(cell["mass"], mass.mean(), rtol=1e-5)
        np.testing.assert_allclose(cell["even"], even.mean(), rtol=1e-5)
        np.testing.assert_allclose(cell["lift"], mass.mean() / even.mean(), rtol=1e-5)
        half = 1.959964 * mass.std(ddof=1) / mine.sum() ** 0.5
        np.testing.assert_allclose(cell["mass_high"] - cell["mass"], half, rtol=1e-3)
        error = (mass - even * mass.mean() / even.mean()).std(ddof=1) / mine.sum() ** 0.5 / even.mean()
        np.testing.assert_allclose(cell["lift_high"] - cell["lift"], 1.959964 * error, rtol=1e-3)
        assert int(cell["holding"]) == there.any(1)[mine].sum()
        p.append(ttest_1samp(mass - even, 0).pvalue)
    np.testing.assert_allclose(cells["p"], p, rtol=1e-3, atol=1e-12)
    np.testing.assert_allclose(data["q"].values, adjust_p_values(data["p"].values))
    if not only:
        np.testing.assert_allclose(data["mass"].sum("source"), 1, rtol=1e-5)
        np.testing.assert_allclose(data["even"].sum("source"), 1, rtol=1e-5)


def test_clicks_taken_away_cost_what_the_net_gave_for_them(by_hand: Study, tiny_world: Dataset) -> None:
    finding = analyse(by_hand, MigrationOptions(method="removal", rows=1_000_000))
    data, weight = finding.data, weights(tiny_world).numpy()
    batch = by_hand.part.batch(slice(None), behaviours=True)
    where, mask = batch.histories.scenario.numpy(), batch.histories.mask.numpy()
    scenario = batch.scenario.numpy()
    for target in data["target"].values:
        t = by_hand.schema.scenario(str(target))
        for source in data["source"].values:
            s = by_hand.schema.scenario(str(source))
            count = ((where == s) & mask).sum(1)[scenario == t]
            count = count[count > 0]
            cell = data.sel(target=target, source=source)
            assert int(cell["holding"]) == len(count)
            np.testing.assert_allclose(cell["difference"], count.mean() * weight[t, s], rtol=1e-3, atol=1e-5)
    assert "log-odds fall by" in finding.takeaway and "carry over most from" in finding.takeaway


def test_only_related_clicks_can_be_taken_away(tiny_world: Dataset) -> None:
    study = study_of(tiny_world, weights(tiny_world), unrelated=0.0)
    every = analyse(study, MigrationOptions(method="removal", rows=1_000_000)).data
    alike = analyse(study, MigrationOptions(method="removal", rows=1_000_000, only="category")).data
    own = alike.sel(target="Search", source="Search")
    # The same change in all, but over the rows that hold a related click alone.
    assert 0 < int(own["holding"]) < int(every.sel(target="Search", source="Search")["holding"])
    total = (every["difference"] * every["holding"]).sel(target="Search", source="Search")
    np.testing.assert_allclose(own["difference"] * own["holding"], total, rtol=1e-3)
    assert alike.attrs["only"] == "Category"


def test_a_net_that_uses_clicks_as_planted_scores_high_and_one_that_does_not_scores_nothing(
    tiny_world: Dataset, by_hand: Study
) -> None:
    truth, schema = tiny_world.truth, tiny_world.schema
    assert truth is not None
    found = score(
        analyse(by_hand, MigrationOptions(method="removal", only="category", rows=5_000)), truth, schema
    )
    assert [one.name for one in found][:2] == ["All pairs", "Between different scenarios"]
    assert found[0].value > 0.8 and found[0].low > 0.5 and "follows how much" in found[0].words
    away = study_of(tiny_world, -weights(tiny_world))
    assert (
        score(analyse(away, MigrationOptions(method="removal", only="category", rows=5_000)), truth, schema)[
            0
        ].value
        < -0.8
    )
    nothing = study_of(tiny_world, torch.zeros(6, 6))
    assert score(analyse(nothing, MigrationOptions(method="removal", rows=5_000)), truth, schema) == []


def test_correlation_is_spearmans_and_unknown_scenarios_are_left_out() -> None:
    truth = {"behaviours": {"scenarios": ["A", "B"], "migration": [[3.0, 1.0], [0.0, 2.0]],
                            "family": {"A": "A", "B": "B", "C": "A"}}}  # fmt: skip
    assert planted(truth, ["C", "X"], ["B", "A"]).tolist()[0] == [1.0, 3.0]
    assert np.isnan(planted(truth, ["X"], ["A"])).all()
    measured = np.array([[9.0, 2.0, 7.0], [1.0, 3.0, 4.0]])
    one = migration_scores(measured, truth, ["A", "B"], ["A", "B", "Other scenarios"], "It")[0]
    assert (one.value, one.chance, one.measure) == (pytest.approx(1.0), 0.0, "correlation")
    assert "over 4 pairs" in one.words


def test_fewer_scenarios_share_a_column_for_all_others(by_hand: Study) -> None:
    data = analyse(by_hand, MigrationOptions(most=2)).data
    assert data["source"].values.tolist() == [*data["target"].values.tolist(), "Other scenarios"]
    np.testing.assert_allclose(data["mass"].sum("source"), 1, rtol=1e-5)


def test_choices_that_do_not_exist_are_refused(by_hand: Study) -> None:
    with pytest.raises(MsvizError, match="tap: got 'gate'; valid choices: pool, self_attention"):
        analyse(by_hand, MigrationOptions(tap="gate"))
    with pytest.raises(MsvizError, match="head: got 3"):
        analyse(by_hand, MigrationOptions(head=3))
    with pytest.raises(MsvizError, match="part: got 1"):
        analyse(by_hand, MigrationOptions(part=1))
    with pytest.raises(MsvizError, match="field: got 'Hour'; valid choices: Item, Category"):
        analyse(by_hand, MigrationOptions(only="Hour"))
    with pytest.raises(MsvizError, match="belong to method attention"):
        analyse(by_hand, MigrationOptions(method="removal", head=1))


def test_what_is_too_small_to_speak_of_is_called_so(tiny_world: Dataset) -> None:
    slight = study_of(tiny_world, weights(tiny_world) / 1_000)
    words = analyse(slight, MigrationOptions(method="removal", rows=5_000)).takeaway
    assert words.startswith("Past clicks hardly carry over between scenarios")


def test_a_log_that_does_not_tell_where_clicks_happened_is_refused(tiny_world: Dataset) -> None:
    study = study_of(tiny_world, weights(tiny_world))
    fields = [
        field.model_copy(update={"scenario": None}) if field.kind == "sequence" else field
        for field in study.schema.fields
    ]
    study.__dict__["schema"] = study.schema.model_copy(update={"fields": fields})
    with pytest.raises(MsvizError, match="in which scenario past clicks happened is not told"):
        analyse(study, MigrationOptions())
