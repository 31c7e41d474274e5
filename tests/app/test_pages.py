"""Every page: populated, over an empty shelf, and with links that ask for what is not there."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from opened_pages import open_page
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset

Open = Callable[..., AppTest]
NOBODY = 2**22 + 1  # no process has this number
PAGES = ("overview", "performance", "attention", "impressions")


def charts(at: AppTest) -> list[dict[str, Any]]:
    return [json.loads(chart.proto.spec) for chart in at.get("plotly_chart")]


def words(at: AppTest) -> str:
    kinds = (at.title, at.header, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.mark.parametrize("page", PAGES)
def test_a_page_shows_itself_without_a_mistake(app: Open, page: str) -> None:
    at = app(page)
    assert not at.exception
    assert not at.warning
    assert at.title[0].value == page.capitalize()
    assert charts(at)
    said = words(at)
    assert "Source: " in said and "simulated data" in said


@pytest.mark.parametrize("page", PAGES)
def test_an_empty_shelf_says_what_to_do(
    app: Open, page: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    monkeypatch.setenv("MSVIZ_DATA", str(tmp_path / "none"))
    at = app(page)
    assert not at.exception and not charts(at)
    assert "No runs on the shelf" in words(at)
    assert any("msviz train satrans" in code.value for code in at.code)


@pytest.mark.parametrize(
    ("page", "link", "said"),
    [
        ("overview", {"run": "gone"}, 'Run "gone" is not available here: tiny-'),
        ("overview", {"field": "<b>x</b>"}, 'Field "<b>x</b>" is not available here'),
        ("performance", {"metric": "F1"}, 'Metric "F1" is not available here: AUC is shown instead.'),
        ("attention", {"scenario": "Nope"}, 'Scenario "Nope" is not available here: All scenarios is shown'),
        ("attention", {"layer": "9", "head": "99"}, 'Head "99" is not available here'),
        ("impressions", {"row": "first"}, 'Open impression "first" is not available here'),
        ("impressions", {"row": "999999999"}, "row"),
    ],
)
def test_a_link_that_asks_for_what_is_not_there_is_told(
    app: Open, page: str, link: dict[str, str], said: str
) -> None:
    at = app(page, **link)
    assert not at.exception
    assert any(said in warning.value.replace("\\", "") for warning in at.warning)
    assert charts(at), "the rest of the page is there"


def test_a_link_opens_the_state_it_names(app: Open) -> None:
    at = app("attention", scenario="Search", layer="2", head="1", run="tiny-autoint")
    assert at.selectbox(key="run").value == "tiny-autoint"
    assert at.selectbox(key="scenario").value == "Search"
    assert at.selectbox(key="layer").value == "2"
    assert "In Search," in words(at)
    assert charts(at)[0]["data"][0]["colorbar"]["title"]["text"].startswith("Share of attention, Search")


def test_choosing_a_scenario_and_a_head_changes_the_picture(app: Open) -> None:
    at = app("attention")
    before = charts(at)[0]["data"][0]["z"]
    at.selectbox(key="scenario").set_value("Search").run()
    searched = charts(at)[0]["data"][0]["z"]
    at.selectbox(key="head").set_value("2").run()
    assert before != searched != charts(at)[0]["data"][0]["z"]
    assert not at.exception and not at.warning


def test_the_difference_of_two_scenarios_says_which_has_more(app: Open) -> None:
    at = app("attention", view="Difference", scenario="Search", against="Home feed")
    assert not at.exception
    assert "In Search," in words(at) and "than in Home feed" in words(at)
    difference, pair = charts(at)
    _grey, coloured = difference["data"]
    assert coloured["zmin"] == -coloured["zmax"]
    assert [trace["name"] for trace in pair["data"]] == ["Home feed", "Search"]
    assert len({trace["zmax"] for trace in pair["data"]}) == 1


def test_two_runs_stand_side_by_side_on_one_scale(app: Open) -> None:
    at = app("attention", view="Two runs", run="tiny-satrans")
    assert at.selectbox(key="other").value == "tiny-autoint", "the one that shows attention too"
    assert not at.exception
    first, second, difference = charts(at)
    assert first["data"][0]["zmax"] == second["data"][0]["zmax"]
    assert difference["data"][1]["zmin"] < 0
    assert "tiny-satrans" in words(at) and "tiny-autoint" in words(at)


def test_importance_is_a_heatmap_of_all_and_bars_of_one_scenario(app: Open) -> None:
    assert charts(app("attention", view="Importance"))[0]["data"][0]["type"] == "heatmap"
    assert charts(app("attention", view="Importance", scenario="Search"))[0]["data"][0]["type"] == "bar"


def test_impressions_are_filtered_and_sorted(app: Open) -> None:
    at = app("impressions", scenario="Search", label="Clicked", sort="Lowest prediction")
    table = at.dataframe[0].value
    assert set(table["Scenario"]) == {"Search"} and table["Clicked"].all()
    assert table["Prediction"].is_monotonic_increasing
    at.selectbox(key="sort").set_value("Largest error").run()
    assert at.dataframe[0].value["Error"].is_monotonic_decreasing
    field = at.selectbox(key="having").options[3]
    at.selectbox(key="having").set_value(field).run()
    value = at.selectbox(key="value").options[1]
    at.selectbox(key="value").set_value(value).run()
    assert set(at.dataframe[0].value[field]) == {value}
    assert not at.exception


def test_no_fitting_impression_is_said(app: Open) -> None:
    at = app("impressions")
    at.slider(key="between").set_value((99, 100)).run()
    assert "No sampled impression fits" in words(at) and not at.exception


def test_an_impression_opens_with_values_attention_and_other_scenarios(
    app: Open, tiny_world: Dataset
) -> None:
    row = int(tiny_world.split("test").row[7])
    at = app("impressions", row=str(row))
    assert not at.exception and not at.warning
    assert f"Impression {row}" in words(at)
    part = tiny_world.split("test")
    scenario = tiny_world.schema.scenario_names[int(part.scenario[7])]
    assert at.metric[0].value == scenario
    assert at.metric[2].value == ("clicked" if part.label[7] else "not clicked")
    titles = [spec["data"][0]["type"] for spec in charts(at)]
    assert titles == ["scatter", "heatmap", "bar", "heatmap"]


def test_a_missing_answer_starts_a_job_that_can_be_cancelled(
    app: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_world: Dataset
) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        return NOBODY

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    user = next(f for f in tiny_world.schema.features if f.role == "user")
    at = app("overview", field=user.label)
    assert started[0][:2] == ["analyse", "data_overview"]
    assert ["--set", f"field={user.name}"] == started[0][-2:]
    # The process is not there: the page says so and offers to start again.
    assert "was interrupted" in words(at)
    again = next(button for button in at.button if button.label == "Compute again")
    again.click().run()
    assert len(started) == 2 and not at.exception


def test_a_model_without_attention_names_the_runs_that_have_it(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import shelf

    def why(name: str, path: str, digest: str) -> str:
        return "satrans shows nothing by layer, head, query, key" if "satrans" in path else ""

    monkeypatch.setattr(shelf, "why_not", why)
    at = app("attention", run="tiny-satrans")
    assert not at.exception and not charts(at)
    assert "This model shows no attention" in words(at) and "These runs do:" in words(at)
    at.button(key="open-attention_by_scenario-tiny-autoint").click().run()
    assert at.selectbox(key="run").value == "tiny-autoint" and charts(at) and not at.exception


def test_data_that_is_elsewhere_is_said_and_kept_answers_still_show(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import shelf
    from msviz.errors import MsvizError

    def gone(run: object) -> Dataset:
        raise MsvizError("data: got 'tiny'; pass its folder as --data")

    monkeypatch.setattr(shelf, "data_of", gone)
    assert charts(app("attention", run="tiny-satrans"))
    at = app("impressions", row="15000")
    assert not at.exception and "pass its folder" in words(at)


@pytest.mark.parametrize(
    ("name", "pictures"), [("tiny-sainet", 4), ("tiny-same", 4), ("tiny-hierrec", 2), ("tiny-satrans", 4)]
)
def test_an_impression_of_any_model_opens_with_what_the_model_shows(
    app: Open, shelf_folder: Path, tiny_world: Dataset, name: str, pictures: int
) -> None:
    part = tiny_world.split("test")
    analyse("impressions", shelf_folder / name, tiny_world)
    at = app("impressions", run=name, row=str(part.row[part.history_spans[1].argmax()]))
    assert not at.exception and not at.warning
    assert len(charts(at)) == pictures
    empty = int(part.row[part.history_spans[1] == 0][0])
    if name == "tiny-sainet":
        at = app("impressions", run=name, row=str(empty))
        assert not at.exception and len(charts(at)) == 2


def test_a_slice_carries_from_page_to_page_and_can_be_undone(app: Open, tiny_world: Dataset) -> None:
    text = "scenario == 'Search' and hour < 12"
    at = app("attention", view="Importance", slice="scenario == 'Search'")
    assert not at.exception
    part = tiny_world.split("test")
    search = int((part.scenario == part.schema.scenario_names.index("Search")).sum())
    assert f"{search:,} of {part.rows:,} test rows" in words(at)
    at.text_input(key="slice").set_value(text).run()
    chips = [button for button in at.button if (button.key or "").startswith("chip")]
    assert len(chips) == 2
    open_page(at, "performance").run()
    assert at.text_input(key="slice").value == text
    at.button(key="chip-0").click().run()
    assert at.text_input(key="slice").value == "hour < 12"
    at.button(key="slice-undo").click().run()
    assert at.text_input(key="slice").value == text
    at.button(key="slice-undo").click().run()
    assert at.text_input(key="slice").value == "scenario == 'Search'"
    assert not at.exception


def test_listed_impressions_become_the_slice_of_every_page(app: Open, tiny_world: Dataset) -> None:
    at = app("impressions", scenario="Search", label="Clicked")
    fit = next(text.value for text in at.caption if "sampled impressions fit" in text.value).split()[0]
    at.button(key="use-listed").click().run()
    assert not at.exception
    assert f"{fit} of {tiny_world.rows['test']:,} test rows" in words(at)
    open_page(at, "overview").run()
    assert "chosen(" in at.text_input(key="slice").value and not at.exception
    assert "chosen impressions" in at.button(key="chip-0").label


def test_a_slice_is_built_from_lists(app: Open) -> None:
    at = app("overview")
    at.selectbox(key="build-field").set_value("Scenario").run()
    at.multiselect(key="build-values-scenario").set_value(["Search", "Home feed"]).run()
    at.button(key="build-add").click().run()
    assert at.text_input(key="slice").value == "scenario in ('Search', 'Home feed')"
    assert not at.exception


def test_a_slice_that_cannot_be_read_is_told_and_the_page_stands(app: Open) -> None:
    at = app("attention", slice="colour == 'red'")
    assert not at.exception and charts(at)
    assert any("colour" in error.value for error in at.error)
    assert "so all rows are shown" in words(at)
