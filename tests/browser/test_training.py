"""What a modeller does: change a setting, watch, compare; two tabs at once; an app that dies meanwhile."""

import re
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_server import Server
from playwright.sync_api import Browser, Page, expect

from msviz.dataset import Dataset
from msviz.jobs import Job, Queue
from msviz.run import Run
from msviz.shelving.notes import read_notes

pytestmark = pytest.mark.browser


@pytest.fixture
def own_server(
    shelf_folder: Path, tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An app over a shelf of its own, on which anything may be done."""
    models = tmp_path_factory.mktemp("own") / "models"
    shutil.copytree(shelf_folder, models)
    found = Server(models, tiny_world.path.parent, tmp_path_factory.mktemp("jobs"), warm=False)
    yield found
    found.stop()


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def trained(server: Server) -> list[Job]:
    return [job for job in Queue(server.jobs).jobs() if job.kind == "training"]


def start(page: Page, server: Server, run: str, changes: str) -> str:
    """Start a training by the link of its form; return the link of the job."""
    page.goto(f"{server.address}/train?from={run}&set={changes}")
    button = page.get_by_role("button", name="Start", exact=True)
    expect(button).to_be_enabled()
    settled(page)
    button.click()
    expect(page).to_have_url(re.compile("job="))
    return page.url


def test_retrain_same_with_three_experts_and_compare(page: Page, own_server: Server) -> None:
    page.goto(f"{own_server.address}/gates?run=tiny-same")
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    page.get_by_role("link", name="Retrain this run with").click()
    expect(page.get_by_role("heading", name="Train", level=1)).to_be_visible()
    settled(page)
    page.get_by_role("combobox", name="Change a setting").click()
    page.get_by_role("option", name=re.compile("^experts:")).click()
    settled(page)
    number = page.get_by_test_id("stNumberInput").filter(has_text="experts").locator("input")
    number.fill("3")
    number.press("Enter")
    expect(page.get_by_role("button", name="experts 3 instead of 2")).to_be_visible()
    button = page.get_by_role("button", name="Start", exact=True)
    expect(button).to_be_enabled()
    settled(page)
    button.click()
    # While it trains, or right after: a tiny training may be done before its progress can be seen.
    expect(page.get_by_role("heading", name="What did the change do to")).to_be_visible(timeout=120_000)
    expect(page.get_by_text("experts 3 instead of 2").first).to_be_visible()
    expect(page.get_by_text(re.compile("tiny-same")).first).to_be_visible()
    expect(page.get_by_test_id("stDataFrame").first).to_be_visible(timeout=120_000)
    expect(page.get_by_role("heading", name="How do its experts share the work now?")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").nth(1)).to_be_visible(timeout=120_000)
    (job,) = trained(own_server)
    assert job.result is not None
    run = Run.open(job.result)
    parent = read_notes(run.path).parent
    assert run.card.config["experts"] == 3
    assert parent is not None and parent.name == "tiny-same"
    link = page.url
    page.reload()
    expect(page.get_by_role("heading", name="What did the change do to")).to_be_visible()
    assert page.url == link


def test_two_tabs_start_watch_and_cancel(page: Page, chromium: Browser, own_server: Server) -> None:
    other = page.context.new_page()
    other.set_default_timeout(60_000)
    slow = "epochs:1000,patience:1000,batch_size:256"
    link = start(page, own_server, "tiny-autoint", slow)
    start(other, own_server, "tiny-satrans", slow)  # at the same time, from another tab
    expect(other.get_by_text("1st in line")).to_be_visible()
    expect(page.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    page.close()  # the tab; the training goes on
    other.goto(link)
    expect(other.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    third = chromium.new_context().new_page()
    third.set_default_timeout(60_000)
    third.goto(link)
    expect(third.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    third.get_by_role("button", name="Cancel").click()
    for tab in (third, other):
        expect(tab.get_by_role("button", name="Go on")).to_be_visible()
    first, second = trained(own_server)
    assert first.status().state == "cancelled"
    # The one that waited has its turn; the first goes behind it.
    third.get_by_role("button", name="Go on").click()
    expect(third.get_by_text("1st in line")).to_be_visible()
    assert second.status().state == "running"
    third.get_by_role("button", name="Remove").click()
    expect(
        third.get_by_text("This job is gone").or_(third.get_by_text("Running and waiting"))
    ).to_be_visible()
    third.context.close()
    assert [job.id for job in trained(own_server)] == [second.id]


def test_an_app_that_is_killed_and_a_job_that_is_killed(page: Page, own_server: Server) -> None:
    link = start(page, own_server, "tiny-autoint", "epochs:1000,patience:1000,checkpoint_seconds:0.01")
    expect(page.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    page.goto("about:blank")
    own_server.kill()
    (job,) = trained(own_server)
    assert job.status().state == "running"
    pid = job.pid
    own_server.start()
    page.goto(link)
    expect(page.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    job.signal(signal.SIGKILL)
    expect(page.get_by_text("interrupted once")).to_be_visible()
    expect(page.get_by_text(re.compile(r"epoch \d+/1000"))).to_be_visible()
    pause = threading.Event()
    for _ in range(6000):
        if "resuming in epoch" in job.log():
            break
        pause.wait(0.01)
    assert job.pid != pid and "resuming in epoch" in job.log()
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Go on")).to_be_visible()
