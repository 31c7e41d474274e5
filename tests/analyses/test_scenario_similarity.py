"""Scenarios compared, against NumPy over traces and predictions, and numbers worked by hand."""

from typing import Any

import numpy as np
import pytest
import torch

import msviz
from msviz.analyses.questions import scenario_similarity as asked
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.probing.study import Study
from msviz.run import Run


@pytest.fixture(scope="module")
def found(satrans: Run) -> "msviz.Finding":
    return msviz.analyse("scenario_similarity", satrans, keep=False)


def vectors(satrans: Run) -> Any:
    """Return the scenario vectors (S, level, unit), one row of each scenario."""
    study = Study.open(satrans)
    rows = [int(np.flatnonzero(study.part.scenario == s)[0]) for s in range(1, 6)]
    return study.trace(np.array(rows)).seen["scenario"].values.double().numpy()


def test_what_depends_on_the_scenario_alone_is_chosen_and_read_exactly(satrans: Run, found: Any) -> None:
    data = found.data
    assert data.attrs["tap"] == "scenario" and data.attrs["alone"] == 1
    assert data["scenario"].values.tolist() == satrans.schema.scenario_names[1:]
    # Two layers with a place for queries and one for keys.
    assert data["part"].values.tolist() == ["everything", *(f"position {n}" for n in range(1, 5))]
    seen = vectors(satrans)
    for part, flat in (("everything", seen.reshape(5, -1)), ("position 3", seen[:, 2])):
        for measure, mine in (("cosine", flat), ("centred cosine", flat - flat.mean(0))):
            unit = mine / np.linalg.norm(mine, axis=1, keepdims=True)
            here = data.sel(measure=measure, part=part)
            np.testing.assert_allclose(here["value"], unit @ unit.T, atol=1e-5)
            np.testing.assert_array_equal(here["low"], here["value"])
    assert "no sampling error" in found.takeaways["cosine"]


def test_cka_of_matrices_is_that_of_their_effect_on_even_input(satrans: Run, found: Any) -> None:
    matrices = vectors(satrans).reshape(5, 4, 2, 8, 8)
    draw = np.random.default_rng(0).normal(size=(200_000, 8))
    first, second = (draw @ matrices[s, 1, 0].T for s in (0, 3))
    cross, one, two = (
        np.linalg.norm(a.T @ b) for a, b in ((first, second), (first, first), (second, second))
    )
    alone = asked._alike(matrices[:, 1, :1])
    assert alone[0, 3] == pytest.approx(cross**2 / one / two, rel=0.02)
    here = found.data["value"].sel(measure="CKA")
    both = asked._alike(matrices[:, 1])
    np.testing.assert_allclose(here.sel(part="position 2"), both, atol=1e-5)
    # A turn of what comes out changes nothing.
    turn = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 8)))[0]
    turned = np.stack([matrices[0, 0], turn @ matrices[0, 0]])
    np.testing.assert_allclose(asked._alike(turned), 1, atol=1e-9)


def test_answers_are_the_correlation_of_the_log_odds_of_the_same_rows(satrans: Run, found: Any) -> None:
    study = Study.open(satrans)
    rows = study.sample(2_000)
    columns = study.schema.scenario_columns
    odds = []
    for number in range(1, 6):
        batch = study.part.batch(rows)
        fields = batch.fields.clone()
        fields[:, columns] = torch.tensor(study.schema.scenarios[number - 1])
        moved = batch.replace(fields=fields, scenario=torch.full_like(batch.scenario, number))
        with torch.inference_mode():
            odds.append(study.net(moved).numpy())
    here = found.data.sel(measure="answers", part="everything")
    np.testing.assert_allclose(here["value"], np.corrcoef(np.array(odds)), atol=1e-4)
    apart = ~np.eye(5, dtype=bool)
    assert (here["low"].values[apart] < here["value"].values[apart]).all()
    assert found.data["value"].sel(measure="answers").isel(part=1).isnull().all()
    assert "2,000 impressions were put into every scenario" in found.takeaway


def test_what_varies_from_row_to_row_has_bounds_by_a_jackknife_over_rows(satrans: Run) -> None:
    study = Study.open(satrans)
    study.keep = False
    data = asked.analyse(study, asked.ScenarioSimilarityOptions(tap="attention", rows=150)).data
    assert data.attrs["alone"] == 0 and "CKA" not in data["measure"].values
    rows = asked._some(study, np.arange(1, 6), 150)
    scenario = np.array(study.part.scenario)[rows]
    assert data["rows"].values.tolist() == np.bincount(scenario, minlength=6)[1:].tolist()
    seen = study.trace(rows).seen["attention"].values.double().numpy()
    mean = np.array([seen[scenario == s].mean(0).ravel() for s in range(1, 6)])
    centred = mean - mean.mean(0)
    unit = centred / np.linalg.norm(centred, axis=1, keepdims=True)
    here = data.sel(measure="centred cosine", part="everything")
    np.testing.assert_allclose(here["value"], unit @ unit.T, atol=1e-4)
    apart = ~np.eye(5, dtype=bool)
    assert (here["high"].values - here["low"].values)[apart].min() > 0.001


def test_like_scenarios_stand_side_by_side() -> None:
    family = np.array([0, 1, 0, 1, 2])
    similarity = np.where(family[:, None] == family, 0.9, 0.1)
    np.fill_diagonal(similarity, 1)
    order = family[asked._leaves(similarity)].tolist()
    assert abs(order.index(0) - (4 - order[::-1].index(0))) == 1
    assert abs(order.index(1) - (4 - order[::-1].index(1))) == 1


def test_the_score_is_perfect_where_the_truth_itself_is_found(tiny_world: Dataset, found: Any) -> None:
    truth = tiny_world.truth
    assert truth is not None
    scores = asked.score(found, truth, tiny_world.schema)
    assert scores[0].name == "Correlations of the answers" and len(scores) == 4
    assert all(-1 <= one.value <= 1 and one.chance == 0 for one in scores)
    told = found.data.copy(deep=True)
    told["value"].loc[{"measure": "answers", "part": "everything"}] = np.array(truth["sharing"]["matrix"])
    from dataclasses import replace

    best = asked.score(replace(found, data=told), truth, tiny_world.schema)[0]
    assert best.value == pytest.approx(1)


def test_what_cannot_be_compared_is_refused(satrans: Run) -> None:
    with pytest.raises(MsvizError, match="scenario_similarity tap: got 'gate'; valid choices: "):
        msviz.analyse("scenario_similarity", satrans, tap="gate")
    two = msviz.analyse("scenario_similarity", satrans, most=2, keep=False)
    assert "3 smaller scenarios are left out" in two.takeaway and "are compared" in two.takeaway
