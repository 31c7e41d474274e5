"""The queue with real processes: order, room, cancelling, resuming, and what a reader sees of it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import pytest
from jobs_helpers import until

from msviz.errors import MsvizError
from msviz.jobs import Job, Queue, process, progress


def answer(queue, *arguments, **more):
    return queue.submit([*arguments], kind="answer", title="an answer", **more)


def test_a_job_finishes_and_tells_who_asked_for_what_and_when(queue, tmp_path):
    before = time.time()
    job = answer(queue, "models", who="ada")
    assert job.status().state in ("running", "finished")
    assert job.wait().state == "finished"
    assert "autoint" in job.log()
    again = Queue(queue.folder).job(job.id)  # as a restarted server sees it
    assert (again.who, again.title, again.arguments) == ("ada", "an answer", ["models"])
    assert before <= again.created <= again.status().ended <= time.time()
    assert again.status().share == 1.0


def test_a_job_fails_with_the_command_s_own_line(queue):
    status = answer(queue, "data", "describe", "/nowhere").wait()
    assert (status.state, status.error[:20]) == ("failed", "data: got '/nowhere'")


def test_one_runs_and_the_others_wait_in_order(queue, train):
    first, second, third = train("first"), train("second"), train("third", 1)
    assert [job.status().state for job in (first, second, third)] == ["running", "queued", "queued"]
    until(lambda: "epoch 1/1000" in first.status().words)
    queue.move(third, -1)
    assert [job.title for job in queue.jobs()] == ["first", "third", "second"]
    queue.move(third, 5)  # further than the line is long
    assert [job.title for job in queue.jobs()] == ["first", "second", "third"]
    queue.remove(second)
    assert [job.title for job in queue.jobs()] == ["first", "third"]
    with pytest.raises(MsvizError, match="it is running; cancel it first"):
        queue.remove(first)
    with pytest.raises(MsvizError, match="it does not wait"):
        queue.move(first, 1)
    queue.cancel(first)
    assert first.wait().state == "cancelled"
    assert queue.dispatch()
    assert third.wait().state == "finished"
    assert not queue.dispatch()
    assert third.result is not None and (third.result / "run.json").is_file()


def test_an_answer_need_not_wait_for_a_training(queue, train):
    training = train()
    assert answer(queue, "models").wait().state == "finished"
    assert training.status().state == "running"


def test_more_may_run_where_there_is_room(queue, train, monkeypatch):
    monkeypatch.setenv("MSVIZ_TRAININGS", "2")
    assert [train(name).status().state for name in "abc"] == ["running", "running", "queued"]
    monkeypatch.setenv("MSVIZ_TRAININGS", "many")
    with pytest.raises(MsvizError, match="MSVIZ_TRAININGS: got 'many'; wanted: a whole number from 1"):
        queue.dispatch()


def test_the_same_question_finds_the_same_job(queue, train):
    one = answer(queue, "data", "plant", "--rows", "100000000", "--out", "x", key="question")
    two = answer(queue, "models", key="question")
    assert two.id == one.id and two.arguments[0] == "data"  # what runs already is not disturbed
    queue.cancel(one)
    assert one.wait().state == "cancelled"
    assert answer(queue, "models", key="question").wait().state == "finished"
    assert len(queue.jobs()) == 1


def test_two_jobs_never_make_the_same_run(queue, train):
    train("taken")
    with pytest.raises(MsvizError, match="out: got 'taken'; a job that makes it is running already"):
        train("taken")
    assert len(queue.jobs()) == 1


def test_two_who_submit_at_once_start_one_training(queue, training, tmp_path):
    """Many readers at the same time, each with an eye of their own on the folder."""
    jobs: list[Job] = []

    def submit(number: int) -> None:
        mine = Queue(queue.folder)
        name = f"run-{number}"
        jobs.append(
            mine.submit(training(name), kind="training", title=name, result=tmp_path / "models" / name)
        )

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    states = [job.status().state for job in jobs]
    assert sorted(states) == ["queued"] * 5 + ["running"]
    for thread in [threading.Thread(target=Queue(queue.folder).cancel, args=(job,)) for job in jobs]:
        thread.start()
        thread.join()
    for job in jobs:
        assert job.wait().state == "cancelled"


def test_a_cancel_is_told_at_once_and_leaves_a_checkpoint_that_goes_on(queue, train):
    job = train()
    until(lambda: "epoch 1/1000" in job.status().words)
    assert os.getsid(job.pid) == job.pid
    assert os.getpriority(os.PRIO_PROCESS, job.pid) == min(os.nice(0) + process.NICE, 19)
    queue.cancel(job)
    assert job.status().state in ("cancelling", "cancelled")
    status = job.wait()  # benchmarks/jobs.py times it
    assert (status.state, "--resume goes on" in status.error) == ("cancelled", True)
    assert (job.result / "checkpoint" / "state.safetensors").is_file()
    queue.resume(job)
    until(lambda: "resuming in epoch" in job.log())
    assert job.status().state == "running"
    with pytest.raises(MsvizError, match="it is running already"):
        queue.resume(job)


def test_a_waiting_job_is_cancelled_without_ever_running(queue, train):
    train("first")
    waiting = train("second")
    queue.cancel(waiting)
    assert waiting.status().state == "cancelled" and not (waiting.folder / "process.json").exists()


def test_a_cancelled_command_cleans_up(queue, tmp_path):
    out = tmp_path / "world"
    job = answer(queue, "data", "plant", "--rows", "100000000", "--out", str(out))
    until(lambda: list(tmp_path.glob(".world.partial-*")))
    queue.cancel(job)
    assert job.wait().state == "cancelled"
    assert [path.name for path in tmp_path.iterdir()] == ["jobs"]


def test_a_job_that_will_not_listen_is_killed(queue):
    code = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); signal.pause()"
    job = answer(queue, "models")
    job.wait()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        child.stdout.readline()
        (job.folder / "exit.json").unlink()
        known = {"pid": child.pid, "born": process.birth(child.pid), "at": time.time()}
        (job.folder / "process.json").write_text(json.dumps(known))
        queue.cancel(job, grace=0.1)
        assert job.status().state == "cancelling"
        assert child.wait(10) == -signal.SIGKILL
    assert job.wait().state == "cancelled"


def test_who_asked_to_cancel_may_be_gone(queue, train):
    """The queue itself kills what was asked to end long ago."""
    job = train()
    until(lambda: "epoch 1/1000" in job.status().words)
    job.signal(signal.SIGSTOP)  # it cannot hear
    (job.folder / "cancel.json").write_text(json.dumps({"at": time.time() - 60}))
    queue.dispatch()
    assert job.wait().state == "cancelled"


def test_another_process_with_the_same_number_is_not_the_job(queue):
    job = answer(queue, "models")
    job.wait()
    (job.folder / "exit.json").unlink()
    known = {"pid": os.getpid(), "born": "another boot:17", "at": time.time()}
    (job.folder / "process.json").write_text(json.dumps(known))
    assert job.status().state == "interrupted"
    queue.cancel(job, grace=0)  # or this test would not live to see the next line
    job.signal(signal.SIGKILL)
    assert job.status().state == "interrupted"


def test_one_that_was_just_asked_for_is_not_started_twice(queue, train):
    first = train("first")
    second = train("second")
    (second.folder / "process.json").write_text(json.dumps({"pid": 0, "born": "", "at": time.time()}))
    queue.cancel(first)
    first.wait()
    queue.dispatch()
    assert second.pid == 0 and second.status().state == "running"
    (second.folder / "process.json").write_text(json.dumps({"pid": 0, "born": "", "at": time.time() - 60}))
    queue.dispatch()  # whoever asked for it is gone
    assert second.pid > 0


def test_what_is_no_job(queue, tmp_path):
    with pytest.raises(MsvizError, match="wanted: the folder of a job"):
        Job(tmp_path)
    for name in ("", ".", "..", "../jobs", "nobody", "a/b"):
        assert queue.job(name) is None
    (queue.folder / "half").mkdir(parents=True)
    (queue.folder / "half" / "job.json").write_text('{"argum')
    assert queue.jobs() == []


def test_old_jobs_are_forgotten(queue, monkeypatch):
    monkeypatch.setattr("msviz.jobs.queue.KEPT", 2)
    for number in range(4):
        answer(queue, "models", key=f"job-{number}").wait()
    queue.dispatch()
    assert [job.id for job in queue.jobs()] == ["job-2", "job-3"]


def test_leftovers_go_only_with_what_never_became_a_run(queue, train, training, tmp_path):
    job = train("half")
    until((job.result / "checkpoint" / "settings.json").is_file)
    queue.cancel(job)
    job.wait()
    queue.remove(job, leftovers=True)
    assert not (tmp_path / "models" / "half").exists() and queue.jobs() == []
    done = train("done", 1)
    assert done.wait().state == "finished"
    queue.remove(done, leftovers=True)
    assert (tmp_path / "models" / "done" / "run.json").is_file()


def test_tell_writes_seldom_but_always_the_end(tmp_path, monkeypatch):
    file = tmp_path / "progress.json"
    progress.tell(0.5, "nobody asked")
    monkeypatch.setenv("MSVIZ_PROGRESS", str(file))
    monkeypatch.setattr(progress, "_told", -1e9)
    progress.tell(0.1, "first")
    progress.tell(0.2, "too soon")
    assert json.loads(file.read_text()) == {"share": 0.1, "words": "first"}
    progress.tell(1.0, "done")
    assert json.loads(file.read_text()) == {"share": 1.0, "words": "done"}
    monkeypatch.setenv("MSVIZ_PROGRESS", str(tmp_path / "gone" / "progress.json"))
    progress.tell(1.0, "nowhere to write it, and no reason to stop")
