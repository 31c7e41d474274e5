"""Runs side by side: what belongs together, and the very numbers of training's metrics."""

import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import false_discovery_control

import msviz
from msviz.analyses.questions import runs_compared
from msviz.analyses.shared import side_by_side
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.run import Card, Run
from msviz.statistics.auc import delong_test, placements
from msviz.training.metrics import auc
from msviz.training.scoring import predict


def made(folder: Path, run: Run, name: str, **changes: object) -> Run:
    """Write a card and metrics beside it; enough for what reads no weights."""
    path = folder / name
    path.mkdir(parents=True)
    card = run.card.model_copy(update=changes).sealed()
    (path / "run.json").write_text(card.model_dump_json())
    (path / "metrics.json").write_text((run.path / "metrics.json").read_text())
    return Run.peek(path)


def test_seeds_stand_together_and_only_what_differs_is_told(satrans: Run, tmp_path: Path) -> None:
    config = dict(satrans.card.config)
    other = made(tmp_path, satrans, "again", seed=7)
    deep = made(tmp_path, satrans, "deep", config={**config, "layers": 3})
    slow = made(tmp_path, satrans, "slow", training={**satrans.card.training, "threads": 9}, seed=8)
    far = satrans.card.data.model_copy(update={"fingerprint": "elsewhere"})
    gone = made(tmp_path, satrans, "gone", data=far)
    found, left = side_by_side.entries(satrans, [other, deep, slow, gone], satrans.card.data.fingerprint)
    assert left == 1
    assert [one.name for one in found] == ["satrans (3 seeds)", "deep"]
    assert found[0].settings == {"layers": "2"} and found[1].settings == {"layers": "3"}
    assert isinstance(found[0].runs[0].card, Card)


def test_a_folder_of_runs_stands_for_all_in_it(satrans: Run, autoint: Run, tmp_path: Path) -> None:
    assert {"satrans", "autoint"} <= {run.name for run in side_by_side.named(str(satrans.path.parent))}
    assert [run.name for run in side_by_side.named(f" {autoint.path} ,{satrans.path}")] == [
        "autoint",
        "satrans",
    ]
    with pytest.raises(MsvizError, match="runs: got ' , '; wanted: paths of runs"):
        side_by_side.named(" , ")
    assert (
        runs_compared.RunsComparedOptions(runs=str(satrans.path)).key()
        != runs_compared.RunsComparedOptions(runs=str(autoint.path)).key()
    )


def test_metrics_are_trainings_own_and_improvement_is_relaimpr(satrans: Run, autoint: Run) -> None:
    runs = f"{satrans.path},{autoint.path}"
    data = msviz.analyse("runs_compared", satrans, runs=runs, keep=False).data
    assert data["run"].values.tolist() == ["satrans", "autoint"]
    for run in (satrans, autoint):
        kept = run.metrics["test"]
        for scope, one in {"All scenarios": kept["overall"], **kept["scenarios"]}.items():
            for metric in ("auc", "logloss", "gauc", "bias"):
                cell = data.sel(run=run.name, scope=scope, metric=metric)
                for name in ("value", "low", "high"):
                    wanted = one[metric][name]
                    assert float(cell[name]) == pytest.approx(
                        np.nan if wanted is None else wanted, nan_ok=True
                    )
    first, second = data["value"].sel(metric="auc", scope="Search").values
    better = float(data["improvement"].sel(run="autoint", scope="Search"))
    assert better == pytest.approx((second - 0.5) / (first - 0.5) - 1)
    assert "q" not in data and np.isnan(data["deviation"]).all()


def test_paired_differences_are_of_the_same_rows_and_corrected(
    satrans: Run, autoint: Run, tiny_world: Dataset
) -> None:
    from msviz.training.bundle import load_net

    finding = msviz.analyse(
        "runs_compared", satrans, runs=str(autoint.path), paired=True, keep=False, slice="hour < 18"
    )
    data = finding.data
    whole = tiny_world.split("test")
    assert 0 < finding.provenance.rows < whole.rows
    part = msviz.probing.study.Study.open(satrans, slice="hour < 18").part  # type: ignore[attr-defined]
    scores = [predict(load_net(run), part) for run in (satrans, autoint)]
    inside = np.asarray(part.scenario) == 2
    label = np.asarray(part.label)[inside]
    first, second = (placements(label, one[inside]) for one in scores)
    assert first is not None and second is not None
    wanted = delong_test(first, second)
    cell = data.sel(run="autoint", scope="Search", metric="auc")
    assert float(cell["difference"]) == pytest.approx(wanted.difference, abs=1e-6)
    assert float(cell["difference_low"]) == pytest.approx(wanted.low, abs=1e-6)
    p = data["p"].sel(metric="auc", run="autoint").values
    assert p[2] == pytest.approx(wanted.p, rel=1e-3)
    np.testing.assert_allclose(data["q"].sel(metric="auc", run="autoint"), false_discovery_control(p))
    losses = [-np.log(np.where(label > 0.5, s[inside], 1 - s[inside]).astype(float)) for s in scores]
    loss = data.sel(run="autoint", scope="Search", metric="logloss")
    assert float(loss["difference"]) == pytest.approx((losses[1] - losses[0]).mean(), abs=1e-6)
    half = 1.959964 * (losses[1] - losses[0]).std(ddof=1) / inside.sum() ** 0.5
    assert float(loss["difference_high"] - loss["difference"]) == pytest.approx(half, rel=1e-4)
    assert "on the same rows" in finding.takeaway.lower()


def test_the_mean_over_seeds_has_their_deviation(satrans: Run, tmp_path: Path) -> None:
    again = made(tmp_path, satrans, "again", seed=7)
    metrics = json.loads((again.path / "metrics.json").read_text())
    metrics["test"]["overall"]["auc"]["value"] += 0.02
    (again.path / "metrics.json").write_text(json.dumps(metrics))
    data = msviz.analyse("runs_compared", satrans, runs=str(again.path), keep=False).data
    cell = data.sel(scope="All scenarios", metric="auc").isel(run=0)
    assert int(cell["seeds"]) == 2
    assert float(cell["value"]) == pytest.approx(satrans.metrics["test"]["overall"]["auc"]["value"] + 0.01)
    assert float(cell["deviation"]) == pytest.approx(0.02 / 2**0.5)
    assert list(itertools.chain(data["run"].values)) == ["satrans (2 seeds)"]


def entry(run: Run, name: str, **settings: str) -> side_by_side.ComparedRun:
    return side_by_side.ComparedRun((Run(run.path.parent / name, run.card),), settings)


def test_runs_with_and_without_what_can_be_switched_off_are_pairs(satrans: Run) -> None:
    found = [
        entry(satrans, "fcn", transfer="fcn", priors="on", constraint="on"),
        entry(satrans, "fcn-one", transfer="fcn", priors="on", constraint="off"),
        entry(satrans, "fcn-none", transfer="fcn", priors="off", constraint="off"),
        entry(satrans, "moe-none", transfer="moe", priors="off", constraint="off"),
        entry(satrans, "moe", transfer="moe", priors="on", constraint="on"),
        entry(satrans, "cgc", transfer="cgc", priors="on", constraint="on"),
    ]
    assert side_by_side.switched(found) == [
        side_by_side.Switched("satrans, fcn: priors, constraint", 0, 2),
        side_by_side.Switched("satrans, moe: priors, constraint", 4, 3),
    ]
    # Two that have one part each are not one with and one without.
    halves = [
        entry(satrans, "one", priors="on", constraint="off"),
        entry(satrans, "other", priors="off", constraint="on"),
    ]
    assert side_by_side.switched(halves) == []
    assert side_by_side.switched([entry(satrans, "one", norm="off"), entry(satrans, "two", norm="on")]) == [
        side_by_side.Switched("satrans: norm", 1, 0)
    ]


def test_a_run_is_measured_on_promotions_and_on_normal_days(satrans: Run, tiny_world: Dataset) -> None:
    from msviz.training.bundle import load_net

    part = tiny_world.split("test")
    day = np.asarray(part.time) // 86_400
    first, last = (str(np.datetime64(int(one), "D")) for one in (day.min(), day.max()))
    finding = msviz.analyse(
        "runs_compared", satrans, runs=str(satrans.path), keep=False, by="period",
        periods=f"{first}..{first} Sale",
    )  # fmt: skip
    data = finding.data
    assert data["scope"].values.tolist() == ["All scenarios", "Normal days", "Promotion days"]
    score = predict(load_net(satrans), part)
    label, hot = np.asarray(part.label), day == day.min()
    for scope, rows in (("Promotion days", hot), ("Normal days", ~hot)):
        cell = data.sel(scope=scope, metric="auc").isel(run=0)
        assert float(cell["value"]) == pytest.approx(auc(label[rows], score[rows]).value, abs=1e-6)
        assert int(cell["rows"]) == rows.sum()
    assert (
        "satrans is the only run on this data with an AUC on promotion days"
        in (finding.takeaways["auc, Promotion days"])
    )
    # The planted world knows its promotions; days before and after one are neither.
    planted = msviz.analyse("runs_compared", satrans, runs=str(satrans.path), keep=False, by="period").data
    time = tiny_world.truth["time"]
    phase = dict(zip(time["days"], time["phase"], strict=True))
    found = np.array([phase[str(np.datetime64(int(one), "D"))] for one in day])
    known = dict(zip(planted["scope"].values.tolist(), planted["rows"].values.tolist(), strict=True))
    assert known["Normal days"] == (found == "normal").sum()
    assert known["All scenarios"] == part.rows
    with pytest.raises(MsvizError, match="periods: got 'Easter'"):
        msviz.analyse("runs_compared", satrans, keep=False, by="period", periods="Easter")
    assert first <= last
