"""Frames of a training: they change nothing, are the same after every stop, and never end a training."""

import errno
import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from test_loop import SHORT, After, quick, same

from msviz.dataset import Dataset, Rows
from msviz.finding import Finding
from msviz.run import Run
from msviz.training import frames as room
from msviz.training import snapshots
from msviz.training.frames import CurvePoint, Measures, Number, Snapshot, SnapshotReader, SnapshotWriter
from msviz.training.metrics import measure
from msviz.training.scoring import predict
from msviz.training.snapshots import LEAST, MOST, SnapshotPicture, moments, sampled
from msviz.training.stop import Interrupted

TIMED = ("seconds", "rate", "looked")


class Glance:
    """Looks at scores, and draws random numbers, which a training must not notice."""

    def __init__(self, frames: int = 6) -> None:
        self.frames = frames

    def look(self, net, dataset: Dataset, part: Rows) -> SnapshotPicture:
        net.eval()
        noise = float(torch.rand(3).sum())
        torch.set_num_threads(2)
        weight = next(net.parameters()).detach().double().sum().item()
        data = xr.Dataset({"weight": ((), weight), "drawn": ((), noise > 0)})
        return SnapshotPicture(predict(net, part), Finding("none", "How?", "So: 1.", data))


def watched(world: Dataset, out: Path, **changes) -> Run:
    return quick(world, out, **{"watch": Glance(), **changes})


def kept(run: Path) -> tuple[list[dict], list[dict], list[float]]:
    """Return marks, points and pictures of a run without what a clock says."""
    frames = SnapshotReader(run)
    marks, points = ([one.model_dump() for one in frames.marks()], frames.curve().to_dict("records"))
    pictures = [float(frames.finding(mark["number"]).data["weight"]) for mark in marks]
    for one in (*marks, *points):
        for name in TIMED:
            one.pop(name, None)
    return marks, points, pictures


@pytest.fixture(scope="module")
def whole(tiny_world, tmp_path_factory) -> Run:
    """A training that nobody watched."""
    return quick(tiny_world, tmp_path_factory.mktemp("whole") / "run")


@pytest.fixture(scope="module")
def seen(tiny_world, tmp_path_factory) -> Run:
    """The same under watch."""
    return watched(tiny_world, tmp_path_factory.mktemp("seen") / "run")


def test_watching_changes_nothing(whole, seen):
    assert same(seen, whole)
    assert seen.card.epochs == whole.card.epochs
    assert not SnapshotReader(whole.path)


def test_marks_lie_at_the_squares_of_the_planned_rows_and_end_with_the_training(tiny_world, seen):
    marks = SnapshotReader(seen.path).marks()
    # 16 steps and 6 moments: 16 k² / 36 rounded up.
    assert [mark.step for mark in marks] == [0, 1, 2, 4, 8, 12, 16]
    assert [mark.number for mark in marks] == list(range(7))
    assert marks[0].rows == 0 and marks[0].loss is None and marks[0].share == 0
    assert marks[-1].rows == 2 * tiny_world.rows["train"] and marks[-1].share == 1
    assert [mark.epoch for mark in marks] == [step / 8 for step in (0, 1, 2, 4, 8, 12, 16)]
    # Before the first step nothing is learnt; at the end most scenarios are told apart.
    assert abs(marks[0].auc - 0.5) < 0.08 < marks[-1].auc - 0.5
    assert marks[-1].overall.auc.low < marks[-1].auc < marks[-1].overall.auc.high
    assert set(marks[-1].scenarios) == set(tiny_world.schema.scenario_names[1:])
    losses = [mark.loss for mark in marks[1:]]
    assert losses[-1] < losses[0] and all(np.isfinite(losses))


def test_the_numbers_of_a_mark_are_those_of_the_net_on_the_sample(tiny_world, seen):
    from msviz.training.bundle import load_net

    mark = SnapshotReader(seen.path).marks()[-1]
    # The last validation was the best one, so the run's weights are those of the last mark.
    part = sampled(tiny_world.split("valid"), 2 * tiny_world.rows["train"], 6)
    scores = predict(load_net(seen), part)
    found = measure(part.label, scores, part.scenario, tiny_world.schema.scenario_names)
    assert mark.split == "valid"
    assert mark.overall.rows == len(part)
    assert mark.auc == found["overall"]["auc"]["value"]
    assert mark.logloss == found["overall"]["logloss"]["value"]
    assert mark.scenarios["Search"].auc.model_dump() == found["scenarios"]["Search"]["auc"]


def test_the_curve_is_the_mean_loss_of_the_rows_since_the_last_point(tiny_world, seen):
    curve = SnapshotReader(seen.path).curve()
    rows = tiny_world.rows["train"]
    assert len(curve) == 16  # fewer steps than points: each is one
    assert curve["rows"].tolist()[7::8] == [rows, 2 * rows]
    assert (np.diff(curve["rows"]) > 0).all() and (np.diff(curve["seconds"]) >= 0).all()
    assert (curve["rate"] > 0).all()
    weights = np.diff(curve["rows"], prepend=0)
    by_epoch = [np.average(curve["loss"][part], weights=weights[part]) for part in (slice(0, 4), slice(4, 8))]
    np.testing.assert_allclose(by_epoch, seen.history["train_loss"][:2], rtol=1e-12)


def test_points_are_at_most_400(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr("msviz.training.snapshots.POINTS", 5)
    run = watched(tiny_world, tmp_path / "run")
    curve = SnapshotReader(run.path).curve()
    # Every fifth of the planned rows, at the first step that reaches it.
    planned = 2 * tiny_world.rows["train"]
    assert (curve["rows"] * 5 // planned).tolist() == [1, 2, 3, 4, 5]
    assert ((curve["rows"] - SHORT.batch_size) * 5 // planned).tolist() == [0, 1, 2, 3, 4]
    history = run.history
    one, other = (
        np.average(losses, weights=np.diff(rows, prepend=0))
        for losses, rows in ((curve["loss"], curve["rows"]), (history["train_loss"], history["rows"]))
    )
    assert one == pytest.approx(other, rel=1e-12), "every row counts once"


@pytest.mark.parametrize("count", [1, 3, 4, 5, 9, 11, 19, 20])
def test_stopped_and_resumed_leaves_the_same_marks(tiny_world, tmp_path, whole, seen, count):
    stop = After(count)
    with pytest.raises(Interrupted):
        watched(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    assert SnapshotReader(tmp_path / "run"), "the first picture is there before the first step"
    run = watched(tiny_world, tmp_path / "run", resume=True)
    assert same(run, whole)
    assert kept(run.path) == kept(seen.path)


def test_killed_and_resumed_leaves_the_same_marks(tiny_world, tmp_path, whole, seen):
    # Checkpoints come after the 4th and the 8th step only: what was seen in the 5th and 6th is seen again.
    script = f"""
import sys
from pathlib import Path
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_frames import watched
from msviz.dataset import open_data
steps = 0
def progress(share, words):
    global steps
    steps += words.startswith("epoch")
    if steps == 15:
        print("now", flush=True)
        sys.stdin.read()  # the kill comes here
watched(open_data({str(tiny_world.path)!r}), Path({str(tmp_path / "run")!r}), progress=progress)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "now\n"
        child.send_signal(signal.SIGKILL)
    frames = SnapshotReader(tmp_path / "run")
    assert [mark.step for mark in frames.marks()] == [0, 1, 2, 4, 8, 12]
    # What a kill in the middle of a write leaves: half a line, a picture without a mark, a partial file.
    with (frames.folder / "curve.jsonl").open("a") as file:
        file.write('{"rows": 99')
    shutil.copy(frames.picture(0), frames.picture(6))
    (frames.folder / ".006.json.1.partial").write_text("{")
    run = watched(tiny_world, tmp_path / "run", resume=True)
    assert same(run, whole)
    assert kept(run.path) == kept(seen.path)
    assert not list(frames.folder.glob(".*"))


def test_what_lies_after_the_checkpoint_is_forgotten(tmp_path):
    writer = SnapshotWriter(tmp_path)
    assert writer.keep(0) is None
    measures = Measures(rows=2, clicks=1, auc=Number(value=0.5), logloss=Number(value=0.7))
    marks = [
        Snapshot(
            number=n, rows=100 * n, epoch=n / 2, step=n, share=n / 3, seconds=n, loss=None, split="valid",
            overall=measures,
        )
        for n in range(4)
    ]  # fmt: skip
    for mark in marks:
        writer.mark(mark)
        about = {"rows": mark.rows, "epoch": mark.epoch, "step": mark.step, "seconds": mark.seconds}
        writer.point(CurvePoint(**about, loss=0.5, rate=10.0))
    assert writer.keep(200) == marks[2]
    assert writer.frames.marks() == marks[:3]
    assert writer.frames.curve()["rows"].tolist() == [0, 100, 200]
    assert writer.keep(200) == marks[2], "once more changes nothing"


def test_a_resumed_training_may_ask_for_another_number(tiny_world, tmp_path, whole):
    stop = After(9)
    with pytest.raises(Interrupted):
        watched(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    run = watched(tiny_world, tmp_path / "run", resume=True, watch=Glance(2))
    assert same(run, whole)
    marks = SnapshotReader(run.path).marks()
    # 16 steps at (k / 2)²: 0, 4 and 16; what was seen before stays.
    assert [mark.step for mark in marks] == [0, 1, 2, 4, 8, 16]
    assert [mark.number for mark in marks] == list(range(6))


def test_a_training_that_ends_early_is_looked_at_as_it_ends(tiny_world, tmp_path, monkeypatch):
    from msviz.training import loop

    values = iter([0.6, 0.5, 0.4, 0.3])
    real = loop.measure

    def worse_and_worse(*given):
        measures = real(*given)
        measures["overall"]["auc"]["value"] = value = next(values, 0.2)
        measures["overall"]["logloss"]["value"] = 1 - value
        return measures

    monkeypatch.setattr(loop, "measure", worse_and_worse)
    training = SHORT.model_copy(update={"epochs": 9})
    run = watched(tiny_world, tmp_path / "run", training=training)
    marks = SnapshotReader(run.path).marks()
    assert marks[-1].step == 12 and marks[-1].share == pytest.approx(1.5 / 9, abs=0.01)
    assert len({mark.step for mark in marks}) == len(marks)


def test_a_full_disk_ends_the_frames_and_not_the_training(tiny_world, tmp_path, whole, monkeypatch):
    real = room.SnapshotWriter.mark

    def full(self, mark: Snapshot) -> None:
        if mark.step >= 4:
            raise OSError(errno.ENOSPC, "No space left on device", "frames/003.json")
        real(self, mark)

    monkeypatch.setattr(room.SnapshotWriter, "mark", full)
    told = []
    run = watched(tiny_world, tmp_path / "run", report=told.append)
    assert same(run, whole)
    assert [mark.step for mark in SnapshotReader(run.path).marks()] == [0, 1, 2]
    assert len(SnapshotReader(run.path).curve()) == 4
    assert [line for line in told if "frames" in line] == [
        "training goes on, but no more frames are kept: [Errno 28] No space left on device: 'frames/003.json'"
    ]


def test_a_look_that_fails_ends_the_frames_and_not_the_training(tiny_world, tmp_path, whole):
    class Bad(Glance):
        def look(self, net, dataset, part):
            raise ZeroDivisionError

    told = []
    run = watched(tiny_world, tmp_path / "run", report=told.append, watch=Bad())
    assert same(run, whole)
    assert sum("no more frames are kept: ZeroDivisionError" in line for line in told) == 1
    assert not SnapshotReader(run.path) and not SnapshotReader(run.path).curve().size


def test_the_sample_shows_small_scenarios_and_follows_the_plan_alone(tiny_world):
    part = tiny_world.split("train")
    few, many = sampled(part, 1_000, 24), sampled(part, 10_000_000, 24)
    assert len(few) == LEAST == 768 and len(many) == MOST == 4096
    assert len(sampled(part, 24_000 * 12, 23)) == 1000
    counts = np.bincount(few.scenario, minlength=6)[1:]
    rows = np.bincount(part.scenario, minlength=6)[1:]
    even = LEAST // (2 * 5)
    assert (counts >= np.minimum(even, rows)).all()
    assert counts[rows.argmin()] / LEAST > 3 * rows.min() / rows.sum()
    assert (sampled(part, 1_000, 24).row == few.row).all()


def test_the_sample_of_a_log_that_repeats_itself_is_fair(monkeypatch):
    class Log:  # of ten scenarios in turn
        rows = 10 * 9_999 + 1

        def only(self, positions):
            part = Log()
            part.positions = self.positions[positions] if hasattr(self, "positions") else positions
            part.rows, part.scenario = len(positions), 1 + part.positions % 10
            return part

    monkeypatch.setattr(snapshots, "CANDIDATES", 10_000)
    part = sampled(Log(), 10_000_000, 24)
    counts = np.bincount(part.scenario, minlength=11)[1:]
    assert counts.sum() == MOST and abs(counts - MOST / 10).max() < 4 * np.sqrt(MOST / 10)
    assert (np.diff(part.positions) > 0).all() and np.ptp(part.positions) > 0.99 * Log.rows
    np.testing.assert_array_equal(sampled(Log(), 10_000_000, 24).positions, part.positions)


def test_moments_are_dense_in_the_beginning_and_never_doubled():
    assert sorted(moments(100, 10)) == [k * k for k in range(11)]
    assert moments(1, 200) == {0, 1}
    assert moments(600, 1) == {0, 600}
    assert len(moments(600, 24)) == 25


def test_readers_bear_what_is_half_written(tmp_path, seen):
    assert (
        not SnapshotReader(tmp_path)
        and SnapshotReader(tmp_path).marks() == []
        and SnapshotReader(tmp_path).finding(0) is None
    )
    assert SnapshotReader(tmp_path).curve().empty and SnapshotReader(tmp_path).stamp == (0, 0, 0, 0)
    shutil.copytree(seen.path / "frames", tmp_path / "frames")
    frames = SnapshotReader(tmp_path)
    assert frames.marks() == SnapshotReader(seen.path).marks()
    before = frames.stamp
    whole_curve = frames.curve()
    curve = frames.folder / "curve.jsonl"
    curve.write_bytes(curve.read_bytes()[:-20])
    assert frames.stamp != before
    assert frames.curve().equals(whole_curve.iloc[:-1])
    (frames.folder / "003.json").write_text('{"number": 3')
    (frames.folder / "002.nc").write_bytes(b"CDF\x01 no more")
    assert [mark.number for mark in frames.marks()] == [0, 1, 2, 4, 5, 6]
    assert frames.finding(2) is None and frames.finding(1) is not None
    # The folder is not sealed: what stands there may be anything.
    mark = json.loads((frames.folder / "001.json").read_text())
    for bad in ({"from": "another version"}, mark | {"rows": "many"}, mark | {"overall": {}}, [], None):
        (frames.folder / "001.json").write_text(json.dumps(bad))
        assert [mark.number for mark in frames.marks()] == [0, 2, 4, 5, 6]
    (frames.folder / "001.json").write_bytes(b"[" * 100_000)
    curve.write_bytes(b'{"rows": NaN}\n[]\n\xff\n' + b"[" * 100_000)
    assert len(frames.marks()) == 5 and frames.curve().empty


def test_a_picture_tells_the_run_and_how_far_it_was(seen):
    frames = SnapshotReader(seen.path)
    finding = frames.finding(4)
    assert finding.provenance.run == seen.name
    assert finding.provenance.parameters["trained_rows"] == frames.marks()[4].rows


def test_overwriting_a_run_starts_its_frames_anew(tiny_world, tmp_path, seen):
    shutil.copytree(seen.path, tmp_path / "run")
    run = watched(tiny_world, tmp_path / "run", overwrite=True, watch=Glance(1))
    assert [mark.step for mark in SnapshotReader(run.path).marks()] == [0, 16]
    quick(tiny_world, tmp_path / "run", overwrite=True)
    assert not SnapshotReader(run.path)


def test_history_tells_every_scenario(tiny_world, whole):
    history = whole.history
    names = tiny_world.schema.scenario_names[1:]
    best = int(history["valid_auc"].argmax())
    kept_weights = whole.metrics["valid"]["scenarios"]
    for metric in ("auc", "logloss"):
        row = history[f"valid_{metric}_by_scenario"][best]
        assert len(row) == len(names)
        wanted = [kept_weights[name][metric]["value"] for name in names]
        assert [None if np.isnan(value) else float(value) for value in row] == wanted
