"""One impression's past clicks: attention, names, agreement of heads, and what each click is worth."""

import attentive_net
import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon

from msviz.analyses.questions.behaviour_attention import BehaviourAttentionOptions, analyse
from msviz.analyses.shared.behaviours import age, attending, divergence, interesting
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, build
from msviz.probing.study import Study


@pytest.fixture(scope="module")
def study(tiny_world: Dataset) -> Study:
    weight = torch.arange(36.0).view(6, 6) / 100
    return Study(None, tiny_world, net=attentive_net.ByHand(InputSpec.of(tiny_world.schema), weight))


@pytest.fixture(scope="module")
def position(study: Study) -> int:
    return int(interesting(study.part, study.schema.scenario("Search"), 50)[0])


def test_attention_names_and_worth_are_those_of_the_row(study: Study, position: int) -> None:
    finding = analyse(study, BehaviourAttentionOptions(row=int(study.part.row[position])))
    data = finding.data
    batch = study.part.batch(np.array([position]), behaviours=True)
    there = batch.histories.mask[0].numpy()
    shares = study.trace_of(batch).seen["pool"].values[0].numpy()[:, there]
    assert data["attention"].dims == ("head", "behaviour")
    np.testing.assert_allclose(data["attention"].sel(head=["1", "2"]), shares, rtol=1e-5)
    np.testing.assert_allclose(data["attention"].sel(head="mean of heads"), shares.mean(0), rtol=1e-5)
    field = study.schema.field("category")
    wanted = [field.value_name(int(i)) for i in batch.histories.ids[0, :, 1][there]]
    assert data["value"].sel(field="Category").values.tolist() == wanted
    sources = batch.histories.scenario[0].numpy()[there]
    assert data["scenario"].values.tolist() == [study.schema.scenario_names[s] for s in sources]
    assert (np.diff(data["age"].values) <= 0).all()
    target = int(batch.scenario[0])
    np.testing.assert_allclose(data["change"], [study.net.weight[target, s] for s in sources], atol=1e-5)
    np.testing.assert_allclose(data["divergence"], jensenshannon(*shares, base=2) ** 2, rtol=1e-4)
    own = field.value_name(int(batch.fields[0, study.schema.index("category")]))
    assert data["related"].values.tolist() == [name == own for name in wanted]
    assert "Heads differ by" in finding.takeaway and "One row has no interval" in finding.takeaway


def test_clicks_that_look_at_one_another_have_a_square_of_shares(study: Study, position: int) -> None:
    data = analyse(
        study, BehaviourAttentionOptions(row=int(study.part.row[position]), tap="self_attention")
    ).data
    assert data["attention"].dims == ("head", "behaviour", "other")
    np.testing.assert_allclose(data["attention"].sum("other"), 1, rtol=1e-5)


@pytest.mark.parametrize("model", ["sainet", "same"])
def test_every_attention_of_the_models_adds_up_to_one(tiny_world: Dataset, position: int, model: str) -> None:
    small = (
        {"blocks": 2, "heads": 2, "width": 4} if model == "sainet" else {"width": 8, "heads": 2, "history": 5}
    )
    net = build(model, small, tiny_world.schema)
    study = Study(None, tiny_world, net=net)
    taps = attending(study.axes())
    assert taps[0] == {"sainet": "fusion", "same": "target_attention"}[model]
    for tap in taps:
        data = analyse(study, BehaviourAttentionOptions(row=int(study.part.row[position]), tap=tap)).data
        last = "other" if "other" in data.dims else "behaviour"
        np.testing.assert_allclose(data["attention"].sum(last), 1, rtol=1e-4)
        if model == "same":
            assert data.sizes["behaviour"] == 5


def test_interesting_rows_have_long_mixed_histories(study: Study) -> None:
    found = interesting(study.part, study.schema.scenario("Search"), 20)
    lengths = study.part.history_spans[1]
    assert len(found) == 20 and (study.part.scenario[found] == study.schema.scenario("Search")).all()
    assert lengths[found].min() == lengths[study.part.scenario == study.schema.scenario("Search")].max()
    assert len(interesting(study.part, 0, 5)) == 0


def test_rows_without_a_history_and_other_taps_are_refused(study: Study) -> None:
    empty = int(study.part.row[np.flatnonzero(study.part.history_spans[1] == 0)[0]])
    with pytest.raises(MsvizError, match=f"row: got {empty}; it has no past clicks"):
        analyse(study, BehaviourAttentionOptions(row=empty))
    with pytest.raises(MsvizError, match="valid choices: pool, self_attention"):
        analyse(study, BehaviourAttentionOptions(row=empty, tap="gate"))


def test_heads_that_share_no_click_differ_by_one_and_like_ones_by_nothing() -> None:
    assert divergence(np.array([[1.0, 0.0], [0.0, 1.0]])) == pytest.approx(1)
    assert divergence(np.array([[0.5, 0.5], [0.5, 0.5]])) == pytest.approx(0)
    assert np.isnan(divergence(np.array([[1.0]])))


@pytest.mark.parametrize(
    ("seconds", "words"), [(30, "under a minute"), (90, "2 minutes"), (3_700, "1 hour"), (200_000, "2 days")]
)
def test_ages_are_said_in_round_numbers(seconds: int, words: str) -> None:
    assert age(seconds) == words
