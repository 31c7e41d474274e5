"""Categories clicked and shown, against NumPy and a net that ranks items in a known way."""

import numpy as np
import pytest
from torch import Tensor

import msviz
from msviz.analyses.questions.category_diversity import (
    ALL,
    CHANCE,
    CLICKED,
    CategoryDiversityOptions,
    analyse,
    diversity_at_random,
)
from msviz.analyses.shared import ranking
from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.probing.study import Study
from msviz.run import Run


class ByCategory(Net):
    """Rates items by their category alone; past clicks do not matter."""

    def __init__(self, layout: InputSpec, column: int) -> None:
        super().__init__(NetConfig(), layout)
        self.column = column

    def forward(self, batch: Batch) -> Tensor:
        return -batch.fields[:, self.column].float() / 10


@pytest.fixture(scope="module")
def study(tiny_world: Dataset) -> Study:
    schema = tiny_world.schema
    return Study(None, tiny_world, net=ByCategory(InputSpec.of(schema), schema.index("category")))


def test_clicks_and_best_items_are_counted_for_the_same_users(study: Study) -> None:
    asked = CategoryDiversityOptions(users=20, candidates=60, top=8, days=10)
    finding = analyse(study, asked)
    data = finding.data
    setting = ranking.Setting.of(study, 20, 60, 12)
    column = study.schema.index("category")
    assert len(np.unique(setting.items[:, study.schema.index("item_id")])) == 60
    # The model's best are the lowest categories, for everybody.
    shown = np.sort(setting.items[:, column])[:8]
    assert (data["value"].sel(who="this model") == len(np.unique(shown))).all()
    past = study.part.batch(setting.rows, behaviours=True).histories
    there = (past.mask & (past.age <= 10 * 86_400)).numpy()
    clicked = np.array(
        [len(set(ids[kept])) for ids, kept in zip(past.ids[:, :, 1].numpy(), there, strict=True)]
    )
    mine = setting.scenario == setting.names.index("Search")
    assert int(data["users"].sel(scenario="Search")) == mine.sum() == 20
    here = data.sel(scenario="Search", who=CLICKED)
    assert float(here["value"]) == pytest.approx(clicked[mine].mean())
    half = 1.959964 * clicked[mine].std(ddof=1) / 20**0.5
    assert float(here["high"] - here["value"]) == pytest.approx(half, rel=1e-5)
    user = study.part.fields(setting.rows)[:, study.schema.index("user_id")]
    assert len(np.unique(user[mine])) == 20
    assert finding.provenance.rows == len(setting.rows) == data["users"].sel(scenario=ALL)
    assert "In Search, 20 users clicked" in finding.takeaways["Search"]


def test_chance_is_what_random_draws_have() -> None:
    category = np.array([0] * 5 + [1] * 3 + [2] * 2 + [3])
    draw = np.random.default_rng(0)
    drawn = [len(np.unique(draw.choice(category, 4, replace=False))) for _ in range(20_000)]
    assert diversity_at_random(category, 4) == pytest.approx(np.mean(drawn), abs=0.02)
    assert diversity_at_random(category, 11) == pytest.approx(4)
    # One of two values a draw: two requests have both half of the time.
    assert diversity_at_random(np.array([0, 1]), 1, requests=2) == pytest.approx(1.5)


def test_several_requests_are_the_users_latest_counted_together(study: Study) -> None:
    setting = ranking.Setting.of(study, 20, 60, 12, requests=3)
    part = study.part
    user = part.fields(np.arange(part.rows))[:, study.schema.index("user_id")]
    time, scenario = np.asarray(part.time), np.asarray(part.scenario)
    some = part.history_spans[1] > 0
    for number in (0, 25, 60):
        here = np.flatnonzero((user == user[setting.rows[number]]) & some)
        here = here[scenario[here] == scenario[setting.rows[number]]]
        latest = here[np.lexsort((-here, -time[here]))][:3]
        assert setting.requests[number].tolist() == [*latest, *[-1] * (3 - len(latest))]
    assert (setting.rows == setting.requests[:, 0]).all() and (setting.requests[:, 1:] == -1).any()
    data = analyse(study, CategoryDiversityOptions(users=20, candidates=60, top=8, requests=3)).data
    # The net ranks by category alone: the requests of a user are shown the same.
    shown = np.sort(setting.items[:, study.schema.index("category")])[:8]
    assert (data["value"].sel(who="this model") == len(np.unique(shown))).all()
    asked = (setting.requests >= 0).sum(1)
    assert float(data["shown"].sel(scenario=ALL)) == pytest.approx(asked.mean())
    category = setting.items[:, study.schema.index("category")]
    chance = np.mean([diversity_at_random(category, 8, number) for number in asked])
    assert float(data["value"].sel(who=CHANCE, scenario=ALL)) == pytest.approx(chance)


def test_latest_requests_by_hand() -> None:
    owner, time = np.array([7, 7, 9, 7, 9]), np.array([1, 5, 2, 3, 2])
    found = ranking._latest(owner, time, np.array([10, 11, 12, 13, 14]), np.array([9, 7]), 2)
    assert found.tolist() == [[14, 12], [11, 13]]
    found = ranking._latest(owner, time, np.array([10, 11, 12, 13, 14]), np.array([9]), 4)
    assert found.tolist() == [[14, 12, -1, -1]]


def test_two_runs_are_compared_user_by_user(satrans: Run, autoint: Run, tiny_world: Dataset) -> None:
    asked = {"users": 15, "candidates": 40, "top": 5}
    both = msviz.analyse(
        "category_diversity", satrans, tiny_world, keep=False, other=str(autoint.path), **asked
    ).data
    alone = msviz.analyse("category_diversity", autoint, tiny_world, keep=False, **asked).data
    np.testing.assert_allclose(both["value"].sel(who="autoint"), alone["value"].sel(who="autoint"))
    np.testing.assert_allclose(both["value"].sel(who=CHANCE), alone["value"].sel(who=CHANCE))
    apart = both["value"].sel(who="satrans") - both["value"].sel(who="autoint")
    np.testing.assert_allclose(both["difference"], apart, atol=1e-9)
    same = msviz.analyse(
        "category_diversity", satrans, tiny_world, keep=False, other=str(satrans.path), **asked
    )
    assert (same.data["p"] == 1).all() and "not clearly other than" in same.takeaway


def test_choices_that_make_no_sense_are_refused(study: Study) -> None:
    with pytest.raises(MsvizError, match="top: got 9; at most the 5 candidates"):
        analyse(study, CategoryDiversityOptions(users=2, candidates=5, top=9))
    with pytest.raises(MsvizError, match="field: got 'Hour'; valid choices: Item, Category"):
        analyse(study, CategoryDiversityOptions(field="Hour"))
