"""Every tile of the gallery, in Chromium: it is drawn or says what is missing, and it opens its view."""

import re
import shutil
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Page, expect

from msviz.dataset import Dataset
from msviz.gallery import items
from msviz.papers.paper import load_paper
from msviz.registry import PAPERS
from msviz.run import shelf

pytestmark = pytest.mark.browser
ROOT = Path(__file__).parents[2]
PICTURE = ".js-plotly-plot .main-svg, .js-plotly-plot canvas"


@pytest.fixture(scope="session")
def drawn(shelf_folder: Path, tiny_world: Dataset) -> int:
    """Compute every tile's answer, so that time goes into looking; return how many there are."""
    folder = tiny_world.path.parent
    for name in ("demo-experiment.csv", "demo-experiment.truth.json"):
        shutil.copy(ROOT / "data" / name, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MSVIZ_MODELS", str(shelf_folder))  # whose runs a comparison takes
        hung = items.gallery_items(shelf(shelf_folder), tiny_world, items.ab_log(folder))
        found = list(items.findings(hung))
    wrong = [(one.paper, one.tile.label, why) for one, finding, why in found if one.ready and finding is None]
    assert not wrong
    return sum(finding is not None for _, finding, _ in found)


@pytest.mark.parametrize("paper", PAPERS.names())
def test_every_tile_opens_its_view(paper: str, page: Page, address: str, drawn: int) -> None:
    assert drawn
    page.goto(f"{address}/gallery?paper={TITLES[paper]}")
    tiles = load_paper(paper).tiles
    expect(page.get_by_text(re.compile(rf"^\d+ of {len(tiles)} drawn"))).to_be_visible()
    links = page.locator('[data-testid="stPageLink"] a', has_text="Open in")
    waiting = page.get_by_text("This shelf cannot show it")
    expect(links.or_(waiting)).to_have_count(len(tiles))
    settled(page)
    assert not page.get_by_text("Not drawn yet").count()
    expect(page.locator(PICTURE).filter(visible=True).first).to_be_visible()
    for address_of in dict.fromkeys(link.get_attribute("href") for link in links.all()):
        page.goto(urljoin(address, address_of))
        expect(page.locator(PICTURE).filter(visible=True).first).to_be_visible()
        settled(page)
        assert not page.get_by_test_id("stException").count(), address_of
        warned = [box.inner_text() for box in page.get_by_test_id("stAlert").all()]
        assert not [text for text in warned if "not available here" in text], (address_of, warned)


def test_a_slice_is_written_shown_as_chips_shared_by_link_and_undone(page: Page, address: str) -> None:
    page.goto(f"{address}/performance?run=tiny-satrans")
    box = page.get_by_role("textbox", name="Only rows where")
    box.fill("scenario in ('Search', 'Home feed') and hour < 12")
    box.press("Enter")
    chip = page.get_by_role("button", name="hour < 12")
    expect(chip).to_be_visible()
    expect(page.locator(PICTURE).filter(visible=True).first).to_be_visible()
    assert "slice=" in page.url
    page.reload()
    expect(chip).to_be_visible()
    chip.click()
    expect(chip).to_have_count(0)
    expect(page.get_by_role("button", name="scenario in")).to_be_visible()
    page.get_by_role("button", name="Undo").click()
    expect(chip).to_be_visible()


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


TITLES = {"satrans": "SATrans", "optmsm": "OptMSM", "sainet": "SAINet", "hierrec": "HierRec", "same": "SAME"}
