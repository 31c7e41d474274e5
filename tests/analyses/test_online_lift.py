"""Lifts against numbers worked by hand, against planted ones over many seeds, and logs that are refused."""

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import msviz
from msviz.analyses.answers import find_answer
from msviz.analyses.questions import online_lift
from msviz.analyses.run import why_not
from msviz.analyses.shared import experiment as lifts
from msviz.data import experiment as log_file
from msviz.errors import MsvizError

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "data" / "demo-experiment.csv"


def log(days: int = 5, scenarios: int = 2, seed: int = 0, lift: float = 0.2) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    lines = []
    for scenario in range(scenarios):
        for day in range(days):
            for arm in ("control", "treatment"):
                shown = random.poisson(20_000)
                clicks = random.binomial(shown, 0.1 * (1 + lift * (arm == "treatment")))
                bought = random.binomial(clicks, 0.3)
                date = str(np.datetime64("2025-03-01") + day)
                money = round(float(random.gamma(2, 5, bought).sum()), 2)
                lines.append((date, f"Scenario {scenario + 1}", arm, shown, clicks, bought, money))
    columns = ["date", "scenario", "arm", "impressions", "clicks", "purchases", "amount"]
    return pd.DataFrame(lines, columns=columns)


def ask(table: pd.DataFrame, folder: Path, name: str = "log.csv", **options: Any) -> Any:
    path = folder / name
    if name.endswith(".parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, index=False, sep="\t" if name.endswith(".tsv") else ",")
    return msviz.analyse("online_lift", log=str(path), keep=False, **options)


def test_a_lift_over_days_is_the_jackknife_worked_out_day_by_day(tmp_path: Path) -> None:
    table = log()
    found = ask(table, tmp_path).data.sel(scenario="Scenario 1", metric="CTR")
    mine = table[table["scenario"] == "Scenario 1"]
    sums = mine.pivot(index="date", columns="arm", values=["impressions", "clicks"])

    def ratio(part: Any) -> float:
        total = part.sum()
        rate = {arm: total["clicks", arm] / total["impressions", arm] for arm in ("control", "treatment")}
        return float(np.log(rate["treatment"] / rate["control"]))

    whole = ratio(sums)
    left = np.array([ratio(sums.drop(day)) for day in sums.index])
    error = np.sqrt(4 / 5 * ((left - left.mean()) ** 2).sum())
    half = stats.t.ppf(0.975, 4) * error
    assert float(found["lift"]) == pytest.approx(np.exp(whole) - 1, rel=1e-9)
    assert float(found["low"]) == pytest.approx(np.exp(whole - half) - 1, rel=1e-9)
    assert float(found["high"]) == pytest.approx(np.exp(whole + half) - 1, rel=1e-9)
    assert float(found["p"]) == pytest.approx(2 * stats.t.sf(whole / error, 4), rel=1e-9)
    assert bool(found["significant"])


def test_a_single_day_has_the_binomial_interval_worked_by_hand(tmp_path: Path) -> None:
    # 100 of 1,000 against 120 of 1,000: var = 0.9 / 100 + 0.88 / 120 = 0.0163333.
    one = lifts.by_counts(np.array([100.0, 120.0]), np.array([1000.0, 1000.0]))
    half = 1.959964 * np.sqrt(0.9 / 100 + 0.88 / 120)
    assert float(one.value) == pytest.approx(0.2)
    assert float(one.low) == pytest.approx(1.2 * np.exp(-half) - 1, rel=1e-6)
    data = ask(log(), tmp_path).data
    assert np.isfinite(data["day_low"].sel(metric="CTR")).all()
    assert np.isnan(data["day_low"].sel(metric="Amount per mille impressions")).all()
    assert np.isfinite(data["day_lift"].sel(metric="Amount per mille impressions")).all()


def test_units_are_as_the_delta_method_says(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    lines = []
    for unit in range(60):
        for day in ("2025-03-01", "2025-03-02"):
            shown = int(random.integers(5, 40))
            clicks = int(random.binomial(shown, random.beta(2, 8)))
            lines.append((day, "Feed", ("A", "B")[unit % 2], unit, shown, clicks))
    table = pd.DataFrame(lines, columns=["date", "scenario", "arm", "user", "impressions", "clicks"])
    finding = ask(table, tmp_path, "log.parquet")
    found = finding.data.sel(scenario="Feed", metric="CTR")
    sums = table.groupby(["arm", "user"])[["impressions", "clicks"]].sum()
    square, logs = {}, {}
    for arm in "AB":
        y, x = sums.loc[arm].to_numpy(float).T
        rate = x.sum() / y.sum()
        square[arm] = np.var(x - rate * y, ddof=1) * len(x) / x.sum() ** 2
        logs[arm] = np.log(rate)
    error = np.sqrt(square["A"] + square["B"])
    freedom = error**4 / (square["A"] ** 2 / 29 + square["B"] ** 2 / 29)
    half = stats.t.ppf(0.975, freedom) * error
    assert float(found["low"]) == pytest.approx(np.exp(logs["B"] - logs["A"] - half) - 1, rel=1e-6)
    assert float(found["p"]) == pytest.approx(2 * stats.t.sf(abs(logs["B"] - logs["A"]) / error, freedom))
    assert finding.data.attrs["method"] == "users"
    both = finding.data.sel(metric="CTR")
    assert float(both["low"].sel(scenario="All scenarios")) == pytest.approx(float(found["low"]))
    # 30 users in each arm: what was planned, however many impressions each has.
    assert float(finding.data["share"].sel(scenario="Feed")) == 0.5


@pytest.fixture(scope="module")
def simulate() -> Iterator[Any]:
    yield runpy.run_path(str(ROOT / "benchmarks" / "demo_experiment.py"))["simulate"]


def test_intervals_hold_what_was_planted_as_often_as_they_say(simulate: Any, tmp_path: Path) -> None:
    inside, alarms, same = [], 0, 0
    for seed in range(1, 31):
        table, truth = simulate(seed)
        finding = ask(table, tmp_path)
        held, follow = online_lift.score(finding, truth, None)
        inside.append(held.value)
        assert follow.value > 0.5
        alarms += float(finding.data["share_p"][0]) < 0.01
        same += int(finding.data["same_significant"].values.any())
    # 30 × 23 intervals, those of one log together: between 92 and 98 %.
    assert 0.92 < np.mean(inside) < 0.98
    assert alarms <= 3 and same <= 5
    assert held.chance < 0.6


def test_the_committed_demo_is_what_its_truth_was_written_for(simulate: Any) -> None:
    truth = log_file.truth(DEMO)
    assert truth is not None
    table, again = simulate(0)
    assert again["lift"] == truth["lift"]
    assert table.to_csv(index=False, lineterminator="\n").encode() == DEMO.read_bytes()
    finding = msviz.analyse("online_lift", log=str(DEMO), keep=False)
    assert list(finding.data["period"].values) == ["normal days", "Anniversary sale"]
    held = online_lift.score(finding, truth, None)[0]
    assert held.low < 0.95 < held.high + 1e-9
    # Clicks in Live stream fall on normal days and rise in the promotion: the periods tell them apart.
    live = finding.data.sel(scenario="Live stream", metric="CTR")
    assert live["period_high"].values[0] < 0 < live["period_low"].values[1]


def test_arms_of_uneven_size_are_told(tmp_path: Path) -> None:
    table = log(days=10)
    table.loc[table["arm"] == "treatment", "impressions"] += 2_000
    finding = ask(table, tmp_path)
    assert "Warning: treatment has 52." in finding.takeaway and "50 % was planned" in finding.takeaway
    assert "Warning" not in ask(table, tmp_path, share=0.524).takeaway
    # One day: plain chi-square. 1,100 against 1,000: (100 / 2)² / 525 twice.
    one = lifts.arm_split(np.array([[1000.0], [1100.0]]), 0.5)
    assert one.p == pytest.approx(stats.chi2.sf(2 * 50**2 / 1050, 1))


def test_days_on_which_both_arms_ran_the_same_do_not_count_and_are_tested(tmp_path: Path) -> None:
    table = log(days=12)
    first = table["date"] <= "2025-03-04"
    table["period"] = np.where(first, "A/A", "")
    finding = ask(table, tmp_path)
    assert "Warning: on the A/A days, when both arms ran the same" in finding.takeaway
    assert finding.data.attrs["days"] == 8
    later = ask(table[~first], tmp_path, "later.csv").data
    np.testing.assert_allclose(finding.data["lift"], later["lift"])


def test_periods_may_be_named(tmp_path: Path) -> None:
    named = "2025-03-01..2025-03-03 Before; 2025-03-05..2025-03-07 Spring sale"
    data = ask(log(days=10), tmp_path, "log.tsv", periods=named, metric="ctr").data
    assert list(data["period"].values) == ["Before", "Spring sale", "other days"]
    assert list(data["period_of"].values[:5]) == ["Before"] * 3 + ["other days"] + ["Spring sale"]
    assert data.sizes["metric"] == 1
    table = log(days=10)
    some = table[(table["date"] >= "2025-03-05") & (table["date"] <= "2025-03-07")]
    alone = ask(some, tmp_path, "some.csv", metric="ctr").data
    np.testing.assert_allclose(data["period_low"].sel(period="Spring sale"), alone["low"])


BAD = {
    "log: columns: got .*lacks 'clicks'": lambda t: t.drop(columns="clicks"),
    "log line 3: clicks: got '-1'; it must not be negative": lambda t: t.assign(
        clicks=[t["clicks"][0], -1, *t["clicks"][2:]]
    ),
    r"log line 2: clicks: got '99999'; more than the \d+ impressions": lambda t: t.assign(
        clicks=[99_999, *t["clicks"][1:]]
    ),
    "log: column arm: got 'control'; an experiment needs two arms": lambda t: t[t["arm"] == "control"],
    r"log line 22: got '2025-03-01, Scenario 1, control'; these date, scenario, arm stand there twice": (
        lambda t: pd.concat([t, t[:1]])
    ),
    r"log line 2: date: got 'soon'; wanted: a day like 2025-03-01 \(20 such lines\)": lambda t: t.assign(
        date="soon"
    ),
    "log line 2: scenario: got ''; the cell is empty": lambda t: t.assign(
        scenario=["", *t["scenario"][1:]]
    ),
    "log line 4: impressions: got 'many'; wanted: a number": lambda t: t.assign(
        impressions=[*t["impressions"][:2].astype(str), "many", *t["impressions"][3:].astype(str)]
    ),
    "control: got None; the log does not tell which arm it is; valid choices: blue, green": (
        lambda t: t.assign(arm=t["arm"].map({"control": "blue", "treatment": "green"}))
    ),
    "log log.csv: got 'no lines'": lambda t: t[:0],
}  # fmt: skip


@pytest.mark.parametrize("message", BAD)
def test_a_bad_log_is_refused_in_one_line(message: str, tmp_path: Path) -> None:
    with pytest.raises(MsvizError, match=message) as caught:
        ask(BAD[message](log()), tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"metric": "clicks_per_user"},
            "metric: got .*; valid choices: all, ctr, conversion, revenue; it",
        ),
        ({"treatment": "C"}, "treatment: got 'C'; valid choices: treatment"),
        ({"periods": "March"}, "periods: got 'March'; wanted: 2025-05-11"),
        ({"periods": "2025-04-01..2025-04-02 Later"}, "periods: .*days of the log"),
        ({"share": 1}, "share: got '1'|share: got 1"),
        ({"slice": "hour < 3"}, "slice: got .*asked of a file alone"),
    ],
)
def test_options_that_do_not_fit_are_refused(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(MsvizError, match=message):
        ask(log(), tmp_path, **options)


def test_it_is_asked_of_a_file_and_its_answer_is_kept_beside_it(tmp_path: Path, satrans: Any) -> None:
    path = tmp_path / "log.csv"
    log().to_csv(path, index=False)
    kept = find_answer("online_lift", options={"log": str(path)})
    assert kept.parent == tmp_path / ".findings"
    first = msviz.analyse("online_lift", log=str(path))
    assert kept.is_file() and msviz.analyse("online_lift", log=str(path)) == first
    assert first.provenance.sentence().startswith("log.csv (20 rows)")
    log(seed=2).to_csv(path, index=False)
    assert find_answer("online_lift", options={"log": str(path)}) != kept
    assert why_not("online_lift", satrans) == "it is asked of a file, not of a model or a log"
    with pytest.raises(MsvizError, match=r"run: got .*asked of a file alone"):
        msviz.analyse("online_lift", satrans, log=str(path))
    with pytest.raises(MsvizError, match=r"log: got .*no such file"):
        msviz.analyse("online_lift", log=str(tmp_path / "none.csv"))


def test_a_truth_is_only_that_of_the_log_it_was_written_for(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log().to_csv(path, index=False)
    beside = tmp_path / "log.truth.json"
    beside.write_text(json.dumps({"log_sha256": log_file.digest(path), "lift": {}}), "utf-8")
    assert log_file.truth(path) is not None
    log(seed=3).to_csv(path, index=False)
    assert log_file.truth(path) is None


def test_many_scenarios_and_a_year_of_days_hold(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    days = pd.date_range("2025-01-01", periods=365).strftime("%Y-%m-%d")
    grid = pd.MultiIndex.from_product(
        [days, [f"S{i}" for i in range(40)], ["a", "b"]], names=["date", "scenario", "arm"]
    ).to_frame(index=False)
    grid["impressions"] = random.poisson(300, len(grid))
    grid["clicks"] = random.binomial(grid["impressions"], 0.1)
    data = ask(grid, tmp_path, most=30).data
    assert data.sizes["scenario"] == 31 and data.attrs["left_out"] == 10
    assert int(data["impressions"].sel(scenario="All scenarios").sum()) == grid["impressions"].sum()
    assert int(data["significant"].sum()) <= 1
    one = ask(grid[(grid["date"] == "2025-01-01") & (grid["scenario"] == "S1")], tmp_path)
    assert np.isnan(one.data["low"]).all() and "no interval: too few days" in one.takeaway
