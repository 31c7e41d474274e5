"""Watching a training and replaying it: what is shown, on which scale, and how little a second look costs."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import charts, words

from msviz.finding import Finding
from msviz.run import Run
from msviz.training.frames import SnapshotReader

ROOT = Path(__file__).parents[3]
REPLAY = """
from msviz.run import Run
from app.page.train import watching
watching.show_replay(Run.peek({path!r}))
"""
# The job of these scripts tells what stands in a file.
LIVE = """
import json
from pathlib import Path
from types import SimpleNamespace
from app.page.train import watching
class Job:
    def status(self):
        return SimpleNamespace(**json.loads(Path({state!r}).read_text()))
watching.show_live(Path({out!r}), Job(), {order!r})
"""


def opened(script: str) -> AppTest:
    return AppTest.from_string(script, default_timeout=60).run()


def values(chart: dict) -> list:
    """Return the cells of a chart's heatmap, as Plotly packs them."""
    z = chart["data"][0]["z"]
    return z["bdata"] if isinstance(z, dict) else z


@pytest.fixture
def training(shelf_folder: Path, tmp_path: Path) -> Callable[..., AppTest]:
    """Show a training as it stood after so many marks, and change what its job says of itself."""
    whole = SnapshotReader(shelf_folder / "tiny-satrans")
    out = tmp_path / "new"
    state = tmp_path / "state.json"

    def shown(marks: int, told: str = "running", at: AppTest | None = None) -> AppTest:
        (out / "frames").mkdir(parents=True, exist_ok=True)
        if marks:
            shutil.copy(whole.folder / "curve.jsonl", out / "frames")
        for number in range(marks):
            for file in (whole.picture(number), whole.picture(number).with_suffix(".json")):
                if not (out / "frames" / file.name).exists():
                    shutil.copy(file, out / "frames")
        words_ = "epoch 1/1 · loss 0.5431 · 4,300 rows/s · 0:12 left"
        state.write_text(json.dumps({"state": told, "share": 0.4, "words": words_, "error": ""}))
        if at is not None:
            return at.run()
        return opened(LIVE.format(state=str(state), out=str(out), order=("unseen combination", "Home feed")))

    return shown


def test_a_replay_opens_at_the_end_and_goes_back_to_the_first_step(shelf_folder: Path) -> None:
    at = opened(REPLAY.format(path=str(shelf_folder / "tiny-satrans")))
    assert not at.exception and not at.warning
    frames = SnapshotReader(shelf_folder / "tiny-satrans")
    marks = frames.marks()
    assert len(marks) == 4
    slider = at.select_slider[0]
    assert slider.options == [
        "before the first step",
        *(f"epoch {mark.epoch:.3g}, {mark.rows:,} rows" for mark in marks[1:]),
    ]
    picture, curves = charts(at)
    last = values(picture)
    assert curves["layout"]["shapes"][-1]["x0"] == marks[-1].rows
    assert frames.finding(3).takeaways["All scenarios"] in words(at)
    table = at.dataframe[0].value
    assert table["AUC"][0] == f"{marks[-1].auc:.3f}"
    assert list(table["Scenario"])[:2] == ["All scenarios", "Home feed"]
    slider.set_value(0).run()
    assert not at.exception
    first, curves = charts(at)
    assert values(first) != last
    assert first["data"][0]["zmax"] == picture["data"][0]["zmax"], "one scale over all moments"
    assert curves["layout"]["shapes"][-1]["x0"] == 0
    assert at.dataframe[0].value["AUC"][0] == f"{marks[0].auc:.3f}"
    assert frames.finding(0).takeaways["All scenarios"] in words(at)


def test_a_replay_shows_the_chosen_scenario_layer_and_head(shelf_folder: Path) -> None:
    at = opened(REPLAY.format(path=str(shelf_folder / "tiny-satrans")))
    at.selectbox(key="scenario-replay-tiny-satrans").set_value("Search").run()
    at.selectbox(key="layer-replay-tiny-satrans").set_value("2").run()
    assert not at.exception
    finding = SnapshotReader(shelf_folder / "tiny-satrans").finding(3)
    assert finding.takeaways["Search"] in words(at)
    drawn = charts(at)[0]["data"][0]
    alone = finding.figure(scenario="Search", layer="2").data[0]
    np.testing.assert_array_equal(np.asarray(drawn["x"]), np.asarray(alone.x))
    assert drawn["colorbar"]["title"]["text"].startswith("Share of attention, Search")
    # The chosen scenario stays when the moment changes.
    at.select_slider[0].set_value(1).run()
    assert SnapshotReader(shelf_folder / "tiny-satrans").finding(1).takeaways["Search"] in words(at)


def test_gates_are_replayed_over_all_days_on_one_scale(shelf_folder: Path) -> None:
    at = opened(REPLAY.format(path=str(shelf_folder / "tiny-same")))
    assert not at.exception
    last = charts(at)[0]
    at.select_slider[0].set_value(0).run()
    assert not at.exception
    first = charts(at)[0]
    assert first["layout"]["yaxis"]["tickvals"] == last["layout"]["yaxis"]["tickvals"]
    assert first["data"] != last["data"]


def test_a_run_that_nobody_watched_says_how_to_and_shows_its_validations(shelf_folder: Path) -> None:
    at = opened(REPLAY.format(path=str(shelf_folder / "tiny-hierrec")))
    assert not at.exception and not at.select_slider
    said = words(at)
    assert "No pictures were kept of this training" in said and "Retrain the run" in said
    assert any("msviz train hierrec" in code.value and "--frames 24" in code.value for code in at.code)
    assert "AUC of the validations was best after epoch 1" in said
    assert len(charts(at)) == 1


def test_a_training_is_watched_from_before_its_first_step_to_its_end(
    training: Callable[..., AppTest], shelf_folder: Path
) -> None:
    at = training(0)
    assert not at.exception and not charts(at)
    bar = at.get("progress")[0].proto
    assert bar.value == 40 and bar.text.replace("\\", "").startswith("epoch 1/1 · loss 0.5431 · 4,300 rows/s")
    assert "come with the first steps" in words(at)
    at = training(1, at=at)
    assert len(charts(at)) == 2 and "Before the first step" in words(at)
    finding = SnapshotReader(shelf_folder / "tiny-satrans").finding(2)
    at = training(3, at=at)
    assert not at.exception
    assert finding.takeaways["All scenarios"] in words(at)
    planned = Run.peek(shelf_folder / "tiny-satrans").card.data.rows["train"]
    assert charts(at)[0]["layout"]["xaxis"]["range"][1] > planned, "the axis is that of the whole training"
    at = training(3, "cancelling", at=at)
    assert at.get("progress")[0].proto.text == "stopping"
    at = training(3, "cancelled", at=at)
    assert not at.exception and not at.get("progress")
    assert len(charts(at)) == 2, "what was seen stays"


def test_a_second_look_reads_and_draws_nothing_again(
    training: Callable[..., AppTest], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded, drawn = [], []
    real_load, real_figure = Finding.load, Finding.figure
    monkeypatch.setattr(Finding, "load", lambda path: (loaded.append(Path(path).name), real_load(path))[1])
    monkeypatch.setattr(
        Finding, "figure", lambda self, **rest: (drawn.append(self.analysis), real_figure(self, **rest))[1]
    )
    at = training(2)
    assert sorted(loaded) == ["000.nc", "001.nc"]
    assert sorted(drawn) == ["attention_by_scenario", "training_history"]
    loaded.clear()
    drawn.clear()
    at.run()
    assert not loaded and not drawn
    training(3, at=at)
    assert loaded == ["002.nc"], "only the new one"
    assert sorted(drawn) == ["attention_by_scenario", "training_history"]


def test_a_picture_that_is_gone_is_said(shelf_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shelf_folder / "tiny-satrans", copy, ignore=shutil.ignore_patterns("findings"))
    for file in (copy / "frames").glob("*.nc"):
        file.unlink()
    at = opened(REPLAY.format(path=str(copy)))
    assert not at.exception
    assert "there are numbers, but no picture" in words(at)
    assert len(charts(at)) == 1 and at.select_slider


@pytest.mark.parametrize("what", ["another layout", "another picture"])
def test_a_picture_that_is_none_is_said(what: str, shelf_folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(shelf_folder / "tiny-satrans", copy, ignore=shutil.ignore_patterns("findings"))
    frames = SnapshotReader(copy)
    finding = frames.finding(3)
    bad = replace(finding, data=finding.data.drop_vars("mean")) if what == "another layout" else None
    (bad or replace(finding, analysis="export")).save(frames.picture(3), quick=True)
    at = opened(REPLAY.format(path=str(copy)))
    assert not at.exception
    said = words(at)
    assert ("cannot be drawn" if bad else "but no picture") in said
    assert len(charts(at)) == 1 and at.select_slider, "the curves and the slider are there"
