"""Weights over time drawn from one day to three years, one expert to eight, with and without promotions."""

from typing import Any

import numpy as np
import pytest
import xarray as xr
from findings import ALL, finding

from msviz.errors import MsvizError
from msviz.figures import time_axis
from msviz.figures.pictures import gates_over_time
from msviz.finding import Finding


def weights(
    days: int = 61, experts: int = 2, groups: int = 3, bins: int = 64, signals: int = 4, sales: int = 3
) -> Finding:
    random = np.random.default_rng(days + experts)
    promotion = np.full(days, "", dtype=object)
    for number in range(sales):
        start = round((number + 0.4) * days / sales)
        promotion[start : start + max(1, days // (5 * sales))] = f"Sale {number + 1}"
    hot = (promotion != "").astype(float)
    mean = np.full((days, groups + 1, experts), 1 / experts)
    mean[..., 0] += 0.2 * hot[:, None]
    mean[..., -1] -= 0.2 * hot[:, None]
    rows = random.integers(100, 200, (days, groups + 1))
    edges = np.linspace(0, 1, bins + 1)
    bell = np.exp(-(((edges[:-1] + edges[1:]) / 2 - mean[..., None]) ** 2) / 0.01)
    counts = np.floor(bell / bell.sum(-1, keepdims=True) * rows[..., None, None]).astype(np.int32)
    correlation = np.linspace(-0.9, 0.9, experts * signals).reshape(experts, signals)
    cells = ("day", "group", "expert")
    data: dict[str, Any] = {
        "counts": ((*cells, "bin"), counts),
        "rows": (("day", "group"), rows),
        "mean": (cells, mean),
        "deviation": (cells, np.full(mean.shape, 0.05)),
        "quantile": ((*cells, "share"), mean[..., None] + np.array([-0.1, -0.05, 0, 0.05, 0.1])),
        "low": (("expert", "bin"), np.tile(edges[:-1], (experts, 1))),
        "high": (("expert", "bin"), np.tile(edges[1:], (experts, 1))),
        "phase": (("day",), np.where(hot > 0, "promotion", "normal" if sales else "")),
        "promotion": (("day",), promotion.astype(str)),
        "split": (("day",), np.full(days, "train")),
        "signal_value": (("day", "signal"), random.normal(size=(days, signals)) + hot[:, None]),
        **{
            f"correlation{end}": (("expert", "signal"), correlation + shift)
            for end, shift in (("", 0.0), ("_low", -0.1), ("_high", 0.1), ("_q", 0.95))
        },
    }
    coords = {
        "day": [str(np.datetime64("2025-03-01") + day) for day in range(days)],
        "group": [ALL, *(f"Group {number}" for number in range(groups))],
        "expert": [f"Expert {number + 1}" for number in range(experts)],
        "share": [0.05, 0.25, 0.5, 0.75, 0.95],
        "signal": [f"A signal with a long name, {number} days" for number in range(signals)],
    }
    return finding("gates_over_time", data, coords)


@pytest.mark.parametrize("view", gates_over_time.VIEWS)
@pytest.mark.parametrize(
    "size",
    [(1, 2, 0), (2, 8, 1), (61, 2, 3), (365, 8, 9), (1100, 3, 0)],
    ids=lambda size: "x".join(map(str, size)),
)
def test_every_view_holds_at_every_size(view: str, size: tuple[int, int, int]) -> None:
    days, experts, sales = size
    figure = gates_over_time.draw(weights(days, experts, sales=sales), view=view)
    assert len(figure.data) > 0 and 100 < figure.layout.height < 1500
    assert len(figure.to_json()) < 1_000_000


def test_a_histogram_column_adds_up_to_the_day_and_bins_stand_at_their_weight() -> None:
    found = weights(days=10, experts=2, bins=8)
    heatmap = next(trace for trace in gates_over_time.draw(found).data if trace.type == "heatmap")
    z = np.asarray(heatmap.z)
    # Two panels of eight bins, the second expert below, a clear row between them.
    assert z.shape == (17, 10) and np.isnan(z[8]).all()
    for panel in (z[:8], z[9:]):
        np.testing.assert_allclose(np.nansum(panel, 0), 1, rtol=1e-5)
    counts = found.data["counts"].sel(group=ALL, expert="Expert 1").values
    np.testing.assert_allclose(np.nan_to_num(z[9:, 3]), counts[3] / counts[3].sum(), rtol=1e-5)
    assert len(np.asarray(heatmap.y)) == 18 and (np.diff(np.asarray(heatmap.y)) > 0).all()
    assert len(heatmap.x) == 11


def test_one_expert_one_group_and_a_stretch_of_days() -> None:
    found = weights(days=30, experts=3)
    figure = gates_over_time.draw(
        found, expert="Expert 2", group="Group 1", first="2025-03-05", last="2025-03-09"
    )
    line = next(trace for trace in figure.data if trace.name == "Expert 2")
    assert list(line.x) == [f"2025-03-0{day}T00" for day in range(5, 10)]
    np.testing.assert_allclose(
        line.customdata[:, 0],
        found.data["mean"].sel(group="Group 1", expert="Expert 2").values[4:9],
        rtol=1e-6,
    )
    with pytest.raises(MsvizError, match=r"expert.*'Nobody'.*Expert 1"):
        gates_over_time.draw(found, expert="Nobody")
    with pytest.raises(MsvizError, match="view"):
        gates_over_time.draw(found, view="pie")


def test_promotions_are_named_and_many_are_numbered() -> None:
    told = {note.text for note in gates_over_time.draw(weights(61, sales=3)).layout.annotations}
    assert {"Sale 1", "Sale 2", "Sale 3"} <= told
    figure = gates_over_time.draw(weights(100, sales=6))
    assert {"1", "6"} <= {note.text for note in figure.layout.annotations}
    assert "1 Sale 1" in figure.layout.xaxis.title.text.replace("<br>", " ")


def test_weeks_add_rows_up_and_weigh_means_by_them() -> None:
    rows = np.arange(1, 141)
    data = xr.Dataset(
        {
            "rows": (("day",), rows),
            "mean": (("day", "expert"), np.stack([rows, 2 * rows], 1).astype(float)),
            "promotion": (("day",), ["" if day != 9 else "Sale" for day in range(140)]),
            "other": (("expert",), [1.0, 2.0]),
        },
        {"day": [str(np.datetime64("2025-01-01") + day) for day in range(140)], "expert": ["a", "b"]},
    )
    weekly, step = time_axis.coarse(data)
    assert step == 7 and weekly.sizes["day"] == 20
    assert weekly["rows"].values[0] == sum(range(1, 8))
    expected = sum(k * k for k in range(1, 8)) / sum(range(1, 8))
    np.testing.assert_allclose(weekly["mean"].values[0], [expected, 2 * expected])
    assert list(weekly["promotion"].values[:2]) == ["", "Sale"]
    np.testing.assert_array_equal(weekly["other"].values, [1.0, 2.0])
