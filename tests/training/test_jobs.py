"""Jobs with real processes: what they print, how they end, and who may stop them."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from msviz.errors import MsvizError
from msviz.training import jobs


def until(job: jobs.Job, wanted) -> None:
    """Wait until the job's folder shows something; the job's own timeout ends a hopeless wait."""
    pause = threading.Event()
    for _ in range(3000):
        if wanted():
            return
        pause.wait(0.01)
    raise AssertionError(job.status())


def test_a_job_finishes(tmp_path):
    job = jobs.start(tmp_path / "job", ["models"])
    assert job.status().state in ("running", "finished")
    assert job.wait().state == "finished"
    assert "autoint" in (tmp_path / "job" / "output.log").read_text()
    again = jobs.Job(tmp_path / "job")  # as a restarted server sees it
    assert (again.pid, again.arguments, again.status().share) == (job.pid, ["models"], 1.0)


def test_a_job_fails_with_the_command_s_own_line(tmp_path):
    status = jobs.start(tmp_path / "job", ["data", "describe", "/nowhere"]).wait()
    assert (status.state, status.error[:27]) == ("failed", "error: data: got '/nowhere'")


def test_a_job_tells_how_far_it_is_and_is_cancelled(tmp_path, tiny_world):
    # A training with enough epochs to be caught in the act.
    out = tmp_path / "run"
    command = ["train", "autoint", "--data", str(tiny_world.path), "--out", str(out), "--device", "cpu"]
    small = ["layers=1", "width=4", "hidden=8", "batch_size=256", "patience=1000"]
    sets = [part for pair in small for part in ("--set", pair)]
    job = jobs.start(tmp_path / "job", [*command, *sets, "--epochs", "1000"])
    until(job, lambda: "epoch 1/1000" in job.status().words)
    assert job.status().state == "running"
    assert os.getsid(job.pid) == job.pid
    assert os.getpriority(os.PRIO_PROCESS, job.pid) == min(os.nice(0) + jobs.NICE, 19)
    with pytest.raises(MsvizError, match="it is running already"):
        jobs.start(tmp_path / "job", ["models"])
    job.cancel()
    status = job.wait()
    assert status.state == "interrupted"
    assert "--resume goes on from there" in status.error
    assert (out / "checkpoint" / "state.safetensors").is_file()
    # The folder may be used again.
    assert jobs.start(tmp_path / "job", ["models"]).wait().state == "finished"


def test_a_cancelled_command_cleans_up(tmp_path):
    out = tmp_path / "world"
    job = jobs.start(tmp_path / "job", ["data", "plant", "--rows", "100000000", "--out", str(out)])
    until(job, lambda: list(tmp_path.glob(".world.partial-*")))
    job.cancel()
    assert job.wait().state == "interrupted"
    assert [path.name for path in tmp_path.iterdir()] == ["job"]


def test_a_killed_job_is_interrupted(tmp_path):
    out = tmp_path / "world"
    job = jobs.start(tmp_path / "job", ["data", "plant", "--rows", "100000000", "--out", str(out)])
    os.kill(job.pid, signal.SIGKILL)
    status = job.wait()
    assert (status.state, status.error) == ("interrupted", "the process was killed")


def test_a_job_that_will_not_listen_is_killed(tmp_path):
    code = (
        "import signal, sys; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    )
    (tmp_path / "job").mkdir()
    import subprocess

    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        child.stdout.readline()
        known = {"arguments": [], "pid": child.pid, "started": jobs.birth(child.pid)}
        (tmp_path / "job" / "job.json").write_text(json.dumps(known))
        jobs.Job(tmp_path / "job").cancel(grace=0.1)
        assert child.wait(10) == -signal.SIGKILL


def test_another_process_with_the_same_number_is_not_the_job(tmp_path):
    known = {"arguments": [], "pid": os.getpid(), "started": jobs.birth(os.getpid()) - 1}
    (tmp_path / "job.json").write_text(json.dumps(known))
    job = jobs.Job(tmp_path)
    assert job.status().state == "interrupted"
    job.cancel(grace=0)  # or this test would not live to see the next line
    assert job.wait().state == "interrupted"


def test_a_folder_that_is_no_job(tmp_path):
    with pytest.raises(MsvizError, match="wanted: the folder of a started job"):
        jobs.Job(tmp_path)


def test_tell_writes_seldom_but_always_the_end(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    jobs.tell(0.5, "nobody asked")
    monkeypatch.setenv("MSVIZ_PROGRESS", str(file))
    monkeypatch.setattr(jobs, "_told", -1e9)
    jobs.tell(0.1, "first")
    jobs.tell(0.2, "too soon")
    assert json.loads(file.read_text()) == {"share": 0.1, "words": "first"}
    jobs.tell(1.0, "done")
    assert json.loads(file.read_text()) == {"share": 1.0, "words": "done"}


@pytest.fixture(scope="module")
def warm(tmp_path_factory):
    """A process that forks jobs for this one, ready to be asked."""
    path = tmp_path_factory.mktemp("warm") / "socket"
    process = subprocess.Popen(
        [sys.executable, "-m", "msviz.cli._warm", str(path), str(os.getpid())], start_new_session=True
    )
    pause = threading.Event()
    for _ in range(6000):
        if path.exists() or process.poll() is not None:
            break
        pause.wait(0.01)
    assert path.exists(), "it never listened"
    yield path
    process.terminate()
    process.wait()


def test_a_forked_job_is_like_any_other(warm, tmp_path):
    job = jobs.start(tmp_path / "job", ["models"], warm=warm)
    assert job.wait().state == "finished"
    assert "autoint" in (tmp_path / "job" / "output.log").read_text()
    failed = jobs.start(tmp_path / "other", ["data", "describe", "/nowhere"], warm=warm).wait()
    assert (failed.state, failed.error[:27]) == ("failed", "error: data: got '/nowhere'")


def test_a_forked_job_has_a_session_of_its_own_and_is_cancelled(warm, tmp_path, tiny_world):
    out = tmp_path / "run"
    command = ["train", "autoint", "--data", str(tiny_world.path), "--out", str(out), "--device", "cpu"]
    small = ["layers=1", "width=4", "hidden=8", "batch_size=256", "patience=1000"]
    sets = [part for pair in small for part in ("--set", pair)]
    job = jobs.start(tmp_path / "job", [*command, *sets, "--epochs", "1000"], warm=warm)
    until(job, lambda: "epoch 1/1000" in job.status().words)
    parent = int(Path(f"/proc/{job.pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
    assert parent != os.getpid(), "it was forked elsewhere"
    assert os.getsid(job.pid) == job.pid
    job.cancel()
    assert job.wait().state == "interrupted"
    assert (out / "checkpoint" / "state.safetensors").is_file()


def test_without_a_warm_process_a_job_starts_on_its_own(tmp_path):
    assert jobs.start(tmp_path / "job", ["models"], warm=tmp_path / "nobody").wait().state == "finished"
    deaf = socket.socket(socket.AF_UNIX)
    deaf.bind(str(tmp_path / "deaf"))
    deaf.listen()  # it takes the call and never answers
    assert jobs.start(tmp_path / "late", ["models"], warm=tmp_path / "deaf").wait().state == "finished"
    deaf.close()


def test_the_warm_process_ends_with_its_owner(tmp_path):
    owner = subprocess.Popen(["sleep", "60"])
    path = tmp_path / "socket"
    code = "import sys; from msviz.cli import _warm; _warm.get_ready = lambda: None; sys.exit(_warm.main())"
    process = subprocess.Popen([sys.executable, "-c", code, str(path), str(owner.pid)])
    owner.kill()
    owner.wait()
    assert process.wait(timeout=30) == 0 and not path.exists()
