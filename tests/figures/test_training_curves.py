"""A training drawn while it goes on and when it is done, of one scenario and of 300; scales frames share."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from findings import ALL
from findings import attention as attention_of

from msviz.analyses.questions.training_history import told
from msviz.errors import MsvizError
from msviz.figures import theme
from msviz.figures.pictures import (
    attention_by_scenario,
    feature_weights,
    gates_over_time,
    migration,
    training_history,
)
from msviz.finding import Finding
from msviz.training.frames import CurvePoint, Measures, Number, Snapshot, SnapshotWriter

ROWS = 600_000


def measures(value: float, rows: int) -> Measures:
    known = Number(value=value, low=value - 0.03, high=value + 0.03)
    return Measures(rows=rows, clicks=rows // 4, auc=known, logloss=known)


def history(
    folder: Path, scenarios: int = 5, marks: int = 25, points: int = 400, done: bool = True
) -> Finding:
    """Write frames as a training does, and return what is told of them."""
    names = [f"Scenario {number}" for number in range(scenarios)]
    writer = SnapshotWriter(folder)
    writer.keep(0)
    for number in range(marks):
        share = (number / max(marks - 1, 1)) ** 2
        value = 0.5 + 0.2 * share**0.3
        each = {name: measures(value + place / 10_000, 10 + place) for place, name in enumerate(names)}
        about = {"rows": int(share * ROWS), "epoch": 4 * share, "step": number, "seconds": share * 60}
        writer.mark(
            Snapshot(
                **about, number=number, share=share, loss=0.5, split="valid", overall=measures(value, 2000),
                scenarios=each,
            )
        )  # fmt: skip
    for number in range(1, points + 1):
        share = number / points
        about = {"rows": int(share * ROWS), "epoch": 4 * share, "step": number, "seconds": share * 60}
        writer.point(CurvePoint(**about, loss=0.7 - 0.2 * share, rate=5_000))
    checks = pd.DataFrame(
        {
            "epoch": [1.0, 2.0, 3.0, 4.0],
            "rows": [ROWS // 4 * k for k in (1, 2, 3, 4)],
            "train_loss": [0.6, 0.5, 0.45, 0.4],
            "valid_auc": [0.6, 0.7, 0.72, 0.71],
            "valid_logloss": [0.6, 0.55, 0.52, 0.53],
            "seconds": [15.0, 30.0, 45.0, 60.0],
            "rows_per_second": [1e4] * 4,
            "valid_auc_by_scenario": [[0.6 + k / 100] * scenarios for k in range(4)],
            "valid_logloss_by_scenario": [[0.6] * scenarios] * 4,
        }
    )
    return told(folder, checks if done else None, names, 10_000)


@pytest.mark.parametrize("choices", [{}, {"view": "auc"}, {"view": "loss"}, {"metric": "logloss"}], ids=str)
@pytest.mark.parametrize("size", [(1, 1, 0), (5, 25, 400), (300, 25, 400)], ids=str)
@pytest.mark.parametrize("done", [True, False])
def test_every_view_holds_at_every_size(
    tmp_path: Path, choices: dict[str, str], size: tuple[int, int, int], done: bool
) -> None:
    figure = training_history.draw(history(tmp_path, *size, done), **choices)
    assert 250 < figure.layout.height < 720
    assert len(figure.to_json()) < 300_000
    assert figure.layout.template.layout.font.family == theme.FONT


def test_scenarios_keep_their_colours_and_at_most_eight_are_named(tmp_path: Path) -> None:
    finding = history(tmp_path, 300)
    order = ["unseen combination", *(f"Scenario {number}" for number in range(300))]
    figure = training_history.draw(finding, order=order)
    named = {trace.name: trace for trace in figure.data if trace.showlegend}
    assert len(named) == 1 + training_history.NAMED
    assert named[ALL].line.color == theme.INK
    for name, trace in named.items():
        if name != ALL:
            assert trace.line.color == theme.colours([name], order)[0]
    faint = [trace for trace in figure.data if trace.name and trace.name not in named]
    assert faint and all(trace.line.color == theme.LINE for trace in faint)
    assert len({trace.name for trace in faint}) <= training_history.LINES


def test_lines_are_the_numbers_of_the_finding(tmp_path: Path) -> None:
    finding = history(tmp_path)
    figure = training_history.draw(finding)
    lines = {
        (trace.name, trace.mode): trace
        for trace in figure.data
        if trace.name and trace.mode != "lines+markers"
    }
    sampled, whole = lines["Scenario 2", "lines"], lines["Scenario 2", "markers"]
    np.testing.assert_allclose(sampled.y, finding.data["auc"].sel(scenario="Scenario 2"), rtol=1e-6)
    np.testing.assert_allclose(sampled.x, finding.data["mark_rows"], rtol=1e-6)
    np.testing.assert_allclose(whole.y, [0.6, 0.61, 0.62, 0.63], rtol=1e-6)
    band = figure.data[0]
    np.testing.assert_allclose(band.y[:25], finding.data["auc_low"].sel(scenario=ALL), rtol=1e-6)
    loss = figure.data[-1]
    np.testing.assert_allclose(np.asarray(loss.customdata)[:, 2], finding.data["loss"], rtol=1e-6)
    assert loss.yaxis == "y2"
    kept = figure.layout.shapes[0]
    assert kept.x0 == 3 * ROWS // 4, "the validation of epoch 3 was the best"


def test_a_moment_is_marked_and_the_axis_may_reach_beyond_what_is_trained(tmp_path: Path) -> None:
    figure = training_history.draw(history(tmp_path, marks=3, points=10, done=False), at=1234.0, end=2e6)
    assert figure.layout.shapes[-1].x0 == 1234.0
    assert figure.layout.xaxis.range[1] >= 2e6


def test_a_chosen_scenario_stands_out_and_wrong_choices_are_told(tmp_path: Path) -> None:
    finding = history(tmp_path)
    figure = training_history.draw(finding, scenario="Scenario 3")
    width = {trace.name: trace.line.width for trace in figure.data if trace.showlegend}
    assert width["Scenario 3"] == max(width.values()) > width["Scenario 1"]
    for choice, value in (("view", "sideways"), ("metric", "f1")):
        with pytest.raises(MsvizError, match=f"{choice}: got '{value}'; valid choices"):
            training_history.draw(finding, **{choice: value})


def test_a_running_mean_takes_in_neighbours_on_both_sides() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 10.0])
    np.testing.assert_allclose(training_history.running_mean(values, 3), [1.5, 2, 3, 17 / 3, 7])
    np.testing.assert_allclose(training_history.running_mean(values, 1), values)


def test_frames_of_attention_share_the_widest_scale() -> None:
    pale, strong = attention_of(seed=1), attention_of(seed=2)
    strong.data["mean"] = strong.data["mean"] * 3
    for choices in ({}, {"view": "grid"}, {"layer": "2", "head": "3", "scenario": "Search"}):
        scale = attention_by_scenario.common_scale([pale, strong], **choices)
        ends = [finding.figure(**choices, **scale).data[-1].zmax for finding in (pale, strong)]
        assert (
            ends[0] == ends[1] == max(finding.figure(**choices).data[-1].zmax for finding in (pale, strong))
        )


def field_weights(values: np.ndarray, shares: bool = True) -> Finding:
    import xarray as xr

    scenarios, heads, fields = values.shape
    cells = ("scenario", "head", "field")
    data = xr.Dataset(
        {
            "weight": (cells, values.astype(np.float32)),
            "deviation": (cells, np.zeros_like(values, np.float32)),
            "agreed": (("scenario", "field"), values.min(1).astype(np.float32)),
            "rows": (("scenario",), np.full(scenarios, 100)),
        },
        {
            "scenario": [ALL, *(f"Scenario {number}" for number in range(scenarios - 1))],
            "head": ["mean of heads", *map(str, range(1, heads))] if heads > 1 else ["gate"],
            "field": [f"Field {number}" for number in range(fields)],
        },
        {"shares": int(shares), "exact": 1, "left_out": 0, "tap": "weights"},
    )
    return Finding("feature_weights", "?", ".", data)


@pytest.mark.parametrize("heads", [1, 3])
@pytest.mark.parametrize("shares", [True, False])
@pytest.mark.parametrize("view", ["heads", "scenarios"])
def test_frames_of_weights_share_scale_and_order(heads: int, shares: bool, view: str) -> None:
    random = np.random.default_rng(3)
    early = np.full((4, heads, 5), 0.2) + random.normal(0, 0.001, (4, heads, 5))
    late = random.dirichlet(np.ones(5), (4, heads))
    findings = [field_weights(early, shares), field_weights(late, shares)]
    scale = feature_weights.common_scale(findings, view=view)
    drawn = [finding.figure(view=view, **scale) for finding in findings]
    assert list(drawn[0].data[0].y) == list(drawn[1].data[0].y)
    order = np.argsort(-late[0, 0], kind="stable")
    assert list(drawn[0].data[0].y) == [f"Field {number}" for number in order]
    if drawn[0].data[0].type == "heatmap":
        assert (drawn[0].data[0].zmin, drawn[0].data[0].zmax) == (
            drawn[1].data[0].zmin,
            drawn[1].data[0].zmax,
        )
        alone = findings[0].figure(view=view).data[0]
        assert drawn[0].data[0].zmax > alone.zmax
        first = np.asarray(drawn[0].data[0].z)[:, 0]
        np.testing.assert_allclose(first, early[0, 0][order], rtol=1e-5)
    else:
        assert drawn[0].layout.xaxis.range == drawn[1].layout.xaxis.range


def test_frames_of_gates_share_each_experts_scale() -> None:
    from test_gates import weights as gates_of

    findings = [gates_of(days=5), gates_of(days=5)]
    findings[1].data["low"] = findings[1].data["low"] - 0.2
    scale = gates_over_time.common_scale(findings)
    expert = str(findings[0].data["expert"].values[0])
    low = float(findings[1].data["low"].sel(expert=expert).values[0])
    high = float(findings[0].data["high"].sel(expert=expert).values[-1])
    assert scale["spans"][expert] == pytest.approx((low, high))
    ticks = [finding.figure(view="bands", signals=0, **scale).layout.yaxis.tickvals for finding in findings]
    assert ticks[0] == ticks[1]
    assert ticks[0] != findings[0].figure(view="bands", signals=0).layout.yaxis.tickvals


def test_frames_of_migration_share_the_end_of_the_scale() -> None:
    from test_past_clicks import matrix

    one, other = matrix(5), matrix(5)
    other.data["lift"] = 1 + 4 * (other.data["lift"] - 1)
    scale = migration.common_scale([one, other])
    assert (
        one.figure(**scale).data[0].zmax == other.figure(**scale).data[0].zmax == other.figure().data[0].zmax
    )
