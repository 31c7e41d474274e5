"""One rule for a run's name; and the names of its files stand in one module, and nowhere else."""

import ast
from pathlib import Path

import pytest

from msviz.errors import MsvizError
from msviz.run_folder import (
    CARD,
    CHECKPOINT,
    FILES,
    FINDINGS,
    FRAMES,
    LOCK,
    NOTES,
    SCHEMA,
    SETTINGS,
    check_name,
    is_begun,
    is_run,
    with_end,
)

ROOT = Path(__file__).parents[1]
SOURCES = [*(ROOT / "msviz").rglob("*.py"), *(ROOT / "app").rglob("*.py")]
HOME = "msviz/run_folder.py"
# A data folder has a schema.json as well. How findings are kept moves to the folder's module next.
ALLOWED = {
    "msviz/dataset.py": {SCHEMA},
    "msviz/data/importing/write.py": {SCHEMA},
}


def literals(tree: ast.AST) -> list[str]:
    """Return every string of a module, parts of f-strings too, but for docstrings."""
    told = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in told
    ]


def names_in(text: str) -> set[str]:
    """Return the names that a string holds: a file's anywhere, a folder's, which is a word too, alone."""
    files = {name for name in (CARD, NOTES, SETTINGS, *FILES) if name in text}
    return files | {name for name in (CHECKPOINT, FINDINGS, FRAMES) if text.strip("/") == name}


def test_the_names_stand_in_one_module() -> None:
    twice = {}
    for path in SOURCES:
        name = str(path.relative_to(ROOT))
        found = set().union(*map(names_in, literals(ast.parse(path.read_text(encoding="utf-8")))))
        if name != HOME and found - ALLOWED.get(name, set()):
            twice[name] = found
    assert not twice


def test_a_name_is_found_wherever_it_is_written() -> None:
    text = '"""Writes run.json."""\npath = f"{folder}/run.json"\nif name in ("frames/", "checkpoint"): pass\n'
    assert set().union(*map(names_in, literals(ast.parse(text)))) == {CARD, FRAMES, CHECKPOINT}
    assert not names_in("seconds between checkpoints") and not names_in("--frames")


@pytest.mark.parametrize("name", ["a", "_a", "A-1.0_x", "x" * 100])
def test_a_name_that_a_run_may_have(name: str) -> None:
    assert check_name(name, ["other"]) == name


@pytest.mark.parametrize("name", ["", ".", "-x", "a/b", "a b", "a\n", "é", "x" * 101, "Taken"])
def test_a_name_that_will_not_do_is_refused_with_the_choices(name: str) -> None:
    with pytest.raises(MsvizError, match=r"^name: got .*; (wanted: letters, digits .* up to 100|a run)"):
        check_name(name, ["taken"])


def test_a_name_and_its_end_fit_together() -> None:
    assert with_end("abc", "-2") == "abc-2" and with_end("x" * 100, "-12") == "x" * 97 + "-12"


def test_a_folder_is_a_run_or_a_training_that_began(tmp_path: Path) -> None:
    assert not is_run(tmp_path) and not is_begun(tmp_path)
    (tmp_path / CHECKPOINT).mkdir()
    (tmp_path / CHECKPOINT / LOCK).touch()
    assert not is_begun(tmp_path)
    (tmp_path / CHECKPOINT / SETTINGS).touch()
    assert is_begun(tmp_path) and not is_run(tmp_path)
    (tmp_path / CARD).touch()
    assert is_run(tmp_path)
