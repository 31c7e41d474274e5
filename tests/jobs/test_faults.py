"""What really goes wrong: processes are killed, disks fill up, data vanish, losses are no numbers."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from jobs_helpers import until
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from msviz.cli import told
from msviz.dataset import open_data
from msviz.jobs import Queue, engine
from msviz.run import Run, shelf

# Every step writes a checkpoint, so that a kill may come anywhere between, and inside, two of them.
OFTEN = ("checkpoint_seconds=0.000001", "checks_per_epoch=2")
KILLS = 22


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A process that forks jobs, so that twenty starts take seconds."""
    path = tmp_path_factory.mktemp("w") / "socket"
    code = (
        "import sys; from msviz.cli.processes import warm; from msviz.registry import MODELS\n"
        "def ready():\n"
        "    import msviz.cli.commands, msviz.training.loop, sklearn.metrics\n"
        "    MODELS.module('autoint')\n"
        "warm.get_ready = ready; sys.exit(warm.main())"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path), str(os.getpid())])
    until(lambda: path.exists() or process.poll() is not None)
    yield path
    process.terminate()
    process.wait()


def trained(out: Path) -> int:
    """Return on how many rows a training was trained, by its last checkpoint; 0 before the first."""
    try:
        with safe_open(out / "checkpoint" / "state.safetensors", framework="pt") as opened:
            return int(json.loads(opened.metadata()["state"])["rows"])
    except (OSError, SafetensorError):
        return 0


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_file(run / "weights.safetensors")


def test_killed_at_twenty_points_the_weights_are_those_of_an_unbroken_training(
    queue, train, warm, tiny_world, tmp_path
):
    whole = train("whole", 2, *OFTEN, "batch_size=64")
    assert whole.wait().state == "finished"
    queue.warm = warm
    job = train("broken", 2, *OFTEN, "batch_size=64")
    rows, kills = 2 * tiny_world.rows["train"], 0
    for left in range(KILLS, 0, -1):
        done = trained(job.result)
        # Spread over what is left, with room at the end: a busy machine looks late.
        target = done + max((0.8 * rows - done) / (left + 1), 1)
        until(lambda target=target: trained(job.result) >= target or not job.alive)
        job.signal(signal.SIGKILL)
        if job.wait().state == "finished":
            break
        kills += 1
        assert job.status().state == "interrupted"
        assert not (job.result / "run.json").exists() and len(shelf(tmp_path / "models")) == 1
        queue.dispatch()  # as the engine does several times a second
        if job.status().state == "interrupted":  # three times at one place: somebody has to look
            queue.resume(job)
        assert job.status().state == "running"
    assert kills >= 20
    status = job.wait()
    assert (status.state, "resuming in epoch" in job.log()) == ("finished", True)
    one, other = weights(whole.result), weights(job.result)
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
    runs = Run.open(whole.result), Run.open(job.result)
    assert runs[0].metrics == runs[1].metrics
    timed = ["seconds", "rows_per_second"]
    assert runs[0].history.drop(columns=timed).equals(runs[1].history.drop(columns=timed))


def test_a_training_that_dies_at_the_same_place_is_not_started_for_ever(queue, train):
    job = train()
    starts = 0
    while job.status().state != "interrupted" or queue.dispatch():
        starts += 1
        assert starts < 10
        job.signal(signal.SIGKILL)
        job.wait()
        (job.folder / "progress.json").write_text(json.dumps({"share": 0.25, "words": "epoch 1"}))
    assert starts == 3
    assert "ran out of memory" in job.status().error and job.status().lost == 3
    queue.resume(job)  # somebody made room
    assert job.status().state == "running" and job.status().lost == 0


def test_an_answer_that_was_killed_waits_for_somebody(queue, tmp_path):
    arguments = ["data", "plant", "--rows", "100000000", "--out", str(tmp_path / "world")]
    job = queue.submit(arguments, kind="answer", title="a world")
    job.signal(signal.SIGKILL)
    assert job.wait().state == "interrupted"
    assert not queue.dispatch() and job.status().state == "interrupted"


@pytest.fixture
def served(queue, monkeypatch):
    """The engine of a queue, and a process that stands for the app."""
    monkeypatch.setenv("MSVIZ_WARM", "off")
    owner = subprocess.Popen(["sleep", "600"])
    monkeypatch.setattr(engine.os, "getpid", lambda: owner.pid)
    engine.ensure(queue.folder)
    monkeypatch.undo()
    monkeypatch.setenv("MSVIZ_WARM", "off")
    until(lambda: engine.running(queue.folder))
    yield owner
    owner.kill()
    owner.wait()
    for pid in engines(queue.folder):
        os.kill(pid, signal.SIGTERM)
    until(lambda: not engine.running(queue.folder))


def engines(folder: Path) -> list[int]:
    """Return the processes that serve a folder of jobs."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if b"msviz.cli.processes.engine" in words and str(folder.resolve()).encode() in words:
            found.append(int(path.parent.name))
    return found


def test_the_engine_sees_a_killed_job_and_lets_it_go_on(queue, served, train):
    job = train("run", 1000, *OFTEN)
    until(lambda: trained(job.result) > 0)
    first = job.pid
    job.signal(signal.SIGKILL)
    until(lambda: job.pid not in (0, first) and "resuming in epoch" in job.log())
    assert job.status().lost == 1


def test_the_queue_outlives_the_app_and_the_engine(queue, served, train):
    running, waiting = train("running", 1000), train("waiting", 1)
    until(lambda: "epoch 1/1000" in running.status().words)
    served.kill()  # the app
    served.wait()
    (pid,) = engines(queue.folder)
    os.kill(pid, signal.SIGKILL)
    until(lambda: not engine.running(queue.folder))
    assert running.status().state == "running"  # a job is nobody's child
    engine.ensure(queue.folder)  # the next app
    engine.ensure(queue.folder)
    until(lambda: engine.running(queue.folder))
    queue.cancel(running)
    until(lambda: waiting.status().state == "finished")
    assert running.status().state == "cancelled"
    assert len(engines(queue.folder)) == 1


def test_the_engine_ends_when_the_app_is_gone_and_the_queue_empty(queue, served, train):
    job = train("run", 1)
    served.kill()
    served.wait()
    until(lambda: not engine.running(queue.folder))
    assert job.status().state == "finished"


@pytest.fixture
def small_disk(tmp_path):
    """A disk of a few megabytes."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(place)]
    try:
        subprocess.run(mount, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a small disk needs the right to mount one")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_fails_in_one_sentence_and_the_training_goes_on_when_there_is_room(
    small_disk, training, tiny_world
):
    queue = Queue(small_disk / "jobs")
    command = training("run", 2, "batch_size=1024")
    out = small_disk / "models" / "run"
    command[command.index("--out") + 1] = str(out)
    ballast = small_disk / "ballast"
    queue.folder.mkdir()
    left = shutil.disk_usage(small_disk).free
    ballast.write_bytes(b"x" * (left - 100_000))  # the checkpoint does not fit beside it
    job = queue.submit(command, kind="training", title="run", result=out)
    status = job.wait()
    assert status.state == "failed"
    assert status.error.endswith("no space is left on its disk: free some and try again")
    assert shelf(small_disk / "models") == [] and not list(out.rglob("*.partial"))
    ballast.unlink()
    queue.resume(job)
    assert job.wait().state == "finished"
    assert [run.name for run in shelf(small_disk / "models")] == ["run"]


def test_last_words_find_their_place_on_a_disk_without_any(small_disk):
    queue = Queue(small_disk / "jobs")
    job = queue.submit(["models"], kind="answer", title="an answer")
    job.wait()
    (job.folder / "exit.json").unlink()
    from msviz.jobs import files, progress

    files.reserve(job.folder / "exit.reserved")
    with pytest.raises(OSError, match="No space left"), (small_disk / "ballast").open("wb") as stream:
        while True:
            stream.write(b"x" * 4096)
            stream.flush()
    progress.leave(job.folder, 2, "error: no space is left")
    assert (job.status().state, job.status().error) == ("failed", "no space is left")


def test_a_dataset_that_vanished(queue, training, tiny_world, tmp_path):
    shutil.copytree(tiny_world.path, tmp_path / "data")
    blocker = queue.submit(training("first"), kind="training", title="", result=tmp_path / "models" / "first")
    command = training("second")
    command[command.index("--data") + 1] = str(tmp_path / "data")
    job = queue.submit(command, kind="training", title="", result=tmp_path / "models" / "second")
    shutil.rmtree(tmp_path / "data")  # while it waits
    queue.cancel(blocker)
    blocker.wait()
    queue.dispatch()
    status = job.wait()
    assert (status.state, status.error[:10]) == ("failed", "data: got ")
    assert "wanted: a folder written by 'msviz data import'" in status.error
    assert not (tmp_path / "models" / "second").exists()


def test_a_dataset_that_vanishes_while_it_is_read(queue, training, tiny_world, tmp_path):
    shutil.copytree(tiny_world.path, tmp_path / "data")
    command = training("run", 2, *OFTEN)
    command[command.index("--data") + 1] = str(tmp_path / "data")
    job = queue.submit(command, kind="training", title="", result=tmp_path / "models" / "run")
    until(lambda: trained(job.result) > 0)
    shutil.rmtree(tmp_path / "data" / "test")
    status = job.wait()
    assert status.state == "failed" and "no file" in status.error and "test" in status.error
    assert shelf(tmp_path / "models") == []
    shutil.copytree(tiny_world.path / "test", tmp_path / "data" / "test")
    queue.resume(job)
    assert job.wait().state == "finished"


def test_a_loss_that_is_no_number(queue, tiny_world, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tiny_world.path, data)
    values = np.fromfile(data / "train" / "signals.value.bin", "f4")
    values[:] = np.nan
    values.tofile(data / "train" / "signals.value.bin")
    assert open_data(data).rows == tiny_world.rows
    small = ("width=8", "item_width=4", "heads=2", "main_net=8", "bias_net=8")
    sets = [part for pair in small for part in ("--set", pair)]
    out = tmp_path / "models" / "run"
    command = ["train", "same", "--data", str(data), "--out", str(out), "--device", "cpu", *sets]
    status = queue.submit(command, kind="training", title="", result=out).wait()
    assert status.state == "failed"
    assert "the loss became nan in epoch 1, step 1; lower learning_rate" in status.error
    assert shelf(tmp_path / "models") == []


def test_no_memory_is_one_sentence():
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**50)
    for error in (raised.value, MemoryError()):
        line, code = told(error, [])
        assert code == 2 and line.startswith("error: not enough memory: take a smaller batch_size")
    line, code = told(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "models/run"), [])
    assert (line, code) == ("error: models/run: no space is left on its disk: free some and try again", 2)
