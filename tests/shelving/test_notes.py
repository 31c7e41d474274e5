"""What is said about a run is checked, kept whole, and never in the way of a listing."""

import json
import os
import threading
from pathlib import Path

import pytest
from shelf_helpers import refused

from msviz.run import Run
from msviz.run_folder import NOTES
from msviz.shelving.notes import NOTHING, Notes, Parent, as_tag, change_notes, read_notes, write_notes


def test_notes_come_back_and_the_run_stays_sealed(shelf: Path) -> None:
    run = shelf / "small"
    assert read_notes(run) == NOTHING
    notes = Notes(
        description="λ = 0, *no* flash sale",
        tags=("good", "flash-sale"),
        parent=Parent(name="a", digest="0f"),
    )
    write_notes(run, notes)
    assert read_notes(run) == notes
    assert Run.open(run).card.intact
    assert sorted(path.name for path in run.glob(".*")) == [], "nothing half-written stays"


def test_a_change_leaves_the_rest(shelf: Path) -> None:
    run = shelf / "small"
    change_notes(run, description="first", add=["Flash Sale", "good"], parent=Parent(name="a", digest="0f"))
    made = change_notes(run, add=["new", "good"], remove=["flash-sale"], kept=True)
    assert made == read_notes(run)
    assert made.tags == ("good", "new")
    assert (made.description, made.kept, made.parent) == ("first", True, Parent(name="a", digest="0f"))
    assert change_notes(run, description="", kept=False).description == ""


@pytest.mark.parametrize("tag", ["", " ", "a/b", "-x", "_", "a,b", "x" * 41, "<b>", "a\tb:c"])
def test_a_tag_is_a_word(shelf: Path, tag: str) -> None:
    assert refused(as_tag, tag).startswith(f"tag: got {tag!r}; wanted: a word")
    assert "tag: got" in refused(change_notes, shelf / "small", add=[tag])
    assert read_notes(shelf / "small") == NOTHING


def test_too_many_tags_and_too_long_a_description_are_refused(shelf: Path) -> None:
    run = shelf / "small"
    assert "20 tags at most" in refused(change_notes, run, add=[f"t{i}" for i in range(21)])
    assert "description" in refused(change_notes, run, description="x" * 4_001)
    assert change_notes(run, add=[f"t{i}" for i in range(20)], description="x" * 4_000).tags[-1] == "t19"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('"\\ud800"', "cannot be read"),
        ('{"description": "\\ud800"}', "cannot be read"),
        ('{"tags": ["A B C/"]}', "tags"),
        ('{"wings": 2}', "wings"),
        ('{"trouble": "none"}', "trouble"),
        ('{"description": ' + '"' + "x" * 300_000 + '"}', "larger than notes are"),
        ("\xff", "cannot be read"),
    ],
)
def test_broken_notes_are_told_and_taken_as_none(shelf: Path, content: str, told: str) -> None:
    run = shelf / "small"
    (run / NOTES).write_bytes(content.encode("latin-1"))
    notes = read_notes(run)
    assert told in notes.trouble and "\n" not in notes.trouble
    assert notes.model_copy(update={"trouble": ""}) == NOTHING
    assert "trouble" not in change_notes(run, add=["new"]).model_dump_json()
    assert json.loads((run / NOTES).read_text())["tags"] == ["new"]


def test_two_who_tag_at_once_lose_nothing(shelf: Path) -> None:
    run = shelf / "small"
    names = [f"tag{i}" for i in range(16)]
    threads = [threading.Thread(target=change_notes, args=(run,), kwargs={"add": [name]}) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(read_notes(run).tags) == sorted(names)


def test_a_run_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert refused(change_notes, tmp_path / "gone", add=["a"]) == "folder gone: No such file or directory"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_shelf_that_may_only_be_read(shelf: Path) -> None:
    (shelf / "small").chmod(0o500)
    assert "notes cannot be written" in refused(change_notes, shelf / "small", add=["a"])
