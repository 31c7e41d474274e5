"""Jobs on the demo: starting, cancelling, being killed, and how quick pages stay while a model trains.

    python benchmarks/jobs.py [--models models] [--data data] [--repeat 5] [--part jobs|pages|retrain ...]

`jobs` works with the queue and its engine alone, `pages` measures every change of app_speed.py in turns, idle
and while SATrans trains, `retrain` goes from the form of a retraining to the comparison in Chromium.
"""

import argparse
import math
import os
import shutil
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import app_speed
from playwright.sync_api import Browser, Page, expect, sync_playwright

from msviz.jobs import Job, Queue, engine

ROOT = Path(__file__).parents[1]
# The demo's recipes (models/recipes.mk), long enough to be caught at work.
LONG = {
    "satrans": ("initial_deviation=0.3",),
    "same": ("width=32", "item_width=16", "main_net=64,32,16", "bias_net=32,16,8"),
    "hierrec": ("width=8", "bottleneck=8"),
}
# A run, the setting that is changed, and its new value.
RETRAINED = (
    ("demo-optmsm", "constraint", "off"),
    ("demo-hierrec", "heads", "2"),
    ("demo-same-2", "experts", "3"),
)


def until(wanted: Callable[[], object], seconds: float = 300.0) -> float:
    """Return the seconds until something holds; raise TimeoutError where it does not in time."""
    begin, pause = time.perf_counter(), threading.Event()
    while not wanted():
        if time.perf_counter() - begin > seconds:
            raise TimeoutError
        pause.wait(0.005)
    return time.perf_counter() - begin


def submit(queue: Queue, model: str, data: str, out: Path, epochs: int = 100) -> Job:
    """Start a training of the demo's kind."""
    sets = [part for pair in (*LONG[model], "batch_size=1024") for part in ("--set", pair)]
    line = ["train", model, "--data", f"{data}/demo", "--out", str(out), "--device", "cpu", *sets]
    return queue.submit([*line, "--epochs", str(epochs)], kind="training", title=model, result=out)


def told(seconds: list[float]) -> str:
    return f"{statistics.median(seconds):.2f} ({max(seconds):.2f})"


def jobs(data: str, repeat: int) -> Iterator[str]:
    """Yield how long it takes until a job trains, has ended after a cancel, and goes on after kill -9."""
    yield "| model | from asking to the first step, s | cancelled after, s | goes on after kill -9, s |"
    yield "|---|---|---|---|"
    with tempfile.TemporaryDirectory() as place:
        queue = Queue(Path(place) / "jobs", engine.socket_of(Path(place) / "jobs"))
        engine.ensure(queue.folder)
        until(engine.socket_of(queue.folder).exists)
        for model in LONG:
            print(model, file=sys.stderr)
            times: dict[str, list[float]] = {"start": [], "cancel": [], "kill": []}
            for number in range(repeat):
                job = submit(queue, model, data, Path(place) / "models" / f"{model}-{number}")
                times["start"].append(until(lambda job=job: "epoch 1" in job.status().words))
                before = job.pid
                job.signal(signal.SIGKILL)
                times["kill"].append(
                    until(
                        lambda job=job, before=before: (
                            job.pid not in (0, before) and job.status().state == "running"
                        )
                    )
                )
                until(lambda job=job: "resuming" in job.log() or "starts at the beginning" in job.log())
                queue.cancel(job)
                assert job.status().state in ("cancelling", "cancelled")
                times["cancel"].append(until(lambda job=job: job.status().state == "cancelled"))
                queue.remove(job, leftovers=True)
            yield f"| {model} | {told(times['start'])} | {told(times['cancel'])} | {told(times['kill'])} |"


def pages(browser: Browser, home: str, queue: Queue, data: str, models: Path, repeat: int) -> Iterator[str]:
    """Yield how long the server needs for a change on a page, idle and while a model trains, in turns."""
    yield "| change | idle, ms | while SATrans trains, ms |\n|---|---|---|"
    for name, (place, label) in app_speed.CHANGES.items():
        print(name, file=sys.stderr)
        page, wire, _ = app_speed.visit(browser, f"{home}/{place}")
        for option in (1, 2):
            app_speed.change(page, wire, label, option)  # answers are kept from here on
        times: dict[str, list[float]] = {"idle": [], "busy": []}
        for turn in range(2):
            times["idle"] += changes(page, wire, label, repeat)
            job = submit(queue, "satrans", data, models / f"busy-{turn}")
            until(lambda job=job: "epoch 1" in job.status().words)
            times["busy"] += changes(page, wire, label, repeat)
            queue.cancel(job)
            job.wait()
            queue.remove(job, leftovers=True)
        idle, busy = ([1000 * one for one in times[key]] for key in ("idle", "busy"))
        yield (
            f"| {name} | {statistics.median(idle):.0f} ({max(idle):.0f}) | "
            f"{statistics.median(busy):.0f} ({max(busy):.0f}) |"
        )
        page.context.close()


def changes(page: Page, wire: app_speed.Wire, label: str, repeat: int) -> list[float]:
    found = [app_speed.change(page, wire, label, 1 + turn % 2) for turn in range(repeat + 1)]
    return [one for one in found if not math.isnan(one)]  # the first may have been chosen already


def retrain(browser: Browser, home: str) -> Iterator[str]:
    """Yield the seconds from opening the form of a retraining to the comparison with its parent."""
    yield "| retrained with | from the click on Start to the comparison, s |\n|---|---|"
    for run, setting, value in RETRAINED:
        print(run, file=sys.stderr)
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(600_000)
        page.goto(f"{home}/train?from={run}&set={setting}:{value}")
        app_speed.settle(page)
        begin = time.perf_counter()
        page.get_by_role("button", name="Start", exact=True).click()
        expect(page.get_by_role("heading", name="What did the change do", exact=False)).to_be_visible(
            timeout=600_000
        )
        expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=600_000)
        both = page.locator('[class*="beside-"] .js-plotly-plot .main-svg >> visible=true')
        expect(both.nth(1)).to_be_visible(timeout=600_000)
        yield f"| {run}, {setting} {value} | {time.perf_counter() - begin:.0f} |"
        page.context.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default=str(ROOT / "models"))
    parser.add_argument("--data", default=str(ROOT / "data"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--part", nargs="+", default=["jobs", "pages", "retrain"])
    asked = parser.parse_args()
    data = str(Path(asked.data).resolve())
    if "jobs" in asked.part:
        for line in jobs(data, asked.repeat):
            print(line, flush=True)
    if set(asked.part) == {"jobs"}:
        return
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    # A copy, so that the shelf stays as it is.
    with tempfile.TemporaryDirectory() as place, sync_playwright() as playwright:
        models = Path(place) / "models"
        shutil.copytree(asked.models, models, ignore=shutil.ignore_patterns(".jobs", ".trash"))
        os.environ.update(MSVIZ_JOBS=str(Path(place) / "jobs"), MSVIZ_DATA=data)
        queue = Queue(Path(place) / "jobs", engine.socket_of(Path(place) / "jobs"))
        browser = playwright.chromium.launch(executable_path=path, args=options)
        with app_speed.serving(str(models), data) as home:
            if "pages" in asked.part:
                for line in pages(browser, home, queue, data, models, asked.repeat):
                    print(line, flush=True)
            if "retrain" in asked.part:
                for line in retrain(browser, home):
                    print(line, flush=True)
        browser.close()
    print("\nMedian (worst).")


if __name__ == "__main__":
    main()
