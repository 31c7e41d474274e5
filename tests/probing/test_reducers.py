"""Reducers against NumPy, and halves merged against one pass."""

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from msviz.batch import Batch
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.tap import Tap
from msviz.probing.groups import Groups
from msviz.probing.moments import ENOUGH, GroupMoments, mean_over
from msviz.probing.reducers import BatchRows, Count, Histogram, Reducer, Sample, row_keys
from msviz.probing.study import Study

OVER = (("head",), ("query",), ("head", "query"))
AXES = ("head", "query", "key")


def fed(study: Study, reducer: Any, rows: np.ndarray[Any, Any] | None = None) -> Any:
    study.stream([reducer], rows)
    return reducer


def whole(study: Study) -> tuple[np.ndarray[Any, Any], Any]:
    """Return attention (rows, layer, head, query, key) of all rows, and their batch."""
    positions = np.arange(study.part.rows)
    return study.trace(positions).seen["attention"].values.double().numpy(), study.part.batch(positions)


@pytest.mark.parametrize("over", [(), *OVER])
@pytest.mark.parametrize("by", ["scenario", "Item", "label", "day", None])
def test_moments_are_numpys_in_every_grouping(study: Study, by: str | None, over: tuple[str, ...]) -> None:
    attention, batch = whole(study)
    groups = study.groups(by)
    found = fed(study, GroupMoments("attention", groups, AXES, OVER)).result(over)
    values = attention.mean(tuple(2 + AXES.index(axis) for axis in over)) if over else attention
    ids = groups.of(batch).numpy()
    assert found.rows.tolist() == np.bincount(ids, minlength=len(groups)).tolist()
    for group in range(len(groups)):
        mine = values[ids == group]
        if len(mine) == 0:
            assert np.isnan(found.mean[group]).all()
            continue
        np.testing.assert_allclose(found.mean[group], mine.mean(0), rtol=1e-6)
        if len(mine) == 1:
            assert np.isnan(found.deviation[group]).all()
        else:
            np.testing.assert_allclose(found.deviation[group], mine.std(0, ddof=1), rtol=1e-4, atol=1e-7)


def test_pooled_moments_are_those_of_all_rows(study: Study) -> None:
    attention, _ = whole(study)
    found = fed(study, GroupMoments("attention", study.groups("scenario"), AXES)).result(pooled=True)
    assert found.rows.tolist() == [60]
    np.testing.assert_allclose(found.mean[0], attention.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation[0], attention.std(0, ddof=1), rtol=1e-5, atol=1e-7)


MAKERS: dict[str, Callable[[Groups], Reducer]] = {
    "count": Count,
    "moments": lambda groups: GroupMoments("attention", groups, AXES, OVER),
    "histogram": lambda groups: Histogram("attention", groups, np.linspace(0, 1, 11).tolist()),
    "sample": lambda groups: Sample(12, ("prediction", "attention"), seed=4),
}


def numbers(reducer: Any) -> list[np.ndarray[Any, Any]]:
    if isinstance(reducer, Count):
        return [reducer.rows]
    if isinstance(reducer, Histogram):
        return [reducer.counts]
    if isinstance(reducer, Sample):
        return [reducer.positions, reducer.values("prediction"), reducer.values("attention", 1)]
    found = [reducer.result(over) for over in ((), *OVER)]
    return [array for summary in found for array in (summary.rows, summary.mean, summary.deviation)]


@pytest.mark.parametrize("kind", MAKERS)
@pytest.mark.parametrize("cut", [0, 1, 23, 59])
def test_two_halves_merged_equal_one_pass(study: Study, kind: str, cut: int) -> None:
    groups = study.groups("scenario")
    one = fed(study, MAKERS[kind](groups))
    left, right = MAKERS[kind](groups), MAKERS[kind](groups)
    fed(study, left, np.arange(cut))
    fed(study, right, np.arange(cut, 60))
    left.merge(right)
    for merged, expected in zip(numbers(left), numbers(one), strict=True):
        np.testing.assert_allclose(merged, expected, rtol=1e-5, atol=1e-7)


class Clicks(Reducer):
    """Defines one thing, and reads one source."""

    sources = ("label",)

    def __init__(self) -> None:
        self.clicks = 0

    def see(self, source: str, layer: int | None, values: torch.Tensor, rows: slice) -> None:
        self.clicks += int(values.sum())


def test_a_reducer_defines_what_it_does_and_no_more(study: Study) -> None:
    found = Clicks()
    assert fed(study, found).clicks == study.part.label.sum()
    fed(study, Reducer())
    with pytest.raises(NotImplementedError, match="Clicks does not say how two of it are added up"):
        found.merge(Clicks())


def test_every_reducer_says_how_two_are_added_up() -> None:
    """Read off the source: a reducer that did not would fail only where a pass is split."""
    found = {
        node.name: {part.name for part in node.body if isinstance(part, ast.FunctionDef)}
        for path in (Path(__file__).parents[2] / "msviz").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Reducer" for base in node.bases)
    }
    assert {"Count", "Histogram", "Sample", "GroupMoments"} < set(found)
    assert all("merge" in methods for methods in found.values())


def test_a_small_variance_behind_a_large_mean_is_not_lost() -> None:
    values = 1000 + torch.tensor([0.0, 0.25, 0.5, 0.75] * 500)
    moments = GroupMoments("prediction", Groups(("all",), lambda batch: torch.zeros_like(batch.scenario)))
    zeros = torch.zeros(2000, dtype=torch.long)
    batch = Batch(zeros[:, None], zeros, zeros.float(), zeros, zeros)
    for _ in range(3):
        moments.begin(BatchRows(np.arange(2000), batch))
        moments.see("prediction", None, values, slice(0, 2000))
        moments.end()
    found = moments.result()
    assert found.mean.item() == pytest.approx(1000.375, abs=1e-3)
    assert found.deviation.item() == pytest.approx(np.tile(values.numpy(), 3).std(ddof=1), rel=1e-4)


def test_histogram_counts_like_numpy_and_gathers_the_ends(study: Study) -> None:
    edges = [0.2, 0.3, 0.5, 0.6]
    counts = fed(study, Histogram("attention", study.groups("label"), edges)).counts
    attention, batch = whole(study)
    assert counts.shape == (2, 2, 2, 3, 3, 3)
    mine = attention[batch.label.numpy() == 1][:, 1, 0, 2, 1].astype(np.float32)
    inner = np.histogram(mine, [-np.inf, 0.3, 0.5, np.inf])[0]
    assert counts[1, 1, 0, 2, 1].tolist() == inner.tolist()


def test_a_sample_is_uniform_repeatable_and_shows_its_rows(study: Study) -> None:
    sample = fed(study, Sample(20, ("prediction", "attention"), seed=7))
    again = fed(study, Sample(20, ("prediction",), seed=7), np.arange(60)[::-1].copy())
    assert sample.positions.tolist() == again.positions.tolist()
    assert len(set(sample.positions)) == 20
    trace = study.trace(sample.positions)
    np.testing.assert_allclose(sample.values("prediction"), trace.prediction, rtol=1e-6)
    np.testing.assert_allclose(sample.values("attention", 0), trace.seen["attention"].values[:, 0], rtol=1e-6)
    # Over many seeds every row is drawn equally often: 3,000 draws of 20 of 60.
    drawn = np.concatenate([np.argsort(row_keys(np.arange(60), seed))[:20] for seed in range(3000)])
    share = np.bincount(drawn, minlength=60) / 3000
    assert abs(share - 1 / 3).max() < 4.5 * (1 / 3 * 2 / 3 / 3000) ** 0.5


def test_mean_over_any_axis_is_the_mean() -> None:
    values = torch.rand(4, 3, 5, 6)
    for place in (1, 2, 3):
        torch.testing.assert_close(mean_over(values, place), values.mean(place))


def test_what_cannot_be_merged_or_asked_is_refused(study: Study) -> None:
    groups = study.groups("scenario")
    with pytest.raises(MsvizError, match="watched different things"):
        GroupMoments("attention", groups).merge(GroupMoments("own", groups))
    with pytest.raises(MsvizError, match="edges: got"):
        Histogram("prediction", groups, [1, 0])
    with pytest.raises(MsvizError, match="no row was seen"):
        GroupMoments("attention", groups).result()
    with pytest.raises(MsvizError, match="drawn by different rules"):
        Sample(3).merge(Sample(4))


class Drawn(Net):
    """One layer of attention over two fields that looks at the row's number alone."""

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.attention_tap = Tap("head", "query", "key")

    def forward(self, batch: Batch) -> Tensor:
        score = torch.sin(batch.row[:, None].float() * torch.arange(1, 9)).view(-1, 2, 2, 2)
        return self.attention_tap(torch.softmax(score, -1)).sum((1, 2, 3))


@pytest.fixture(scope="module")
def many(tiny_world: Dataset) -> Study:
    return Study(None, tiny_world, split="train", net=Drawn(InputSpec.of(tiny_world.schema)))


def test_deviations_of_large_groups_come_from_a_share_of_the_rows_and_are_close(many: Study) -> None:
    groups = many.groups("scenario")
    count = np.bincount(many.part.scenario, minlength=len(groups))
    small = count < 1000
    exact = fed(many, GroupMoments("attention", groups, AXES, OVER))
    # Told that the groups are larger than they are, the reducer takes squares of every fifth row.
    thinned = fed(many, GroupMoments("attention", groups, AXES, OVER, expected=5 * ENOUGH * ~small))
    for over in ((), ("head",), ("head", "query")):
        whole, part = exact.result(over), thinned.result(over)
        np.testing.assert_array_equal(part.rows, whole.rows)
        np.testing.assert_allclose(part.mean, whole.mean, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(part.deviation[small], whole.deviation[small], rtol=1e-5, atol=1e-9)
        large = part.deviation[~small], whole.deviation[~small]
        np.testing.assert_allclose(*large, rtol=0.2, atol=1e-7)
        both = exact.result(over, pooled=True).deviation, thinned.result(over, pooled=True).deviation
        np.testing.assert_allclose(*both, rtol=0.1, atol=1e-7)
    assert not np.allclose(exact.result().deviation[~small], thinned.result().deviation[~small], rtol=1e-6)


def test_the_share_of_a_log_that_repeats_itself_is_fair() -> None:
    """Pages of any number of places, rows in their order: each place gives its share of the squares."""
    rows = 6 * ENOUGH
    groups = Groups(("all",), lambda batch: torch.zeros(len(batch), dtype=torch.long))
    moments = GroupMoments("prediction", groups, expected=np.array([5 * ENOUGH]))
    chosen = []
    for start in range(0, rows, 4096):
        row = torch.arange(start, min(start + 4096, rows))
        none = torch.zeros(len(row))
        batch = Batch(fields=none[:, None].long(), scenario=none.long(), label=none, row=row, time=row)
        moments.begin(BatchRows(row.numpy(), batch))
        assert moments._chosen is not None
        chosen.append(row[moments._chosen].numpy())
    for places in range(2, 300):
        count = np.bincount(np.concatenate(chosen) % places, minlength=places)
        wanted = rows / 5 / places
        # Of the 45,000 counts here, none of a fair sample is six deviations away.
        assert abs(count - wanted).max() < 6 * np.sqrt(wanted), places


def test_halves_of_a_thinned_pass_add_up_to_the_whole(many: Study) -> None:
    groups = many.groups("scenario")
    expected = np.full(len(groups), 5 * ENOUGH)

    def part(rows: slice) -> GroupMoments:
        moments = GroupMoments("attention", groups, AXES, OVER, expected=expected)
        many.stream([moments], np.arange(many.part.rows)[rows])
        return moments

    whole, first, second = part(slice(None)), part(slice(0, 7000)), part(slice(7000, None))
    first.merge(second)
    for over in ((), ("head",), ("head", "query")):
        for pooled in (False, True):
            one, two = whole.result(over, pooled), first.result(over, pooled)
            np.testing.assert_allclose(two.mean, one.mean, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(two.deviation, one.deviation, rtol=1e-4, atol=1e-7)


def test_reducers_that_expect_other_numbers_of_rows_do_not_merge(many: Study) -> None:
    groups = many.groups("scenario")
    one, two = (
        GroupMoments("attention", groups),
        GroupMoments("attention", groups, expected=np.full(6, 5 * ENOUGH)),
    )
    with pytest.raises(MsvizError, match="expected other numbers"):
        one.merge(two)
