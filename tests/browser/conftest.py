"""The app over a small shelf, in real Chromium: one server for the session, stopped at its end."""

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from app_server import Server
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from msviz.dataset import Dataset

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "app"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Streamlit asks for these under every path of the address until one answers.
expect.set_options(timeout=60_000)
# What is told of answers elsewhere, and what parts that look anew each second say when their page is left.
HARMLESS = ("Failed to load resource", "Cannot send rerun backMessage when disconnected from server")
PROBES = re.compile(r"/_stcore/(health|host-config)$")


@pytest.fixture(scope="session")
def shelf_folder(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import a_shelf

    return a_shelf.build(tmp_path_factory.mktemp("shelf"), tiny_world)


@pytest.fixture(scope="session")
def server(
    shelf_folder: Path, tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The app for all tests that leave it alive."""
    found = Server(shelf_folder, tiny_world.path.parent, tmp_path_factory.mktemp("jobs"))
    yield found
    found.stop()


@pytest.fixture(scope="session")
def address(server: Server) -> str:
    return server.address


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        if path is None and not Path(playwright.chromium.executable_path).is_file():
            pytest.fail("no Chromium: `make chromium` installs one")
        options = ["--no-sandbox"] if hasattr(os, "getuid") and os.getuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh visitor; at the end nothing may have gone wrong in the browser."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    wrong: list[str] = []

    def heard(response: Response) -> None:
        if response.status >= 400 and not PROBES.search(response.url):
            wrong.append(f"{response.status} {response.url}")

    page.on("response", heard)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "console",
        lambda message: (
            wrong.append(message.text)
            if message.type == "error" and not any(known in message.text for known in HARMLESS)
            else None
        ),
    )
    yield page
    context.close()
    assert not wrong
