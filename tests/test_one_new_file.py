"""One new file is all that a model, question, picture, source or paper takes, on the command line too."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
from documented_examples import DOCS, TASKS, examples

from msviz import registry
from msviz.analyses.question import ComparedView, Question, SnapshotView
from msviz.cli import run
from msviz.data.importing.source import Source
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.figures.picture import Picture
from msviz.finding import Finding
from msviz.nets.base import Net
from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy
from msviz.papers.tile import Tile
from msviz.registry import MODELS, PAPERS, PICTURES, QUESTIONS, SOURCES, Registry
from msviz.training.frames import SnapshotReader

KINDS = (Question, SnapshotView, ComparedView, Picture, Source, Paper, Tile, PaperStudy)
SMALL = ("--set", "width=4", "--set", "units=4", "--epochs", 1, "--device", "cpu", "--set", "threads=1")
ADDED = {
    "model": (MODELS, "gated_experts"),
    "question": (QUESTIONS, "gate_shares"),
    "picture": (PICTURES, "gate_shares"),
    "source": (SOURCES, "json_lines"),
    "paper": (PAPERS, "gated_experts"),
}


def printed(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Return what a command prints when all is well."""
    capsys.readouterr()
    assert run([str(argument) for argument in arguments]) == 0, capsys.readouterr().err
    return capsys.readouterr().out


def listed_names(kind: str) -> list[str]:
    """Return the names that the documentation lists of a class."""
    (section,) = [
        part
        for task in TASKS
        for part in task.read_text("utf-8").split("\n### ")[1:]
        if part.startswith(f"`{kind}`\n")
    ]
    table = section.split("\n## ")[0]
    return [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]


@pytest.fixture
def trained(plugins: Path, tiny_world: Dataset, tmp_path: Path) -> Path:
    """A run of the example's model, watched while it was trained; its shelf is the folder around it."""
    out = tmp_path / "models" / "mine"
    given = ["train", "gated_experts", "--data", tiny_world.path, "--out", out, "--frames", 1, *SMALL]
    assert run([str(part) for part in given]) == 0
    return out


@pytest.mark.parametrize("task", ADDED)
def test_an_entry_is_there_only_where_its_folder_is_named(task: str, plugin_folder: Path) -> None:
    entries, name = ADDED[task]
    assert name not in entries.names()
    with pytest.raises(MsvizError, match=f"got '{name}'; valid choices: "):
        entries.module(name)
    assert set(examples(DOCS / f"add_a_{task}.md")) <= {
        str(file.relative_to(plugin_folder)) for file in plugin_folder.rglob("*.py")
    }


@pytest.mark.parametrize("task", ADDED)
def test_an_entry_of_a_plugin_is_listed_and_loaded(task: str, plugins: Path) -> None:
    entries, name = ADDED[task]
    module = entries.module(name)
    assert name in entries.names() and module.__doc__ is not None
    assert entries.summary(name) == module.__doc__.split("\n")[0]
    assert Path(str(module.__file__)).is_relative_to(plugins)


def test_what_msviz_has_already_and_a_folder_that_is_none_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nets" / "models").mkdir(parents=True)
    (tmp_path / "nets" / "models" / "same.py").write_text('"""Another."""')
    monkeypatch.setenv(registry.PLUGINS, str(tmp_path))
    with pytest.raises(MsvizError, match=r"same.py'; there is a model of this name"):
        MODELS.names()
    assert QUESTIONS.names(), "the other registries are as they were"
    monkeypatch.setenv(registry.PLUGINS, f"{tmp_path}{os.pathsep}{tmp_path / 'gone'}")
    with pytest.raises(MsvizError, match=r"MSVIZ_PLUGINS: got '.*gone'; wanted: a folder"):
        QUESTIONS.names()


def test_the_command_line_of_another_process_knows_the_entries(plugins: Path) -> None:
    for command, name in (("models", "gated_experts"), ("analyses", "gate_shares")):
        done = subprocess.run(
            [sys.executable, "-m", "msviz", command], capture_output=True, text=True, check=True
        )
        assert f"\n{name}" in f"\n{done.stdout}"


def test_the_app_looks_in_the_same_folders_though_it_changes_its_own(
    plugins: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plugins.parent)
    monkeypatch.setattr("os.chdir", lambda folder: None)
    monkeypatch.setattr("os.execv", lambda *given: None)
    for name in ("MSVIZ_MODELS", "MSVIZ_DATA"):
        monkeypatch.setenv(name, str(plugins.parent))
    monkeypatch.setenv(registry.PLUGINS, plugins.name)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert run(["app", "--port", str(port)]) == 0
    assert os.environ[registry.PLUGINS] == str(plugins)


def test_a_model_is_trained_and_watched_and_its_gate_is_asked(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "experts = 3" in printed(capsys, "models", "gated_experts")
    assert json.loads((trained / "run.json").read_text())["model"] == "gated_experts"
    finding = SnapshotReader(trained).finding(1)
    assert finding is not None and finding.analysis == "gate_shares"
    assert json.loads(printed(capsys, "evaluate", trained, "--json"))["model"] == "gated_experts"
    assert "expert" in printed(capsys, "analyse", "gates_over_time", trained, "--set", "rows=500")


def test_a_question_is_answered_and_drawn(
    trained: Path, tiny_world: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "rows = 2000" in printed(capsys, "analyses", "gate_shares")
    out = tmp_path / "shares.nc"
    assert "relies on expert" in printed(capsys, "analyse", "gate_shares", trained, "--out", out)
    share = Finding.load(out).data["share"]
    assert share.sizes["expert"] == 3 and abs(share.sum("expert") - 1).max() < 1e-5
    picture = tmp_path / "shares.json"
    printed(capsys, "draw", "gate_shares", trained, "--out", picture)
    bars = json.loads(picture.read_text())["data"]
    assert [bar["name"] for bar in bars] == ["expert 1", "expert 2", "expert 3"]


def test_a_paper_is_drawn_and_its_study_trained(
    trained: Path, tiny_world: Dataset, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["gallery", "--models", trained.parent, "--folder", tiny_world.path.parent]
    told = printed(capsys, *asked, "--paper", "gated_experts")
    assert "1 of 2 drawn" in told and "gated_experts, Figure 2: needs gated_experts with experts = 2" in told
    lines = printed(capsys, *asked, "--paper", "gated_experts", "--commands").splitlines()
    assert len(lines) == 2 and all("train gated_experts" in line for line in lines)


def test_a_source_imports_its_log(plugins: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "json_lines" in printed(capsys, "data", "import", "--help")
    assert "--schema-file" in printed(capsys, "data", "import", "json_lines", "--help")
    log = tmp_path / "log.jsonl"
    rows = [{"click": i % 3 == 0, "tab": "ab"[i % 2], "user_id": i % 7, "time": i} for i in range(60)]
    log.write_text("\n".join(json.dumps({**row, "click": int(row["click"])}) for row in rows))
    printed(capsys, "data", "import", "json_lines", log, "--propose", tmp_path / "schema.yaml")
    printed(capsys, "data", "import", "json_lines", log, "--out", tmp_path / "encoded")
    told = json.loads(printed(capsys, "data", "describe", tmp_path / "encoded", "--json"))
    assert sum(told["rows"].values()) == 60


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_the_documentation_lists_every_name_that_a_file_may_define(kind: type) -> None:
    assert sorted(listed_names(kind.__name__)) == sorted(field.name for field in fields(kind))


def test_the_documentation_lists_all_that_a_net_may_define() -> None:
    own = {name for name in {**vars(Net), **Net.__annotations__} if not name.startswith("_")}
    assert set(listed_names("Net")) == own


def test_every_registry_has_its_page_of_documentation() -> None:
    folders = {
        entries.folder.replace(".", "/")
        for entries in vars(registry).values()
        if isinstance(entries, Registry)
    }
    assert {str(Path(name).parent) for name in examples()} == {*folders, "page/experts"}
