"""The study: what it streams, traces and exchanges, and that it leaves no hook behind."""

import numpy as np
import pytest
import torch

from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.nets.base import build
from msviz.nets.tap import Tap
from msviz.probing.moments import GroupMoments
from msviz.probing.study import Study


def hooked(study: Study) -> int:
    return sum(tap.watched for tap in study.net.modules() if isinstance(tap, Tap))


def test_axes_are_read_off_the_taps_with_the_layer_of_lists(study: Study) -> None:
    assert study.axes() == {"attention": ("layer", "head", "query", "key"), "own": ("field",)}
    assert study.find_tap("layer", "head", "query", "key") == "attention"
    with pytest.raises(MsvizError, match=r"shows nothing by expert; it shows: attention \(layer"):
        study.find_tap("expert")


def test_a_trace_belongs_to_its_rows_in_the_order_asked(study: Study) -> None:
    trace = study.trace(np.array([30, 2, 59]))
    assert trace.row.tolist() == [300, 20, 590]
    assert trace.seen["attention"].values.shape == (3, 2, 2, 3, 3)
    torch.testing.assert_close(
        trace.seen["own"].values, study.part.batch(np.array([30, 2, 59])).fields.float()
    )
    one = study.trace(np.array([2]))
    torch.testing.assert_close(one.seen["attention"].values[0], trace.seen["attention"].values[1])
    torch.testing.assert_close(one.prediction[0], trace.prediction[1])


def test_a_stream_sees_every_row_once_and_tells_progress(study: Study) -> None:
    heard: list[tuple[float, str]] = []
    moments = GroupMoments("own", study.groups(), ("field",))
    assert study.stream([moments], progress=lambda share, words: heard.append((share, words))) == 60
    assert heard[-1] == (1.0, "60 of 60 rows")
    assert len(heard) == 4
    np.testing.assert_allclose(moments.result().mean[0], study.part.fields(slice(0, 60)).mean(0), rtol=1e-6)


def test_parts_stand_in_for_splits_and_nothing_of_them_is_kept(study: Study, log: Dataset) -> None:
    some = log.split("test").only(np.array([3, 30, 59]))
    narrow = Study(None, log, net=study.net, parts={"test": some})
    assert not narrow.keep and study.keep
    assert narrow.part.row.tolist() == [30, 300, 590]
    assert narrow.stream([GroupMoments("own", narrow.groups(), ("field",))]) == 3
    assert narrow.on("test").part.rows == 3
    # A split without a part is looked at whole; a part without rows is a part.
    assert narrow.on("train").part.rows == log.rows["train"]
    assert Study(None, log, parts={"test": some.only(np.zeros(0, np.int64))}).part.rows == 0


def test_hooks_go_also_after_an_exception(study: Study) -> None:
    class Breaks(GroupMoments):
        def see(self, *given: object) -> None:
            assert hooked(study) == 2
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        study.stream([Breaks("attention", study.groups())])
    assert hooked(study) == 0
    with pytest.raises(MsvizError, match="tap: got 'nothing'; valid choices: attention, own"):
        study.stream([GroupMoments("nothing", study.groups())])
    assert hooked(study) == 0


def test_a_tap_can_be_replaced_in_one_layer_and_is_itself_again(study: Study) -> None:
    batch = study.part.batch(slice(0, 20))
    before = study.predict(batch)
    with study.patched("attention", lambda values, layer: torch.zeros_like(values) if layer else values):
        without = study.predict(batch)
    first = study.trace_of(batch).seen["attention"].values[:, 0, 0, 0, 1]
    expected = torch.sigmoid(batch.fields.float().sum(1) * 0.1 + first - 1)
    torch.testing.assert_close(without, expected)
    assert not torch.equal(without, before)
    torch.testing.assert_close(study.predict(batch), before, rtol=0, atol=0)
    assert hooked(study) == 0


def test_a_replacement_of_another_shape_is_refused(study: Study) -> None:
    with (
        pytest.raises(MsvizError, match="replacement at tap attention: got \\(7, 2, 3\\)"),
        study.patched("attention", lambda values, layer: values[..., 0]),
    ):
        study.predict(study.part.batch(slice(0, 20)))
    assert hooked(study) == 0


def test_groups_have_names_and_others_share_one(study: Study) -> None:
    assert study.groups("hour").names == ("rare or unknown", "missing", "am", "pm")
    assert study.groups("day").names == ("1971-01-01", "1971-01-02", "1971-01-03")
    kept = study.groups("scenario", keep=[2, 1])
    assert kept.names == ("search", "home", "others")
    ids = kept.of(study.part.batch(slice(0, 60))).numpy()
    assert ids.tolist() == [{2: 0, 1: 1}.get(int(scenario), 2) for scenario in study.part.scenario]


def test_a_row_is_found_by_its_number_in_the_log(study: Study, log: Dataset) -> None:
    assert study.position(230) == 23
    with pytest.raises(MsvizError, match="row: got 231; rows of split test run from 0 to 590"):
        study.position(231)
    with pytest.raises(MsvizError, match="row: got 230; it is in split test, not in train"):
        Study(None, log, split="train").position(230)


def test_samples_repeat_with_the_seed(study: Study, log: Dataset) -> None:
    chosen = study.sample(10)
    assert len(set(chosen)) == 10 and (np.diff(chosen) > 0).all()
    assert chosen.tolist() == study.sample(10).tolist()
    assert chosen.tolist() != Study(None, log, seed=1).sample(10).tolist()
    assert study.sample(1000).tolist() == list(range(60))


def test_without_a_run_there_is_no_net_to_ask(log: Dataset) -> None:
    with pytest.raises(MsvizError, match="name a run"):
        _ = Study(None, log).net
    with pytest.raises(MsvizError, match="split: got 'holdout'; valid choices: train, valid, test"):
        _ = Study(None, log, split="holdout").part


def test_a_net_that_reads_histories_is_fed_them(tiny_world: Dataset) -> None:
    net = build("sainet", {"width": 4, "blocks": 1, "heads": 1, "hidden": "8"}, tiny_world.schema)
    study = Study(None, tiny_world, net=net)
    rows = study.sample(30)
    batch = tiny_world.split("test").batch(rows, behaviours=True)
    assert torch.equal(study.predict(study.batch(rows)), study.predict(batch))
    assert batch.histories is not None
    mask = batch.histories.mask
    shown = study.trace(rows).seen["fusion"]
    assert shown.axes == ("behaviour",)
    assert torch.equal(shown.values > 0, mask)
    # Attention over the history adds up to 1, and to 0 for who has none.
    torch.testing.assert_close(shown.values.sum(1), mask.any(1).float())
