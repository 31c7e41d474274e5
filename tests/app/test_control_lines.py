"""What stands under a picture of a model's inside: a line a control, the button, a second seed."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from msviz.analyses.run import analyse
from msviz.dataset import Dataset
from msviz.run import Card

Open = Callable[..., AppTest]
NOBODY = 2**22 + 1  # no process has this number
BOTH, ALONE = "Compare with the untrained net and another seed", "Compare with the untrained net"
SECOND = "tiny-satrans-seed-1"


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


def offers(at: AppTest) -> list[str]:
    return [button.label for button in at.button if str(button.key).startswith("controls-")]


def ways(at: AppTest) -> list[str]:
    """Return where links for a second seed lead to."""
    return [
        link.proto.query_string for link in at.get("page_link") if link.proto.label == "Train a second seed"
    ]


@pytest.fixture
def models(shelf_folder: Path, tmp_path: Path, app: Open, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf of one's own: what is kept on it changes no other test's pages."""
    folder = tmp_path / "shelf" / "models"
    shutil.copytree(shelf_folder, folder, symlinks=True)
    monkeypatch.setenv("MSVIZ_MODELS", str(folder))
    return folder


def second_seed(models: Path) -> None:
    shutil.copytree(models / "tiny-satrans", models / SECOND)
    card = Card.model_validate(json.loads((models / SECOND / "run.json").read_text()))
    text = card.model_copy(update={"seed": 1}).sealed().model_dump_json()
    (models / SECOND / "run.json").write_text(text)


def test_the_attention_page_says_what_both_controls_show(
    app: Open, models: Path, tiny_world: Dataset
) -> None:
    second_seed(models)
    asked = {"question": "attention_by_scenario"}
    finding = analyse("controls", models / "tiny-satrans", tiny_world, **asked)
    at = app("attention", run="tiny-satrans", scenario="Search", layer="2")
    assert not at.exception and not at.warning and not offers(at)
    said = words(at)
    here = finding.data["r"].sel(scenario="Search", layer="2", head="mean of heads")
    r = float(here.sel(control="untrained"))
    assert f"(correlation {r:.2f} over 441 cells)." in said and "An untrained net" in said
    # The second seed is a copy with the same weights.
    assert (
        f"Another seed ({SECOND}) shows the same map (correlation 1.00 over 441 cells, heads averaged)."
        in said
    )
    assert "No second seed" not in said and not ways(at)
    at.selectbox(key="head").set_value("2").run()
    assert "441 cells, heads matched best)." in words(at)
    at = app("attention", run="tiny-satrans", show="All layers and heads")
    assert not at.exception and "over 1,764 cells; layer by layer " in words(at)


def test_without_a_second_seed_the_way_to_one_is_shown(app: Open, models: Path, tiny_world: Dataset) -> None:
    analyse("controls", models / "tiny-satrans", tiny_world, question="attention_by_scenario")
    at = app("attention", run="tiny-satrans")
    assert not at.exception
    assert "No second seed of tiny-satrans is on the shelf" in words(at)
    (way,) = ways(at)
    assert "from=tiny-satrans" in way and "set=seed%3A1" in way
    at = app("train", **{"train_view": "One training", "from": "tiny-satrans", "set": "seed:1"})
    assert not at.exception
    assert at.text_input(key="train-name").value == SECOND


def test_a_button_starts_the_job_and_nothing_starts_by_itself(
    app: Open, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        return NOBODY

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    at = app("attention", run="tiny-satrans", view="Difference", scenario="Search", against="Home feed")
    assert not at.exception and not started and offers(at) == [ALONE]
    assert at.get("plotly_chart"), "the picture does not wait for its controls"
    second_seed(models)
    at = app("attention", run="tiny-satrans", view="Difference", scenario="Search", against="Home feed")
    assert offers(at) == [BOTH]
    at.button(key="controls-difference").click().run()
    assert not at.exception and not offers(at) and at.get("plotly_chart")
    (arguments,) = started
    assert arguments[:3] == ["analyse", "controls", str((models / "tiny-satrans").resolve())]
    given = dict(pair.split("=", 1) for pair in arguments[arguments.index("--set") + 1 :: 2])
    assert given["question"] == "attention_difference" and given["other"] == SECOND
    options = json.loads(given["options"])
    assert (options["a"], options["b"]) == ("Home feed", "Search")


def test_what_is_asked_of_a_slice_is_compared_on_the_slice(
    app: Open, models: Path, monkeypatch: pytest.MonkeyPatch, tiny_world: Dataset
) -> None:
    monkeypatch.setattr("msviz.jobs.queue.start_process", lambda *told: NOBODY)
    text = "hour < 12"
    for question in ("attention_by_scenario", "controls"):
        asked = {"question": "attention_by_scenario"} if question == "controls" else {}
        analyse(question, models / "tiny-satrans", tiny_world, slice=text, **asked)
    at = app("attention", run="tiny-satrans", slice=text)
    assert not at.exception and not offers(at) and "over 441 cells)." in words(at)
    assert offers(app("attention", run="tiny-satrans")) == [ALONE]


def test_of_one_impression_the_controls_are_computed_at_once(
    app: Open, models: Path, tiny_world: Dataset
) -> None:
    row = str(int(tiny_world.split("test").row[3]))
    at = app("impressions", run="tiny-satrans", row=row)
    assert not at.exception and offers(at) == [ALONE, ALONE]
    at.button(key="controls-instance").click().run()
    assert not at.exception and offers(at) == [ALONE]
    assert words(at).count("over 441 cells).") == 1
    assert not list((models / "tiny-satrans" / "findings").glob("controls-*")), "single ones are not kept"


def test_the_log_and_measured_things_have_no_controls(app: Open, models: Path) -> None:
    for page in ("overview", "performance"):
        at = app(page, run="tiny-satrans")
        assert not at.exception and not offers(at)
