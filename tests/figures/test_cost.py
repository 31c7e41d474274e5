"""Pictures of what models cost."""

from dataclasses import replace

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.figures.pictures.model_cost import VIEWS
from msviz.finding import Finding


def cost(runs: int = 3) -> Finding:
    draw = np.random.default_rng(0)
    names = ("parameters", "train_rate", "train_seconds", "rate", "test_seconds", "memory")
    data = {name: (("run",), draw.uniform(1, 1e6, runs)) for name in names}
    rate = data["rate"][1]
    data |= {"rate_low": (("run",), rate * 0.8), "rate_high": (("run",), rate * 1.1)}
    data |= {"model": (("run",), ["same"] * runs), "device": (("run",), ["cpu"] * runs)}
    growth = np.sort(draw.integers(1_000, 10**8, (runs, 5)), 1)
    growth[-1] = growth[0]
    data["growth"] = (("run", "scenarios"), growth)
    seconds = draw.uniform(10, 20, (2, runs))
    data |= {"with_seconds": (("pair",), seconds[0]), "without_seconds": (("pair",), seconds[1])}
    data["increase"] = (("pair",), seconds[0] / seconds[1] - 1)
    coords = {"run": [f"run-{i}" for i in range(runs)], "scenarios": [2, 10, 100, 1_000, 10_000]}
    coords["pair"] = [f"same, {i}: norm" for i in range(runs)]
    return make.finding("model_cost", data, coords)


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("runs", [1, 3, 300])
def test_every_view_holds_at_every_size(view: str, runs: int) -> None:
    figure = cost(runs).figure(view=view)
    assert figure.data and len(figure.to_json()) < 100_000 and figure.layout.height <= 1800


def test_bars_are_the_findings_numbers_the_largest_on_top() -> None:
    finding = cost()
    bar = finding.figure(view="training time").data[0]
    np.testing.assert_allclose(np.asarray(bar.x), np.sort(finding.data["train_seconds"])[::-1], rtol=1e-6)
    assert finding.figure(view="training time").data[0].error_x.array is None
    timed = finding.figure().data[0]
    np.testing.assert_allclose(timed.error_x.arrayminus, np.asarray(timed.x) * 0.2, rtol=1e-5)


def test_memory_that_is_not_told_is_said() -> None:
    finding = cost()
    finding.data["memory"][:] = np.nan
    assert "does not tell" in finding.figure(view="memory").layout.xaxis.title.text.replace("<br>", " ")


def test_runs_that_grow_alike_are_one_line() -> None:
    figure = cost(3).figure(view="growth")
    assert len(figure.data) == 2
    assert any(line.name == "run-0 and 1 more" for line in figure.data)
    with pytest.raises(MsvizError, match="view: got 'price'"):
        cost().figure(view="price")


def test_with_and_without_are_two_bars_and_the_increase_is_written() -> None:
    finding = cost(2)
    finding.data["increase"][:] = [0.0468, -0.01]
    without, with_ = finding.figure(view="with and without").data
    np.testing.assert_allclose(without.x, finding.data["without_seconds"], rtol=1e-6)
    np.testing.assert_allclose(with_.x, finding.data["with_seconds"], rtol=1e-6)
    assert list(with_.text) == ["+4.7%", "-1.0%"] and list(with_.y) == ["same, 0: norm", "same, 1: norm"]
    with pytest.raises(MsvizError, match="no two runs of one model differ in what is on or off"):
        replace(finding, data=finding.data.isel(pair=[])).figure(view="with and without")
