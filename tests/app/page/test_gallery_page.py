"""The gallery's page: what is missing is made by one job, and offered again where that did not help."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
NOBODY = 2**22 + 1  # no process has this number


def test_missing_pictures_are_made_by_one_job_and_then_offered(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        (folder / "exit.json").write_text(json.dumps({"code": 0}))
        return NOBODY

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    at = app("gallery", paper="HierRec")
    assert not at.exception
    assert len(started) == 1 and started[0][:3] == ["gallery", "--paper", "hierrec"]
    # The job has ended and the pictures are still not there: it is not started over and over.
    at.button(key="start-gallery-hierrec").click().run()
    assert len(started) == 2 and not at.exception
    said = "\n".join(caption.value for caption in at.caption)
    assert "Not drawn yet" in said and "This shelf cannot show it" in said


def test_runs_of_the_papers_shelf_are_looked_at_in_the_gallery_alone(
    app: Open, monkeypatch: pytest.MonkeyPatch, shelf_folder: Path, tmp_path: Path
) -> None:
    import shutil

    from msviz.analyses.run import analyse
    from msviz.gallery import items
    from msviz.run import shelf

    models = tmp_path / "models"
    for name in ("tiny-hierrec", "tiny-satrans"):
        shutil.copytree(shelf_folder / name, models / name)
    (tmp_path / "data").symlink_to(shelf_folder.parent / "data")
    card = json.loads((models / "tiny-hierrec" / "run.json").read_text())
    for name, change in (("one", {"heads": 1}), ("two", {"implicit": False}), ("three", {"explicit": False})):
        place = models / "papers" / name
        shutil.copytree(models / "tiny-hierrec", place)
        told = {**card, "config": {**card["config"], **change}, "digest": name}
        (place / "run.json").write_text(json.dumps(told))
    monkeypatch.setenv("MSVIZ_MODELS", str(models))
    assert {run.name for run in shelf(models)} == {"tiny-hierrec", "tiny-satrans"}
    (hung,) = [
        one
        for one in items.gallery_items(items.runs_of(models), None, None)
        if one.paper == "hierrec" and one.tile.label == "Figure 4"
    ]
    assert hung.ready is not None and [run.name for run in hung.ready.runs[1:]] == [
        "tiny-hierrec", "one", "two", "three",
    ]  # fmt: skip
    analyse("runs_compared", hung.ready.run, **hung.ready.options)
    at = app("gallery", paper="HierRec")
    assert not at.exception
    links = [link.proto for link in at.get("page_link")]
    assert not [link for link in links if "runs=one" in link.query_string]
    (closer,) = [button for button in at.button if button.label == "Look closer"]
    closer.click().run()
    assert not at.exception and "Which run predicts better, and where?" in [one.value for one in at.subheader]
    at = app("performance", run="tiny-satrans", performance_view="Runs")
    assert "one" not in at.multiselect(key="runs").options
