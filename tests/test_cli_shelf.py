"""`msviz shelf` as a user meets it: what it prints, what it does, and one line for every mistake."""

import json
import shutil
from pathlib import Path

import pytest
from test_cli import printed, refused

from msviz.dataset import Dataset
from msviz.run import Run
from msviz.shelving.folders import trash
from msviz.shelving.notes import Notes, Parent, change_notes, read_notes
from msviz.training.loop import Training, train

COMMANDS = ("list", "import", "export", "rename", "describe", "delete", "restore", "empty")


@pytest.fixture(scope="module")
def trained(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Run:
    config = {"layers": 1, "heads": 2, "width": 4, "hidden": "8"}
    training = Training(epochs=1, batch_size=4096, threads=1)
    out = tmp_path_factory.mktemp("trained") / "small"
    return train("autoint", tiny_world, out, values=config, training=training, report=lambda *told: None)


@pytest.fixture
def shelf(trained: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    shutil.copytree(trained.path, folder / "small")
    monkeypatch.setenv("MSVIZ_MODELS", str(folder))
    return folder


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_command_has_help(capsys, command):
    usage = " ".join(f"Usage: msviz shelf {command}".split())
    assert usage in " ".join(printed(capsys, "shelf", *command.split(), "--help").split())


def test_list(capsys, shelf, trained):
    change_notes(shelf / "small", add=["good"], description="Mine", parent=Parent(name="old", digest="0f"))
    (shelf / "bad").mkdir()
    (shelf / "bad" / "run.json").write_text("{")
    text = printed(capsys, "shelf", "list")
    line = next(line for line in text.splitlines() if line.startswith("small"))
    assert line.split()[:3] == ["small", "autoint", "tiny"]
    assert f"{trained.card.headline['auc']:.4f}" in line and "good" in line and "old" in line
    assert "1 of 1 runs" in text
    assert "not a run that can be read: bad: run.json" in text
    found = json.loads(printed(capsys, "shelf", "list", "--json"))
    (one,) = found["runs"]
    assert one["digest"] == trained.card.digest
    assert one["auc"] == trained.card.headline["auc"]
    assert (one["tags"], one["description"], one["kept"]) == (["good"], "Mine", False)
    assert (one["parent"], one["changes"]) == ({"name": "old", "digest": "0f"}, {})
    assert [Path(one["path"]).name for one in found["broken"]] == ["bad"]
    for asked, count in ((("--tag", "good"), 1), (("--tag", "bad"), 0), (("--search", "width=4 mine"), 1)):
        assert len(json.loads(printed(capsys, "shelf", "list", "--json", *asked))["runs"]) == count
    assert refused(capsys, "shelf", "list", "--sort", "up").startswith("--sort: got 'up'; valid choices")
    (shelf / "small" / "notes.json").write_text("{")
    assert "small: its notes are left out: notes.json cannot be read" in printed(capsys, "shelf", "list")


def test_an_empty_shelf(capsys, tmp_path):
    assert "0 of 0 runs" in printed(capsys, "shelf", "list", "--shelf", tmp_path / "none")
    line = refused(capsys, "shelf", "delete", "gone", "--shelf", tmp_path)
    assert line == f"run: got 'gone'; no run lies in {tmp_path}"


def test_describe(capsys, shelf):
    assert printed(capsys, "shelf", "describe", "small") == "no description\ntags: none\n"
    said = printed(
        capsys,
        "shelf",
        "describe",
        shelf / "small",
        "--description",
        "λ = 0",
        "--tag",
        "Flash Sale",
        "--pin",
    )
    assert said == "λ = 0\ntags: flash-sale\nit is pinned\n"
    printed(capsys, "shelf", "describe", "small", "--untag", "flash sale", "--tag", "new")
    assert read_notes(shelf / "small") == Notes(description="λ = 0", tags=("new",), kept=True)
    assert refused(capsys, "shelf", "describe", "small", "--tag", "a/b").startswith("tag: got 'a/b'")


def test_rename_delete_restore_empty(capsys, shelf):
    assert printed(capsys, "shelf", "rename", "small", "large") == f"renamed to {shelf / 'large'}\n"
    assert "valid choices: large" in refused(capsys, "shelf", "rename", "small", "x")
    assert "deleted large; msviz shelf restore large" in printed(capsys, "shelf", "delete", "large")
    assert "0 of 0 runs" in printed(capsys, "shelf", "list")
    assert printed(capsys, "shelf", "restore") == "large  deleted today\n"
    assert printed(capsys, "shelf", "restore", "large") == f"restored {shelf / 'large'}\n"
    assert printed(capsys, "shelf", "restore") == "nothing was deleted\n"
    assert "nothing was deleted" in refused(capsys, "shelf", "restore", "large")
    printed(capsys, "shelf", "delete", "large")
    assert "valid choices: large" in refused(capsys, "shelf", "restore", "small")
    assert printed(capsys, "shelf", "empty") == "removed 0 deleted runs for good\n"
    assert printed(capsys, "shelf", "empty", "--days", 0) == "removed 1 deleted runs for good\n"
    assert trash(shelf) == []


def test_take_and_bring(capsys, shelf, trained, tmp_path):
    zipped = tmp_path / "out" / "small.zip"
    assert printed(capsys, "shelf", "export", "small", zipped) == f"wrote {zipped}\n"
    assert "something is there already" in refused(capsys, "shelf", "export", "small", zipped)
    assert "on the shelf already, as small" in refused(capsys, "shelf", "import", zipped)
    other = tmp_path / "other"
    made = printed(capsys, "shelf", "import", zipped, "--shelf", other, "--name", "mine")
    assert made == f"wrote {other / 'mine'}\n"
    assert Run.open(other / "mine").card == trained.card
    line = refused(capsys, "shelf", "import", zipped, "--shelf", tmp_path / "third", "--largest", 0.00001)
    assert "it may have 0.0 MB" in line
    assert refused(capsys, "shelf", "import", "ftp://host/x").startswith("address: got 'ftp://host/x'")
    assert "No such option" in refused(capsys, "shelf", "import", "--nothing")


def test_the_earlier_names_still_work_and_are_not_listed(capsys, shelf: Path, tmp_path: Path) -> None:
    zipped = tmp_path / "small.zip"
    assert printed(capsys, "shelf", "take", "small", zipped) == f"wrote {zipped}\n"
    made = printed(capsys, "shelf", "bring", zipped, "--shelf", tmp_path / "other")
    assert made == f"wrote {tmp_path / 'other' / 'small'}\n"
    assert "it is pinned" in printed(capsys, "shelf", "describe", "small", "--keep")
    assert "it is pinned" not in printed(capsys, "shelf", "describe", "small", "--let-go")
    listed = printed(capsys, "shelf", "--help")
    assert not {"bring", "take"} & set(listed.split())
