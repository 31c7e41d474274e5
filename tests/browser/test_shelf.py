"""The shelf in Chromium: runs picked by clicks, deleted and back, taken as a zip, brought in; on a phone."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_server import Server
from playwright.sync_api import Page, expect

from msviz.dataset import Dataset
from msviz.run import Run

pytestmark = pytest.mark.browser
PHONE = {"width": 390, "height": 844}


@pytest.fixture(scope="module")
def own(
    shelf_folder: Path, tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """An app over a shelf of its own, on which anything may be done."""
    models = tmp_path_factory.mktemp("own") / "models"
    shutil.copytree(shelf_folder, models)
    found = Server(models, tiny_world.path.parent, tmp_path_factory.mktemp("jobs"))
    yield found
    found.stop()


def shelf_of(server: Server) -> Path:
    return Path(server.environment["MSVIZ_MODELS"])


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def pick(page: Page, *rows: int) -> None:
    """Click the boxes in front of rows of the table, the first is 0."""
    table = page.get_by_test_id("stDataFrame")
    expect(table).to_be_visible()
    settled(page)
    for row in rows:
        table.click(position={"x": 18, "y": 52 + 35 * row})
        settled(page)


def test_runs_are_picked_deleted_and_back(page: Page, own: Server) -> None:
    page.goto(f"{own.address}/shelf?shelf_sort=Name")
    pick(page, 0, 1)
    expect(page.get_by_role("link", name="Compare 2 runs")).to_be_visible()
    page.get_by_role("button", name="Delete").click()
    expect(page.get_by_text("Deleted 2 runs.")).to_be_visible()
    assert not (shelf_of(own) / "tiny-autoint").exists()
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_text("tiny-autoint is back")).to_be_visible()
    assert Run.open(shelf_of(own) / "tiny-autoint")
    pick(page, 0, 1)
    page.get_by_role("link", name="Compare 2 runs").click()
    expect(page).to_have_url(re.compile(r"/performance\?.*runs=tiny-autoint&runs=tiny-hierrec"))
    expect(page.get_by_text("Which run predicts better, and where?").first).to_be_visible()


def test_a_run_leaves_as_a_zip_and_comes_back(page: Page, own: Server, tmp_path: Path) -> None:
    page.goto(f"{own.address}/shelf?find=tiny-same")
    pick(page, 0)
    with page.expect_download() as waiting:
        page.get_by_test_id("stDownloadButton").get_by_role("button").click()
    assert waiting.value.suggested_filename == "tiny-same.zip"
    waiting.value.save_as(tmp_path / "tiny-same.zip")
    card = Run.open(shelf_of(own) / "tiny-same").card
    shutil.rmtree(shelf_of(own) / "tiny-same")
    (tmp_path / "bad.zip").write_bytes(b"no zip")
    page.goto(f"{own.address}/shelf")
    page.get_by_text("Import a run").click()
    files = page.get_by_test_id("stFileUploaderDropzoneInput")
    files.set_input_files([tmp_path / "tiny-same.zip", tmp_path / "bad.zip"])
    expect(page.get_by_test_id("stFileChip")).to_have_count(2)
    page.get_by_role("button", name="Put on the shelf").click()
    expect(page.get_by_text("tiny-same is on the shelf")).to_be_visible()
    expect(page.get_by_text("bundle bad.zip: it cannot be read as a zip")).to_be_visible()
    assert Run.open(shelf_of(own) / "tiny-same").card == card


def test_nothing_is_wider_than_a_phone(page: Page, own: Server) -> None:
    page.set_viewport_size(PHONE)
    page.goto(f"{own.address}/shelf?find=tiny")
    pick(page, 0)
    page.get_by_text("Rename, describe, tag").click()
    page.get_by_text("Import a run").click()
    settled(page)
    wide = page.evaluate(
        """() => [...document.querySelectorAll('[data-testid=stMain] *')].filter(one =>
            !one.closest('[data-testid=stDataFrame]') && one.getBoundingClientRect().right > innerWidth + 1
        ).map(one => one.outerHTML.slice(0, 120))"""
    )
    assert not wide
