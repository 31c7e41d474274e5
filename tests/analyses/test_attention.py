"""Questions about attention against NumPy over the traces of all rows."""

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import ttest_ind

import msviz
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.probing.study import Study
from msviz.run import Run
from msviz.statistics.intervals import Z

ALL, MEAN = "All scenarios", "mean of heads"


@pytest.fixture(scope="module")
def traced(satrans: Run) -> "tuple[np.ndarray, np.ndarray]":  # type: ignore[type-arg]
    """Return attention (rows, layer, head, query, key) of the test split and the rows' scenarios."""
    study = Study.open(satrans)
    trace = study.trace(np.arange(study.part.rows))
    return trace.seen["attention"].values.double().numpy(), np.array(study.part.scenario)


def test_every_scenario_layer_and_head_is_the_mean_over_its_rows(satrans: Run, traced) -> None:  # type: ignore[no-untyped-def]
    attention, scenario = traced
    data = msviz.analyse("attention_by_scenario", satrans).data
    assert data["mean"].dims == ("scenario", "layer", "head", "query", "key")
    assert data["scenario"].values.tolist() == [ALL, *satrans.schema.scenario_names[1:]]
    assert data["head"].values.tolist() == [MEAN, "1", "2"]
    assert data["key"].values.tolist() == [field.label for field in satrans.schema.features]
    views = {"1": attention[:, :, 0], "2": attention[:, :, 1], MEAN: attention.mean(2)}
    for place, name in enumerate(data["scenario"].values):
        mine = scenario == place if place else np.ones(len(scenario), bool)
        assert int(data["rows"].sel(scenario=name)) == mine.sum()
        for head, values in views.items():
            here = data.sel(scenario=name, head=head)
            np.testing.assert_allclose(here["mean"], values[mine].mean(0), rtol=2e-5, atol=1e-7)
            deviation = values[mine].std(0, ddof=1)
            np.testing.assert_allclose(here["deviation"], deviation, rtol=1e-3, atol=1e-6)
            received = values[mine].mean(2)
            np.testing.assert_allclose(here["received_mean"], received.mean(0), rtol=2e-5, atol=1e-7)
            spread = received.std(0, ddof=1)
            np.testing.assert_allclose(here["received_deviation"], spread, rtol=1e-3, atol=1e-6)


def test_the_takeaway_tells_the_strongest_relation_with_interval_and_rows(satrans: Run, traced) -> None:  # type: ignore[no-untyped-def]
    attention, scenario = traced
    finding = msviz.analyse("attention_by_scenario", satrans)
    name = satrans.schema.scenario_names[2]
    mean = attention[scenario == 2, 0].mean(1)
    cells = mean.mean(0)
    np.fill_diagonal(cells, -1)
    query, key = np.unravel_index(cells.argmax(), cells.shape)
    half = 100 * Z * mean[:, query, key].std(ddof=1) / len(mean) ** 0.5
    titles = [field.label for field in satrans.schema.features]
    times = cells[query, key] / attention[:, 0].mean(1).mean(0)[query, key]
    assert finding.takeaways[name] == (
        f"In {name}, in layer 1 and the mean of its heads, {titles[query]} attends most to {titles[key]}: "
        f"{100 * cells[query, key]:.1f} % (± {half:.2g}, {len(mean):,} rows), {times:.1f} times its average "
        "over all scenarios."
    )


def test_fewer_scenarios_and_a_sample_of_rows_can_be_asked_for(satrans: Run) -> None:
    finding = msviz.analyse("attention_by_scenario", satrans, most="2", rows=500)
    assert finding.data.sizes["scenario"] == 3
    assert finding.provenance.rows == 500
    assert "3 smaller scenarios are only part of the average" in finding.takeaway
    assert int(finding.data["rows"][0]) == 500 > int(finding.data["rows"][1:].sum())


def test_differences_are_welchs_in_every_cell_with_corrected_p(satrans: Run, traced) -> None:  # type: ignore[no-untyped-def]
    attention, scenario = traced
    names = satrans.schema.scenario_names
    data = msviz.analyse("attention_difference", satrans, a=names[3], b=names[4]).data
    first, second = attention[scenario == 3, 1, 0], attention[scenario == 4, 1, 0]
    expected = ttest_ind(second, first, equal_var=False)
    here = data.sel(layer="2", head="1")
    np.testing.assert_allclose(here["difference"], second.mean(0) - first.mean(0), atol=1e-6)
    np.testing.assert_allclose(here["share_a"], first.mean(0), atol=1e-6)
    np.testing.assert_allclose(here["share_b"], second.mean(0), atol=1e-6)
    np.testing.assert_allclose(here["p"], expected.pvalue, rtol=5e-3, atol=1e-8)
    interval = expected.confidence_interval(0.95)
    np.testing.assert_allclose(here["low"], interval.low, rtol=1e-3, atol=1e-6)
    np.testing.assert_allclose(here["high"], interval.high, rtol=1e-3, atol=1e-6)
    # Benjamini and Hochberg by their own definition, over all cells of all layers and heads.
    p = data["p"].values.ravel()
    order = np.argsort(p)
    passing = np.flatnonzero(p[order] <= 0.05 * np.arange(1, len(p) + 1) / len(p))
    expected_count = passing.max() + 1 if len(passing) else 0
    assert int(data["significant"].sum()) == expected_count
    assert (data.attrs["a"], data.attrs["b"]) == (names[3], names[4])


def test_by_default_the_two_largest_scenarios_are_compared(satrans: Run) -> None:
    whole = msviz.analyse("attention_by_scenario", satrans).data
    sizes = dict(zip(whole["scenario"].values[1:], whole["rows"].values[1:], strict=True))
    largest = sorted(sizes, key=lambda name: -sizes[name])[:2]
    data = msviz.analyse("attention_difference", satrans).data
    assert [data.attrs["a"], data.attrs["b"]] == largest


def test_two_runs_are_compared_on_what_they_share(satrans: Run, autoint: Run) -> None:
    finding = msviz.analyse("attention_difference", satrans, other=str(autoint.path))
    mine = msviz.analyse("attention_by_scenario", satrans).data.sel(scenario=ALL, head="1")
    theirs = msviz.analyse("attention_by_scenario", autoint).data.sel(scenario=ALL, head="1")
    found = finding.data["difference"].sel(head="1")
    np.testing.assert_allclose(found, theirs["mean"] - mine["mean"], atol=1e-6)
    assert finding.data["head"].values.tolist() == [MEAN, "1"]
    assert "head 2: not compared" in finding.takeaway
    assert finding.data.attrs["b"] == f"autoint ({ALL})"


def test_comparisons_that_make_no_sense_are_refused(satrans: Run) -> None:
    with pytest.raises(MsvizError, match="attention_difference a: got 'Mars'; valid choices: All"):
        msviz.analyse("attention_difference", satrans, a="Mars")
    with pytest.raises(MsvizError, match="it holds the rows of the other side"):
        msviz.analyse("attention_difference", satrans, a=ALL)
    name = satrans.schema.scenario_names[1]
    with pytest.raises(MsvizError, match="wanted: another scenario than a"):
        msviz.analyse("attention_difference", satrans, a=name, b=name)


def test_importance_is_attention_received_and_sums_to_one(satrans: Run, traced) -> None:  # type: ignore[no-untyped-def]
    attention, scenario = traced
    data = msviz.analyse("attention_importance", satrans).data
    np.testing.assert_allclose(data["value"].sum("key"), 1, rtol=1e-5)
    received = attention[scenario == 1, 1, 1].mean(1)
    here = data.isel(scenario=1).sel(layer="2", head="2")
    np.testing.assert_allclose(here["value"], received.mean(0), rtol=2e-5)
    half = Z * received.std(0, ddof=1) / len(received) ** 0.5
    np.testing.assert_allclose(here["high"] - here["value"], half, rtol=2e-3, atol=1e-7)


def test_one_impression_shows_its_own_attention_and_readable_values(satrans: Run, traced) -> None:  # type: ignore[no-untyped-def]
    attention, _ = traced
    study = Study.open(satrans)
    finding = msviz.analyse("attention_instance", satrans, row=int(study.part.row[11]))
    data = finding.data
    np.testing.assert_allclose(data["attention"].sel(head="2"), attention[11, :, 1], atol=1e-6)
    np.testing.assert_allclose(data["attention"].sel(head=MEAN), attention[11].mean(1), atol=1e-6)
    batch = study.part.batch(np.array([11]))
    assert float(data["prediction"]) == pytest.approx(float(study.predict(batch)[0]), abs=1e-6)
    assert float(data["label"]) == float(batch.label[0])
    scenario = satrans.schema.scenario_names[int(batch.scenario[0])]
    assert data.attrs["scenario"] == scenario == str(data["value"].sel(field="Scenario").item())
    with pytest.raises(MsvizError, match="row: got 99999999; rows of split test run from"):
        msviz.analyse("attention_instance", satrans, row=99_999_999)


def test_a_switched_row_is_the_row_with_other_scenario_ids(satrans: Run, tiny_world: Dataset) -> None:
    study = Study.open(satrans)
    finding = msviz.analyse("scenario_switch", satrans, row=int(study.part.row[3]))
    data = finding.data
    assert data["scenario"].values.tolist() == satrans.schema.scenario_names[1:]
    actual = int(study.part.scenario[3])
    assert np.flatnonzero(data["actual"]).tolist() == [actual - 1]
    column = satrans.schema.index("Scenario")
    for place in range(5):
        batch = study.part.batch(np.array([3]))
        fields = batch.fields.clone()
        fields[0, column] = satrans.schema.scenarios[place][0]
        batch = batch.replace(fields=fields, scenario=batch.scenario * 0 + place + 1)
        trace = study.trace_of(batch)
        assert float(data["prediction"][place]) == pytest.approx(float(trace.prediction[0]), abs=1e-6)
        expected = trace.seen["attention"].values[0, :, 1]
        np.testing.assert_allclose(data["attention"].isel(scenario=place).sel(head="2"), expected, atol=1e-6)
    assert data["prediction"].values.std() > 0
    assert "all other fields keep their values" in finding.takeaway
    few = msviz.analyse("scenario_switch", satrans, row=int(study.part.row[3]), most=2).data
    assert few.sizes["scenario"] == 2 and few["actual"].sum() == 1


def test_one_row_in_a_scenario_has_no_interval_and_no_test(tmp_path: Path, satrans: Run) -> None:
    from msviz.analyses.questions import attention_by_scenario, attention_difference

    study = Study.open(satrans)
    study.keep = False
    scenario = np.array(study.part.scenario)
    rows = np.concatenate([np.flatnonzero(scenario == 1)[:50], np.flatnonzero(scenario == 2)[:1]])
    study.sample = lambda size: np.sort(rows)  # type: ignore[method-assign]
    finding = attention_by_scenario.analyse(study, attention_by_scenario.AttentionByScenarioOptions(rows=51))
    name = satrans.schema.scenario_names[2]
    assert "1 row, too few for an interval" in finding.takeaways[name]
    assert np.isnan(finding.data["deviation"].sel(scenario=name)).all()
    compared = attention_difference.analyse(study, attention_difference.AttentionDifferenceOptions(rows=51))
    assert compared.takeaway.startswith("Too few rows to compare Home feed and Search")
    assert not compared.data["significant"].any()
    assert np.isnan(compared.data["p"]).all()


def test_nearly_even_attention_is_not_called_a_relation(satrans: Run) -> None:
    from msviz.analyses.questions.attention_by_scenario import describe_scenario

    data = msviz.analyse("attention_by_scenario", satrans).data.copy(deep=True)
    fields = data.sizes["key"]
    data["mean"][:] = 1 / fields
    data["mean"].loc[{"query": data["query"][0], "key": data["key"][1]}] = 1.19 / fields
    assert f"an even share of {100 / fields:.1f} %: no pair stands out." in describe_scenario(data, ALL)
    data["mean"].loc[{"query": data["query"][0], "key": data["key"][1]}] = 1.21 / fields
    assert "stands out" not in describe_scenario(data, ALL)
