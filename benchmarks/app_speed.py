"""How fast the app answers in Chromium on the demo: first view, changes of scenario and head, bytes a page.

    python benchmarks/app_speed.py [--models models] [--data data] [--repeat 5]

A change is timed between the browser's request and the server's word that the script has finished, as
they pass the websocket: it is what the server needs, without the browser's drawing.
"""

import argparse
import base64
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Page, TimeoutError, expect, sync_playwright
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

ROOT = Path(__file__).parents[1]
PATIENCE = 5.0  # seconds for a change to be answered
PLOT = ".js-plotly-plot .main-svg"
PAPERS = ("SATrans", "OptMSM", "SAINet", "HierRec", "SAME")
PAGES = {
    "Overview": "",
    "Performance": "performance",
    "Attention, one head": "attention",
    "Attention, all layers and heads": "attention?show=All+layers+and+heads",
    "Attention, difference": "attention?view=Difference",
    "Attention, two runs": "attention?view=Two+runs",
    "Attention, importance": "attention?view=Importance",
    "Attention, similar scenarios": "attention?view=Similar+scenarios",
    "Impressions, one open": "impressions?row={row}",
    "Performance, runs": "performance?performance_view=Runs",
    "Performance, cost": "performance?performance_view=Cost",
    "Scenarios": "scenarios",
    "Feature weights": "weights?run=demo-hierrec",
    "Feature weights, cost of loss": "weights?run=demo-hierrec&weights=What+it+costs+to+lose+a+field",
    "Feature weights, flow of rows": "weights?run=demo-hierrec&weights=Flow+of+rows",
    "Representations, two runs": "representations?run=demo-optmsm&other=demo-optmsm-unconstrained",
    "Gates over time": "gates?run=demo-same-2",
    "Gates over time, rates": "gates?run=demo-same-2&gates=Rates",
    "Behaviours, one impression": "behaviours?run=demo-same-2",
    "Behaviours, migration": "behaviours?run=demo-sainet&behaviours=Migration",
    "Experiments": "experiments",
    **{f"Gallery, {name}": f"gallery?paper={name}" for name in PAPERS},
}
# What is changed on a page, by the label of its select box; options 1 and 2 in turns.
CHANGES = {
    "Attention, scenario": ("attention", "Scenario"),
    "Attention, head": ("attention", "Head"),
    "Attention, difference, scenario": ("attention?view=Difference", "Scenario"),
    "Performance, runs in a list, scenario": ("performance?performance_view=Runs&runs_show=List", "Scenario"),
    "Scenarios, what is shown": ("scenarios", "Show"),
    "Feature weights, scenario": ("weights?run=demo-hierrec", "Scenario"),
    "Representations, colour": ("representations?run=demo-optmsm", "Colour"),
    "Gates over time, scenario": ("gates?run=demo-same-2", "Scenario"),
    "Behaviours, migration, scenario": ("behaviours?run=demo-sainet&behaviours=Migration", "Scenario"),
    "Experiments, metric": ("experiments", "Metric"),
}


class Wire:
    """What passes the websocket of a page, on the browser's own clock: requests, answers, figures' bytes."""

    def __init__(self, page: Page) -> None:
        self.sent = self.done = 0.0
        self.figures: dict[str, int] = {}
        session = page.context.new_cdp_session(page)
        session.send("Network.enable")
        session.on("Network.webSocketFrameSent", self._asked)
        session.on("Network.webSocketFrameReceived", self._answered)

    def clear(self) -> None:
        """Forget the last request and its answer."""
        self.sent = self.done = 0.0

    def _asked(self, event: dict[str, Any]) -> None:
        self.sent = self.sent or event["timestamp"]

    def _answered(self, event: dict[str, Any]) -> None:
        if event["response"]["opcode"] != 2:
            return
        message = ForwardMsg.FromString(base64.b64decode(event["response"]["payloadData"]))
        kind = message.WhichOneof("type")
        if kind == "script_finished" and self.sent:
            self.done = event["timestamp"]
        elif kind == "delta" and message.delta.new_element.WhichOneof("type") == "plotly_chart":
            path = str(list(message.metadata.delta_path))
            self.figures[path] = len(message.delta.new_element.plotly_chart.spec)


@contextmanager
def serving(models: str, data: str) -> Iterator[str]:
    """Start the app on a free port and stop it at the end."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app/main.py"),
            *(f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"),
        ],
        cwd=ROOT,
        env={**os.environ, "MSVIZ_MODELS": models, "MSVIZ_DATA": data},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def visit(browser: Browser, link: str) -> tuple[Page, Wire, float]:
    """Open a link as a new visitor; return the page, its wire and the seconds until a picture stands."""
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    page.set_default_timeout(60_000)
    wire = Wire(page)
    begin = time.perf_counter()
    page.goto(link)
    page.locator(f"{PLOT} >> visible=true").first.wait_for()
    seconds = time.perf_counter() - begin
    settle(page)
    return page, wire, seconds


def settle(page: Page) -> None:
    """Wait until no script runs and no job is shown."""
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    expect(page.get_by_test_id("stProgress")).to_have_count(0, timeout=300_000)


def change(page: Page, wire: Wire, label: str, option: int) -> float:
    """Choose the option at a place in a select box; return the server's seconds."""
    box = page.get_by_test_id("stSelectbox").filter(has=page.get_by_text(label, exact=True))
    box.first.get_by_role("combobox").click()
    wire.clear()
    options = page.get_by_role("option")
    options.first.wait_for()
    options.nth(option % options.count()).click()
    deadline = time.monotonic() + PATIENCE
    while not wire.done and time.monotonic() < deadline:
        page.wait_for_timeout(5)
    settle(page)
    return wire.done - wire.sent if wire.done else float("nan")  # it was chosen already: nothing ran


def measure(browser: Browser, home: str, row: int, repeat: int, pages: bool) -> Iterator[str]:
    """Yield the lines of the report as they are measured."""
    yield "| page | picture stands after, s | figures, kB |\n|---|---|---|"
    for name, place in PAGES.items() if pages else ():
        print(name, file=sys.stderr)
        link = f"{home}/{place.format(row=row)}"
        try:
            visit(browser, link)[0].context.close()  # answers are kept and the model is open from here on
        except TimeoutError:
            yield f"| {name} | no picture in a minute | |"
            continue
        times = []
        for _ in range(repeat):
            page, wire, seconds = visit(browser, link)
            times.append(seconds)
            size = sum(wire.figures.values())
            page.context.close()
        yield f"| {name} | {statistics.median(times):.2f} ({max(times):.2f}) | {size / 1000:.0f} |"
    yield "\n| change | server, ms |\n|---|---|"
    for name, (place, label) in CHANGES.items():
        print(name, file=sys.stderr)
        page, wire, _ = visit(browser, f"{home}/{place}")
        for option in (1, 2):
            change(page, wire, label, option)  # answers are kept from here on
        times = [change(page, wire, label, 1 + turn % 2) for turn in range(2 * repeat)]
        yield f"| {name} | {1000 * statistics.median(times):.0f} ({1000 * max(times):.0f}) |"
        page.context.close()


def row_of(models: str) -> int:
    """Return the first test row of the newest run's data."""
    from msviz.data.run_data import find_data
    from msviz.run import shelf

    return int(find_data(shelf(models)[0]).split("test").row[0])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", default=str(ROOT / "models"))
    parser.add_argument("--data", default=str(ROOT / "data"))
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--changes", action="store_true", help="measure changes on pages alone")
    asked = parser.parse_args()
    asked.models, asked.data = str(Path(asked.models).resolve()), str(Path(asked.data).resolve())
    os.environ["MSVIZ_DATA"] = asked.data
    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    options = ["--no-sandbox"] if os.getuid() == 0 else []
    with serving(asked.models, asked.data) as home, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        for line in measure(browser, home, row_of(asked.models), asked.repeat, not asked.changes):
            print(line, flush=True)
        print("\nMedian (worst). Targets: first view 3 s, a change 300 ms, figures of a page 1,000 kB.")
        browser.close()


if __name__ == "__main__":
    main()
