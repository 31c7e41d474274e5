"""The app over a small shelf, without a browser."""

from collections.abc import Callable
from pathlib import Path

import a_shelf
import pytest
from opened_pages import open_page
from streamlit.testing.v1 import AppTest

from msviz.dataset import Dataset

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture(scope="session")
def shelf_folder(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return a_shelf.build(tmp_path_factory.mktemp("shelf"), tiny_world)


@pytest.fixture
def app(
    shelf_folder: Path, tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., AppTest]:
    """Open a page of the app with link values, and wait for it."""
    monkeypatch.setenv("MSVIZ_MODELS", str(shelf_folder))
    monkeypatch.setenv("MSVIZ_DATA", str(tiny_world.path.parent))
    monkeypatch.setenv("MSVIZ_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("MSVIZ_ENGINE", "off")

    def opened(page: str = "overview", **link: str) -> AppTest:
        at = AppTest.from_file(str(MAIN), default_timeout=60)
        for key, value in link.items():
            at.query_params[key] = value
        if page != "overview":
            open_page(at, page)
        return at.run()

    return opened
