"""What the documentation says of files and folders is so: the paths it names, and a line for every room."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
TREE = README.split("## Where things are")[1].split("```")[1]
PATH = re.compile(r"`((?:msviz|app|tests|docs|benchmarks)/[\w./]*)`")
MADE = ("app/pages",)  # named to say that there is none


def rooms(folder: Path) -> set[str]:
    return {file.parent.name for file in folder.glob("*/__init__.py")}


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.stem)
def test_paths_that_a_page_names_are_there(page: Path) -> None:
    named = set(PATH.findall(page.read_text("utf-8"))) - set(MADE)
    named = {path for path in named if "NAME" not in path}
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_the_tree_has_a_line_for_every_room() -> None:
    inner = {line.split()[0].rstrip("/") for line in TREE.splitlines() if re.match(r"  \w+/ ", line)}
    assert inner == rooms(ROOT / "msviz") | {"page"}
    top = {line.split()[0] for line in TREE.splitlines() if line and not line.startswith(" ")}
    assert top == {"app/", "msviz/", "models/", "data/", "tests/", "benchmarks/", "docs/"}
    left = [re.split(r" {3,}", line.strip())[0] for line in TREE.splitlines()]
    files = {word for names in left for word in names.split() if word.endswith(".py")}
    assert len(files) > 8
    assert all((ROOT / "msviz" / file).is_file() or (ROOT / "app" / file).is_file() for file in files)


def test_the_architecture_lists_every_registry() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    table = text.split("## Registries")[1].split("## Rooms")[0]
    linked = {file.name for file in (ROOT / "docs").glob("add_a_*.md")}
    assert set(re.findall(r"\]\((add_a_\w+\.md)\)", table)) == linked
    assert {name.removeprefix("docs/") for name in re.findall(r"docs/add_a_\w+\.md", README)} == linked
