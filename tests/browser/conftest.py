"""The app over a small shelf, in real Chromium: one server for the session, stopped at its end."""

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Response, expect, sync_playwright

from msviz.data._dataset import Dataset

ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "tests" / "app"))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
# Streamlit asks for these under every path of the address until one answers.
expect.set_options(timeout=60_000)
PROBES = re.compile(r"/_stcore/(health|host-config)$")


@pytest.fixture(scope="session")
def shelf_folder(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    import a_shelf

    return a_shelf.build(tmp_path_factory.mktemp("shelf"), tiny_world)


@pytest.fixture(scope="session")
def address(
    shelf_folder: Path, tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Start the app as a user does, on a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    environment = {
        **os.environ,
        "MSVIZ_MODELS": str(shelf_folder),
        "MSVIZ_DATA": str(tiny_world.path.parent),
        "MSVIZ_JOBS": str(tmp_path_factory.mktemp("jobs")),
    }
    server = subprocess.Popen(
        [
            *(sys.executable, "-m", "streamlit", "run", "app/main.py"),
            *(f"--server.port={port}", "--server.address=127.0.0.1", "--server.headless=true"),
        ],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    said: list[str] = []
    assert server.stdout is not None
    for line in server.stdout:
        said.append(line)
        if "URL" in line:
            break
    else:
        pytest.fail("the app did not start:\n" + "".join(said))
    # Whoever leaves a pipe unread stops the writer some day.
    reader = threading.Thread(target=lambda: said.extend(server.stdout or ()), daemon=True)
    reader.start()
    yield f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=20)
    reader.join()
    server.stdout.close()
    assert "Traceback" not in "".join(said), "".join(said)


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
            if message.type == "error" and "Failed to load resource" not in message.text
            else None
        ),
    )
    yield page
    context.close()
    assert not wrong
