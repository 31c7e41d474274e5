"""What a reader does: open the app, choose, compare, open an impression, and pass the link on."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from msviz.dataset import Dataset

pytestmark = pytest.mark.browser


def go(page: Page, title: str) -> None:
    page.get_by_test_id("stSidebarNav").get_by_role("link", name=title).click()
    expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()


def choose(page: Page, label: str, option: str) -> None:
    box = page.get_by_test_id("stSelectbox").filter(has=page.get_by_text(label, exact=True))
    box.get_by_role("combobox").click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def settled(page: Page) -> None:
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()


def test_from_the_shelf_to_an_impression_and_back_by_link(page: Page, address: str) -> None:
    page.goto(address)
    expect(page.get_by_role("heading", name="Which models are on the shelf?")).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    choose(page, "Run", "tiny-satrans")

    go(page, "Attention")
    choose(page, "Scenario", "Search")
    expect(page.get_by_text(re.compile("^In Search, in layer 1"))).to_be_visible()
    page.get_by_role("radio", name="Difference").or_(
        page.get_by_role("button", name="Difference")
    ).first.click()
    expect(page.get_by_text(re.compile(r"than in .+ \(layer"))).to_be_visible()
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    assert "view=Difference" in page.url and "scenario=Search" in page.url

    go(page, "Impressions")
    grid = page.get_by_test_id("stDataFrame").first
    expect(grid).to_be_visible()
    grid.click(position={"x": 16, "y": 55})
    heading = page.get_by_role("heading", name=re.compile(r"^Impression \d+$"))
    expect(heading).to_be_visible()
    name = heading.inner_text()
    expect(page).to_have_url(re.compile(rf"row={name.split()[1]}\b"))
    said = page.get_by_text(re.compile(r"^Impression \d+ in .+ was predicted")).inner_text()

    page.reload()
    expect(page.get_by_role("heading", name=name)).to_be_visible()
    expect(page.get_by_text(said)).to_be_visible()
    expect(page.get_by_role("heading", name="What would the model say", exact=False)).to_be_visible()


def test_a_link_that_is_passed_on_shows_the_same(page: Page, address: str) -> None:
    link = f"{address}/attention?run=tiny-autoint&scenario=Search&layer=2&head=1"
    page.goto(link)
    expect(page.get_by_text(re.compile("^In Search"))).to_be_visible()
    bar = page.locator(".js-plotly-plot").first.evaluate(
        "plot => [plot._fullData[0].colorbar.title.text, plot._fullData[0].y[0]]"
    )
    assert bar[0].startswith("Share of attention, Search")
    assert "layer=2" in page.url and "head=1" in page.url


def test_a_missing_answer_is_computed_beside_the_page(page: Page, address: str, tiny_world: Dataset) -> None:
    field = next(f for f in tiny_world.schema.features if f.role == "user")
    page.goto(f"{address}/?field={field.label}")
    # A job that is forked may be done before its progress can be seen.
    expect(page.get_by_role("heading", name=f"depend on {field.label}", exact=False)).to_be_visible()


@pytest.mark.parametrize(
    ("kind", "start"),
    [("HTML", b"<!doctype html>"), ("CSV", b"scenario,"), ("PNG", b"\x89PNG"), ("SVG", b"<svg")],
)
def test_a_view_leaves_as_a_file(page: Page, address: str, kind: str, start: bytes) -> None:
    page.goto(f"{address}/performance" if kind == "SVG" else address)
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible()
    settled(page)
    button = page.get_by_test_id("stPopover").get_by_role("button", name="Download").first
    button.evaluate("element => element.scrollIntoView({block: 'start'})")  # its list opens below
    button.click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name=kind, exact=True).click()
    path = Path(waiting.value.path())
    assert path.read_bytes().lstrip()[: len(start)] == start
    assert waiting.value.suggested_filename.endswith(kind.lower())


@pytest.mark.parametrize("place", ["", "performance", "attention?view=Difference", "impressions"])
def test_nothing_is_wider_than_a_phone(page: Page, address: str, place: str) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}/{place}")
    expect(page.locator(".js-plotly-plot .main-svg, [data-testid=stDataFrame]").first).to_be_visible()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # A wide grid scrolls inside a frame of its own; then the frame must fit.
    plots = page.locator(".js-plotly-plot").evaluate_all(
        "all => all.map(p => (p.closest('[class*=st-key-wide-]') || p).getBoundingClientRect().right)"
    )
    assert all(right <= 390 for right in plots)
