"""The Shelf page: runs found, compared, tagged, renamed, deleted and brought in; and a thousand of them."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import many_runs
import pytest
from streamlit.testing.v1 import AppTest
from test_pages import words

from app import shelf as shelf_of_app
from msviz import run as run_module
from msviz.analyses import run as asking
from msviz.dataset import Dataset
from msviz.jobs import Queue
from msviz.run import Run
from msviz.run import shelf as listed
from msviz.shelving import folders
from msviz.shelving.notes import Parent, change_notes, read_notes
from msviz.shelving.transfer import pack

Open = Callable[..., AppTest]


@pytest.fixture
def shelf(app: Open, shelf_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the small shelf that a test may change."""
    folder = tmp_path / "models"
    folder.mkdir()
    for place in shelf_folder.iterdir():
        if (place / "run.json").is_file():
            shutil.copytree(place, folder / place.name, ignore=shutil.ignore_patterns("findings"))
    monkeypatch.setenv("MSVIZ_MODELS", str(folder))
    return folder


def names(at: AppTest) -> list[str]:
    return list(at.dataframe[0].value["Run"]) if at.dataframe else []


def select(at: AppTest, *wanted: str) -> AppTest:
    """Select runs in the table, as clicks on its boxes do."""
    rows = [names(at).index(name) for name in wanted]
    at.session_state[at.dataframe[0].key] = {"selection": {"rows": rows, "columns": [], "cells": []}}
    return at.run()


def link(at: AppTest, label: str) -> Any:
    return next((one.proto for one in at.main.get("page_link") if one.proto.label == label), None)


def press(at: AppTest, label: str) -> AppTest:
    next(button for button in at.button if button.label == label).click()
    return at.run()


def said(at: AppTest) -> str:
    return "\n".join([words(at), *(one.value.replace("\\", "") for one in [*at.success, *at.error])])


def test_every_run_is_listed_with_what_is_said_about_it(app: Open, shelf: Path) -> None:
    parent = Run.peek(shelf / "tiny-satrans").card
    change_notes(
        shelf / "tiny-same", add=["good"], kept=True, parent=Parent(name="before", digest=parent.digest)
    )
    at = app("shelf")
    assert not at.exception and not at.warning
    assert names(at) == [run.name for run in listed(shelf)], "newest first"
    table = at.dataframe[0].value.set_index("Run")
    row = table.loc["tiny-same"]
    assert (row["Model"], row["Data"], row["Pinned"]) == ("same", "tiny", True)
    assert list(row["Tags"]) == ["good"]
    assert row["Parent"] == "tiny-satrans", "it goes by the name that it has now"
    assert row["Changed"].startswith("model satrans → same")
    assert row["Test AUC"] == Run.peek(shelf / "tiny-same").card.headline["auc"]
    assert table.loc["tiny-autoint"]["Parent"] == "" and not table.loc["tiny-autoint"]["Pinned"]
    assert "6 runs" in words(at)


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"find": "experts=2"}, ["tiny-same"]),
        ({"find": "Christmas tiny"}, ["tiny-optmsm"]),
        ({"shelf_model": "same"}, ["tiny-same"]),
        ({"shelf_tag": "good"}, ["tiny-sainet"]),
        ({"shelf_data": "tiny", "find": "satrans"}, ["tiny-satrans"]),
    ],
)
def test_a_link_says_what_is_listed(app: Open, shelf: Path, asked: dict[str, str], found: list[str]) -> None:
    change_notes(shelf / "tiny-optmsm", description="Without Christmas")
    change_notes(shelf / "tiny-sainet", add=["good"])
    at = app("shelf", **asked)
    assert not at.exception and not at.warning
    assert names(at) == found
    assert "1 of 6 runs" in words(at)


def test_sorting(app: Open, shelf: Path) -> None:
    at = app("shelf", shelf_sort="Name")
    assert names(at) == sorted(names(at))
    at.selectbox(key="shelf_sort").set_value("Best AUC").run()
    assert at.dataframe[0].value["Test AUC"].is_monotonic_decreasing
    assert not at.exception


def test_nothing_that_fits_and_the_way_back(app: Open, shelf: Path) -> None:
    at = app("shelf", find="nowhere", shelf_tag="gone")
    assert not at.exception and not names(at)
    assert "No run fits" in words(at) and 'Tag "gone" is not available here' in words(at)
    press(at, "List all runs")
    assert len(names(at)) == 6 and at.text_input(key="find").value == ""


def test_one_selected_run_can_be_opened_retrained_and_taken(app: Open, shelf: Path) -> None:
    at = app("shelf")
    assert "Select runs to" in words(at) and link(at, "Open") is None
    select(at, "tiny-same")
    assert not at.exception
    assert link(at, "Open").page == "performance" and "run=tiny-same" in link(at, "Open").query_string
    assert link(at, "Retrain").page == "train" and "from=tiny-same" in link(at, "Retrain").query_string
    assert link(at, "Compare 2 runs") is None
    assert [button.label for button in at.main.get("download_button")] == ["Download"]
    assert "No description yet" in words(at)


def test_several_selected_runs_are_compared(app: Open, shelf: Path) -> None:
    at = select(app("shelf"), "tiny-same", "tiny-satrans", "tiny-autoint")
    assert not at.exception
    query = link(at, "Compare 3 runs").query_string
    assert query.count("runs=") == 3 and "performance_view=Runs" in query and "runs=tiny-satrans" in query
    assert link(at, "Open") is None
    assert len(at.main.get("download_button")) == 3


def test_many_are_tagged_and_kept_at_once(app: Open, shelf: Path) -> None:
    change_notes(shelf / "tiny-same", add=["old"])
    at = select(app("shelf"), "tiny-same", "tiny-satrans")
    at.text_input(key="tags-add").set_value("Good, flash-sale")
    at.multiselect(key="tags-remove").set_value(["old"])
    press(at, "Apply")
    assert not at.exception and not at.error
    for name in ("tiny-same", "tiny-satrans"):
        assert read_notes(shelf / name).tags == ("good", "flash-sale")
    assert read_notes(shelf / "tiny-autoint").tags == ()
    press(at, "Pin")
    assert read_notes(shelf / "tiny-same").kept and read_notes(shelf / "tiny-satrans").kept
    press(at, "Unpin")
    assert not read_notes(shelf / "tiny-same").kept
    at.text_input(key="tags-add").set_value("a/b")
    press(at, "Apply")
    assert "tag: got 'a/b'" in said(at) and not at.exception


def test_deleting_can_be_undone_and_what_is_kept_stays(app: Open, shelf: Path) -> None:
    change_notes(shelf / "tiny-sainet", kept=True)
    at = select(app("shelf", run="tiny-same"), "tiny-same", "tiny-satrans", "tiny-sainet")
    press(at, "Delete")
    assert not at.exception
    assert sorted(names(at)) == ["tiny-autoint", "tiny-hierrec", "tiny-optmsm", "tiny-sainet"]
    assert "Deleted 2 runs." in words(at) and "tiny-sainet'; it is pinned" in said(at)
    assert at.selectbox(key="run").value in names(at), "pages speak of a run that is there"
    at.run()
    assert "Deleted 2 runs." in words(at), "the way back stays"
    press(at, "Undo")
    assert len(names(at)) == 6 and "tiny-same is back" in said(at)
    at.run()
    assert "Undo" not in [button.label for button in at.button] and not at.exception


def test_deleted_runs_are_listed_and_come_back(app: Open, shelf: Path) -> None:
    folders.delete(shelf / "tiny-same")
    at = app("shelf")
    assert "tiny-same, deleted" in words(at)
    press(at, "Restore")
    assert "tiny-same" in names(at) and folders.trash(shelf) == []
    folders.delete(shelf / "tiny-same")
    press(at.run(), "Remove them")
    assert "1 deleted runs are removed for good" in said(at) and folders.trash(shelf) == []
    assert not at.exception


def test_a_run_is_renamed_and_described(app: Open, shelf: Path) -> None:
    change_notes(shelf / "tiny-same", add=["old", "good"])
    at = select(app("shelf", run="tiny-same"), "tiny-same")
    fields = {one.label: one for one in [*at.main.text_input, *at.main.text_area]}
    fields["Name"].set_value("best")
    fields["Description"].set_value("With *three* experts ![x](http://host/x.png)")
    fields["Tags"].set_value("good new")
    press(at, "Save")
    assert not at.exception and not at.error
    assert "best" in names(at) and "tiny-same" not in names(at)
    notes = read_notes(shelf / "best")
    assert notes.tags == ("good", "new") and notes.description.startswith("With *three*")
    assert at.selectbox(key="run").value == "best"
    assert any("!\\[x](http" in one.value for one in at.markdown), "no picture is fetched"
    fields = {one.label: one for one in at.main.text_input}
    fields["Name"].set_value("tiny-satrans")
    press(at, "Save")
    assert "it is taken on this shelf" in said(at) and "best" in names(at)


def test_broken_folders_and_notes_are_told(app: Open, shelf: Path) -> None:
    (shelf / "bad").mkdir()
    (shelf / "bad" / "run.json").write_text("{")
    (shelf / "tiny-same" / "notes.json").write_text("{")
    at = app("shelf")
    assert "bad: run.json cannot be read" in words(at).replace("*", "") and len(names(at)) == 6
    assert "Its notes are left out" in words(select(at, "tiny-same")) and not at.exception
    at.button(key="broken-bad").click().run()
    assert "Deleted bad." in words(at) and not (shelf / "bad").exists() and not at.exception


def test_a_run_of_a_model_that_is_not_here_breaks_no_page(app: Open, shelf: Path) -> None:
    original = Run.peek(shelf / "tiny-same")
    card = original.card.model_copy(
        update={"model": "oracle", "created": "2030-01-01T00:00:00+00:00"}
    ).sealed()
    shutil.copytree(shelf / "tiny-same", shelf / "other")
    (shelf / "other" / "run.json").write_text(card.model_dump_json())
    for page in ("shelf", "overview", "performance", "attention", "gates"):
        at = app(page)
        assert not at.exception and at.selectbox(key="run").value == "other", page
    assert "Model: got 'oracle'" in words(app("attention"))
    at = app("attention", run="tiny-same")
    assert not at.exception and "These runs do:" in words(at)
    assert "open-attention_by_scenario-other" not in [button.key for button in at.button]


def test_an_empty_shelf_says_what_to_do(app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path / "none"))
    at = app("shelf")
    assert not at.exception and "No runs on the shelf" in words(at)
    assert any("msviz train" in code.value for code in at.code)
    assert at.file_uploader(key="shelf-files") is not None


def zipped(run: Path) -> bytes:
    out = io.BytesIO()
    pack(run, out)
    return out.getvalue()


def test_zips_are_uploaded(app: Open, shelf: Path) -> None:
    content = zipped(shelf / "tiny-same")
    shutil.rmtree(shelf / "tiny-same")
    bad = io.BytesIO()
    with zipfile.ZipFile(bad, "w") as target:
        target.writestr("../run.json", b"{}")
    at = app("shelf")
    files = [("run.zip", content, "application/zip"), ("bad.zip", bad.getvalue(), "application/zip")]
    at.file_uploader(key="shelf-files").set_value(files)
    press(at, "Put on the shelf")
    assert not at.exception
    assert "tiny-same is on the shelf" in said(at) and "tiny-same" in names(at)
    assert "bundle bad.zip: got '../run.json'; wanted: names that stay inside the folder" in said(at)
    at.file_uploader(key="shelf-files").set_value([("again.zip", content, "application/zip")])
    press(at, "Put on the shelf")
    assert "this very run is on the shelf already, as tiny-same" in said(at)
    assert not at.exception


def test_a_run_comes_from_an_address(
    app: Open, shelf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import work

    pack(shelf / "tiny-same", tmp_path / "away" / "it.zip")
    shutil.rmtree(shelf / "tiny-same")
    at = app("shelf")
    at.text_input(key="shelf-address").set_value("ftp://host/it.zip")
    press(at, "Fetch")
    assert "address: got 'ftp://host/it.zip'; valid choices: file://, s3://" in said(at)
    at.text_input(key="shelf-address").set_value(str(tmp_path / "away" / "it.zip"))
    press(at, "Fetch")
    assert not at.exception
    (job,) = work.queue().jobs()
    assert job.arguments[:2] == ["shelf", "import"]
    assert job.arguments[-2:] == ["--", str(tmp_path / "away" / "it.zip")]
    assert job.wait().state == "finished"
    for _ in range(2):  # the first run finds that the job has ended, and asks for another
        at.run()
    assert "tiny-same is on the shelf" in said(at) and "tiny-same" in names(at)
    assert not at.exception


def test_runs_are_taken_to_an_address(app: Open, shelf: Path, tmp_path: Path) -> None:
    from app import work

    at = select(app("shelf"), "tiny-same", "tiny-satrans")
    at.text_input(key="shelf-take-address").set_value("ftp://host")
    press(at, "Copy there")
    assert "address: got 'ftp://host'; valid choices: file://, s3://" in said(at)
    at = select(at, "tiny-same", "tiny-satrans")
    at.text_input(key="shelf-take-address").set_value(str(tmp_path / "away") + "/")
    press(at, "Copy there")
    jobs = work.queue().jobs()
    assert [job.arguments[-2:] for job in jobs] == [
        [name, str(tmp_path / "away" / name)] for name in ("tiny-same", "tiny-satrans")
    ]
    for job in jobs:
        work.queue().dispatch()
        assert job.wait().state == "finished"
    told = said(at)
    for _ in range(2):  # the first run finds that the jobs have ended, and asks for another
        told += said(at.run())
    for name in ("tiny-same", "tiny-satrans"):
        assert f"{name} to {tmp_path / 'away'}: it is there" in told
    assert not at.exception and not at.get("progress")
    assert Run.open(tmp_path / "away" / "tiny-satrans").name == "tiny-satrans"


def test_the_overview_lists_the_newest_and_leads_to_the_rest(
    app: Open, shelf: Path, tiny_world: Dataset
) -> None:
    at = app("overview")
    assert len(names(at)) == 6 and link(at, "Search, compare and tag them on the shelf").page == "shelf"
    many_runs.clone([shelf / "tiny-same"], shelf, 8)
    at = app("overview")
    assert len(names(at)) == 10 and names(at)[0] == listed(shelf)[0].name
    assert link(at, "All 14 runs on the shelf").page == "shelf" and not at.exception


@pytest.fixture(scope="module")
def thousand(shelf_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("thousand") / "models"
    originals = sorted(path for path in shelf_folder.glob("tiny-*") if (path / "run.json").is_file())
    many_runs.clone(originals, folder, 1_000)
    return folder


def test_few_nets_are_laid_out_to_tell_which_runs_can_answer(
    app: Open, thousand: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app import shelf

    monkeypatch.setenv("MSVIZ_MODELS", str(thousand))
    asked: list[str] = []

    def why(name: str, path: str, digest: str) -> str:
        asked.append(Path(path).name.split("-")[0])
        return "" if asked[-1] in ("satrans", "autoint") else "it shows none"

    monkeypatch.setattr(shelf, "why_not", why)
    found = shelf.able_runs("made_up")
    assert len(asked) == shelf.LOOKED_AT and len(set(asked)) == 6, "every model was asked"
    assert {run.card.model for run in found} == {"satrans", "autoint"}
    names = [run.name for run in shelf.runs() if run.card.model in ("satrans", "autoint")]
    assert [run.name for run in found] == names
    assert [run.name for run in shelf.able_runs("made_up", shelf.runs()[:6])] == names[:2]


@pytest.mark.parametrize(
    ("page", "asked"),
    [
        ("overview", {}),
        ("shelf", {}),
        ("shelf", {"find": "experts=2 sweep", "shelf_sort": "Best AUC"}),
        ("performance", {"performance_view": "Runs"}),
        ("attention", {"run": "optmsm-0997"}),
        ("gates", {"run": "autoint-0996"}),
        ("gallery", {}),
    ],
)
def test_a_page_over_a_thousand_runs_lays_out_few_nets_and_reads_no_card_twice(
    app: Open, thousand: Path, monkeypatch: pytest.MonkeyPatch, page: str, asked: dict[str, str]
) -> None:
    known = {run.card.model: run.name for run in reversed(listed(thousand))}
    asked = {key: known.get(value.split("-")[0], value) for key, value in asked.items()}
    monkeypatch.setattr(Queue, "dispatch", lambda queue: False)  # what is asked for waits
    assert app(page, **{key: value for key, value in asked.items() if key != "run"}), "imports are paid"
    monkeypatch.setenv("MSVIZ_MODELS", str(thousand))
    # As if the shelf had lain there for a while: cards that were just written are read again, rightly so.
    monkeypatch.setattr(run_module, "YOUNG", 0)
    monkeypatch.setattr("msviz.shelving.listing.YOUNG", 0)
    # What made pages take a minute; benchmarks/shelf_speed.py times them.
    read, laid = [], []
    card, layout = run_module._read_card, asking.meta_net
    monkeypatch.setattr(run_module, "_read_card", lambda file: read.append(file) or card(file))
    monkeypatch.setattr(asking, "meta_net", lambda run: laid.append(run) or layout(run))
    at = app(page, **asked)
    assert not at.exception
    assert len(laid) <= 2 * shelf_of_app.LOOKED_AT
    again = len(read)
    at.run()
    assert len(read) - again < 10 and len(laid) <= 3 * shelf_of_app.LOOKED_AT
    if page == "shelf":
        assert (f"{len(names(at)):,} of 1,000 runs" if asked else "1,000 runs") in words(at)
    assert len(at.selectbox(key="run").options) == 1_000
