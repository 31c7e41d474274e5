"""The folder is the registry of pages: what a page must have, and that links lead to pages that are there."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.navigation import SECTIONS, PageInfo, find_page, list_pages

APP = Path(__file__).parents[2] / "app"
FOLDERS = sorted(path.parent.name for path in APP.glob("page/*/__init__.py"))
SOURCES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(APP.rglob("*.py"))}


FREE_OF_STREAMLIT = [
    ".".join(path.relative_to(APP.parent).with_suffix("").parts)
    for path, tree in SOURCES.items()
    if "Nothing here needs Streamlit" in str(ast.get_docstring(tree)).replace("nothing", "Nothing")
]


def calls(name: str) -> Iterator[ast.Call]:
    for tree in SOURCES.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith(name):
                yield node


def test_every_folder_is_a_page_in_the_order_of_the_sections() -> None:
    pages = list_pages()
    assert sorted(page.stem for page in pages) == FOLDERS
    places = [SECTIONS.index(page.info.section) for page in pages]
    assert places == sorted(places) and pages[0].stem == "overview"
    assert len({page.info.title for page in pages}) == len(pages)


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_page_is_two_functions_that_agree_on_a_choice(folder: str) -> None:
    controls, content = (SOURCES[APP / "page" / folder / name] for name in ("controls.py", "content.py"))
    functions = {
        node.name: node
        for tree in (controls, content)
        for node in tree.body
        if isinstance(node, ast.FunctionDef)
    }
    (argument,) = functions["show"].args.args
    returned = functions["choose"].returns
    assert argument.annotation is not None and returned is not None
    choice = ast.unparse(argument.annotation)
    assert choice.endswith("Choice") and ast.unparse(returned).removesuffix(" | None") == choice
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign)
    doc, *body = content.body
    assert isinstance(doc, ast.Expr) and all(isinstance(node, allowed) for node in body), (
        "nothing runs on import"
    )


def test_links_lead_to_pages_that_are_there() -> None:
    names = [call.args[0].value for call in calls("link_to") if isinstance(call.args[0], ast.Constant)]
    assert len(names) > 8 and set(names) <= set(FOLDERS)
    assert not list(calls("switch_page")) and len(list(calls("st.page_link"))) == 1, (
        "navigation.link_to does it"
    )


def test_a_page_that_is_not_there_and_a_section_that_is_none_are_told() -> None:
    with pytest.raises(ValueError, match="page: got 'atention'; choices: overview, performance"):
        find_page("atention")
    with pytest.raises(ValueError, match="section: got 'Model'; choices: Models, Inside a model"):
        PageInfo(title="Mine", icon="", section="Model", order=1)  # type: ignore[arg-type]


def test_a_private_name_stays_in_its_folder() -> None:
    for path, tree in SOURCES.items():
        for node in ast.walk(tree):
            if not isinstance(node, ast.ImportFrom) or not (node.module or "").startswith("app"):
                continue
            private = [alias.name for alias in node.names if alias.name.startswith("_")]
            private += [part for part in (node.module or "").split(".") if part.startswith("_")]
            assert not private, f"{path.name} imports {private}"


@pytest.mark.parametrize(
    ("modules", "forbidden"),
    [
        # What every visit imports brings no torch, which takes seconds.
        (["app.navigation; app.navigation.list_pages()", "app.work", "app.slicing"], "torch"),
        (
            FREE_OF_STREAMLIT,
            "streamlit",
        ),
    ],
)
def test_light_modules_stay_light(modules: list[str], forbidden: str) -> None:
    assert len(modules) > 2
    code = "\n".join(f"import {module}" for module in modules)
    script = f"{code}\nimport sys\nprint({forbidden!r} in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=APP.parent, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"
