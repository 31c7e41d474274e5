"""The rooms stay rooms: who may import whom, read off the source."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from private_names import private_imports

ROOT = Path(__file__).parents[1]
NOUNS = {
    *("schema", "dataset", "batch", "run", "trace", "finding"),
    *("errors", "registry", "run_folder", "same_training", "statistics"),
    "lazy",
}
# A room may import itself, the nouns, and the rooms named here.
MAY = {
    "data": set(),
    "nets": set(),
    "training": {"data", "nets"},
    "probing": {"data", "nets", "training"},
    "analyses": {"data", "nets", "training", "probing"},
    "figures": set(),
    "papers": set(),
    "jobs": set(),
    "shelving": {"data", "training"},
}
MAY["gallery"] = {*MAY, "gallery"}
# The command line brings all rooms together, the app that as well.
MAY["cli"] = set(MAY)
MAY["app"] = set(MAY)
DRAWING = {"streamlit": {"app"}, "plotly": {"app", "figures"}, "captum": {"analyses"}}
SOURCES = sorted([*(ROOT / "msviz").rglob("*.py"), *(ROOT / "app").rglob("*.py")])


def room(path: Path) -> str:
    """Return the room a file lies in; nouns are one room."""
    parts = path.relative_to(ROOT).parts
    if parts[0] == "app":
        return "app"
    inner = parts[1].removesuffix(".py")
    return "nouns" if inner in NOUNS or inner == "__init__" else "cli" if inner == "__main__" else inner


def imports(path: Path) -> list[str]:
    """Return the dotted modules a file imports when it runs (not for the type checker alone)."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            return
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_go_one_way(path: Path) -> None:
    here = room(path)
    for name in imports(path):
        top, *rest = name.split(".")
        if top == "msviz" and rest:
            there = "nouns" if rest[0] in NOUNS else rest[0]
            known = there in MAY or there == "nouns"
            # `from msviz import registry` and public names of the package itself are free.
            if known and there not in ("nouns", here):
                assert there in MAY.get(here, set()), f"{path} ({here}) imports {name}"
        elif top in DRAWING:
            assert here in DRAWING[top], f"{path} ({here}) imports {name}"


def test_every_room_is_known() -> None:
    assert {room(path) for path in SOURCES} <= {*MAY, "nouns"}


@pytest.mark.parametrize(
    ("code", "forbidden"),
    [
        ("import msviz", ["torch", "pandas", "xarray", "plotly", "streamlit"]),
        ("import msviz; msviz.shelf('models')", ["torch", "plotly", "streamlit"]),
        ("import msviz.finding", ["torch", "plotly"]),
        (
            "from msviz.analyses.answers import Request\n"
            "assert Request.parse('attention_by_scenario', 'models/demo-satrans', None, {}).load()",
            ["torch", "plotly", "streamlit", "sklearn", "scipy.stats"],
        ),
        ("import msviz.statistics.intervals", ["torch", "pandas", "scipy"]),
        (
            "import msviz.statistics.auc, msviz.statistics.correlation",
            ["torch", "pandas", "scipy.stats", "xarray"],
        ),
    ],
)
def test_light_doors_stay_light(code: str, forbidden: list[str]) -> None:
    script = f"{code}\nimport sys\nprint([m for m in {forbidden} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_no_two_files_of_tests_are_called_alike() -> None:
    """Without packages pytest collects one of them and fails on the other, depending on what ran before."""
    names = [path.name for path in (ROOT / "tests").rglob("*.py")]
    twice = {name for name in names if names.count(name) > 1} - {"conftest.py"}
    assert not twice


def test_an_underscore_means_this_folder_only() -> None:
    folders = ("msviz", "app", "tests", "benchmarks")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    assert len(files) > 300
    assert {
        str(file.relative_to(ROOT)): names for file in files if (names := private_imports(file, ROOT))
    } == {}


def test_no_class_name_occurs_twice() -> None:
    homes: dict[str, list[str]] = {}
    for file in SOURCES:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                homes.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert len(homes) > 200
    assert {name: files for name, files in homes.items() if len(files) > 1} == {}


@pytest.mark.parametrize("folder", ["msviz", "app"])
def test_a_private_name_in_a_docstring_is_one_of_the_file(folder: str) -> None:
    """What was renamed or moved is not spoken of by its earlier name."""
    stale = []
    for file in sorted((ROOT / folder).rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        code = {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}
        code |= {
            node.name
            for node in ast.walk(ast.parse(text))
            if isinstance(node, ast.FunctionDef | ast.ClassDef)
        }
        names = re.findall(r"`(_[a-z]\w*)", text)
        stale += [f"{file.relative_to(ROOT)}: {name}" for name in names if name not in code]
    assert stale == []
