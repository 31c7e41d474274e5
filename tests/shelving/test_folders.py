"""Renaming, deleting with a way back, and what is refused while a training writes."""

import shutil
from datetime import timedelta
from pathlib import Path

import pytest
from shelf_helpers import everything, refused, twin

from msviz.run import Run
from msviz.run import shelf as listed
from msviz.shelving import folders
from msviz.shelving.notes import change_notes
from msviz.training.checkpoint import Checkpoint


def names(shelf: Path) -> list[str]:
    return sorted(run.name for run in listed(shelf))


def test_a_run_gets_another_name(shelf: Path) -> None:
    digest = Run.open(shelf / "small").card.digest
    assert folders.rename(shelf / "small", "Better-1.0_x") == shelf / "Better-1.0_x"
    assert Run.open(shelf / "Better-1.0_x").card.digest == digest
    assert names(shelf) == ["Better-1.0_x"]
    assert folders.rename(shelf / "Better-1.0_x", "Better-1.0_x") == shelf / "Better-1.0_x"


@pytest.mark.parametrize(
    "name", ["", ".", "..", ".hidden", "-x", "a/b", "../a", "a b", "a\0b", "a\\b", "é", "x" * 101, "a\n"]
)
def test_a_name_that_no_folder_may_have(shelf: Path, name: str) -> None:
    before = everything(shelf)
    assert refused(folders.rename, shelf / "small", name).startswith("name: got ")
    assert everything(shelf) == before


def test_a_name_that_is_taken_also_by_what_is_no_run(shelf: Path) -> None:
    twin(shelf / "small", "other")
    (shelf / "empty").mkdir()
    for name in ("other", "empty"):
        assert "it is taken" in refused(folders.rename, shelf / "small", name)
    assert names(shelf) == ["other", "small"]


def test_a_longest_name_keeps_to_its_length_where_it_comes_back_to_a_shelf_that_has_it(shelf: Path) -> None:
    long = folders.rename(shelf / "small", "x" * 100)
    twin(long, "other")
    folders.delete(long)
    folders.rename(shelf / "other", long.name)
    (entry,) = folders.trash(shelf)
    assert folders.restore(entry).name == "x" * 98 + "-2"


def test_deleting_and_the_way_back(shelf: Path) -> None:
    twin(shelf / "small", "other")
    before = everything(shelf)
    gone = folders.delete(shelf / "small")
    assert names(shelf) == ["other"]
    assert gone.parent == shelf / ".trash"
    (entry,) = folders.trash(shelf)
    assert (entry.name, entry.path, entry.shelf) == ("small", gone, shelf)
    assert folders.restore(entry) == shelf / "small"
    after = everything(shelf)
    assert after.pop(".trash", "") is None
    assert after == before
    assert "deleted run: got" in refused(folders.restore, entry)


def test_the_last_deleted_comes_first_and_a_taken_name_gives_a_free_one(shelf: Path) -> None:
    first = folders.delete(shelf / "small")
    shutil.copytree(first, shelf / "small")
    second = folders.delete(shelf / "small")
    assert [one.path for one in folders.trash(shelf)] == [second, first]
    assert folders.restore(second).name == "small"
    assert folders.restore(first).name == "small-2"


def test_answers_that_ended_too_late_are_no_reason_for_another_name(shelf: Path) -> None:
    gone = folders.delete(shelf / "small")
    (shelf / "small" / "findings").mkdir(parents=True)
    (shelf / "small" / "findings" / "late.nc").write_bytes(b"")
    assert folders.restore(gone).name == "small"
    gone = folders.delete(shelf / "small")
    (shelf / "small" / "findings").mkdir(parents=True)
    (shelf / "small" / "mine.txt").write_text("")
    assert folders.restore(gone).name == "small-2"
    assert (shelf / "small" / "mine.txt").exists()


def test_the_bin_is_emptied_of_what_is_old(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twin(shelf / "small", "other")
    gone = folders.delete(shelf / "small")
    assert folders.empty(shelf) == 0
    old = folders.trash(shelf)[0].when - timedelta(days=31)
    gone.rename(gone.with_name(f"{old.strftime(folders.STAMP)}-small"))
    folders.delete(shelf / "other")
    assert folders.empty(shelf) == 1
    assert [one.name for one in folders.trash(shelf)] == ["other"]
    assert folders.empty(shelf, days=0) == 1
    assert folders.trash(shelf) == []
    assert folders.trash(shelf / "nowhere") == []


def test_not_while_a_training_writes_there(shelf: Path) -> None:
    before = everything(shelf / "small")
    with Checkpoint(shelf / "small"):
        for act, given in ((folders.rename, ("new",)), (folders.delete, ())):
            assert "a training writes there now" in refused(act, shelf / "small", *given)
    after = everything(shelf / "small")
    assert {key: after[key] for key in before} == before
    assert folders.rename(shelf / "small", "new").name == "new"


def test_what_is_kept_is_not_deleted(shelf: Path) -> None:
    change_notes(shelf / "small", kept=True)
    assert "it is pinned" in refused(folders.delete, shelf / "small")
    change_notes(shelf / "small", kept=False)
    folders.delete(shelf / "small")


def test_what_is_no_run_is_left_alone(shelf: Path, tmp_path: Path) -> None:
    (shelf / "mine").mkdir()
    (shelf / "link").symlink_to(shelf / "small")
    for name in ("mine", "gone", ""):
        assert "wanted: a folder that holds run.json" in refused(folders.delete, shelf / name)
    assert "a link to a folder elsewhere" in refused(folders.delete, shelf / "link")
    (shelf / "small" / "run.json").write_text("{")
    assert folders.delete(shelf / "small").is_dir(), "a run that cannot be read can be deleted"
