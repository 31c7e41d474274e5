"""One new file is all that a model, question, picture or paper takes in the app too; a page is one folder."""

import importlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from opened_pages import open_page
from streamlit.testing.v1 import AppTest
from test_pages import charts, words

import app.page
from app import navigation
from app.navigation import EVERYWHERE, list_pages, other_questions
from msviz.analyses.question import load_questions
from msviz.analyses.run import analyse
from msviz.analyses.snapshots import SnapshotMaker
from msviz.dataset import Dataset
from msviz.registry import QUESTIONS
from msviz.run import Run
from msviz.shelving.notes import Parent, change_notes
from msviz.training.loop import Training, train

Open = Callable[..., AppTest]
QUESTION = "Which expert does each scenario rely on?"
SCRIPT = """
from msviz.run import Run
from app.page.train import {module}
{module}.{call}
"""


def trained(world: Dataset, out: Path, **values: object) -> Run:
    return train(
        "gated_experts", world, out, values={"width": 4, "units": 4, **values},
        training=Training(epochs=1, batch_size=4096, threads=1), device="cpu",
        report=lambda *told: None, watch=SnapshotMaker(1),
    )  # fmt: skip


@pytest.fixture
def shelf(plugins: Path, tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A shelf with a run of the example's model and what was retrained from it; the app looks there."""
    models = tmp_path / "shelf" / "models"
    parent = trained(tiny_world, models / "parent")
    run = trained(tiny_world, models / "retrained", experts=2)
    change_notes(run.path, parent=Parent(name=parent.name, digest=parent.card.digest))
    monkeypatch.setenv("MSVIZ_MODELS", str(models))
    monkeypatch.setenv("MSVIZ_DATA", str(tiny_world.path.parent))
    monkeypatch.setenv("MSVIZ_JOBS", str(tmp_path / "jobs"))
    monkeypatch.setenv("MSVIZ_ENGINE", "off")
    return models


@pytest.fixture
def opened(shelf: Path) -> Open:
    """Open a page over that shelf."""

    def opened(page: str, **link: str) -> AppTest:
        at = AppTest.from_file(str(Path(app.page.__path__[0]).parent / "main.py"), default_timeout=60)
        for key, value in link.items():
            at.query_params[key] = value
        return open_page(at, page).run()

    return opened


@pytest.fixture
def new_page(plugins: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page of the documentation, as if its folder lay in app/page."""
    monkeypatch.setattr(app.page, "__path__", [*app.page.__path__, str(plugins / "page")])
    (plugins / "page" / "experts" / "__init__.py").write_text('"""Experts."""\n')
    importlib.invalidate_caches()
    list_pages.cache_clear()
    yield "experts"
    list_pages.cache_clear()
    for name in [name for name in sys.modules if name.startswith("app.page.experts")]:
        del sys.modules[name]


def test_every_question_is_on_a_page_and_every_page_shows_questions_that_are_there() -> None:
    shown = [name for page in list_pages() for name in page.info.questions]
    assert set(shown) <= set(QUESTIONS.names())
    assert {*shown, *EVERYWHERE, *other_questions()} == set(QUESTIONS.names())


@pytest.mark.parametrize("page", list_pages(), ids=lambda page: page.stem)
def test_a_page_shows_what_it_says(page: navigation.Page) -> None:
    folder = Path(app.page.__path__[0]) / page.stem
    source = "".join(file.read_text("utf-8") for file in folder.rglob("*.py"))
    lacking = [name for name in page.info.questions if source.count(name) < 2]
    assert not lacking, "each is named once in PAGE, and again where it is asked"


def test_the_page_of_other_questions_is_hidden_while_there_is_none(app: Open) -> None:
    (page,) = [page for page in list_pages() if page.info.is_hidden]
    assert not other_questions() and page.info.is_hidden is not None and page.info.is_hidden()
    at = app("questions")
    assert not at.exception and "No other questions" in words(at)


def test_a_question_without_a_page_stands_among_the_other_questions(opened: Open, shelf: Path) -> None:
    (page,) = [page for page in list_pages() if page.info.is_hidden]
    assert other_questions() == ["gate_shares"] and page.info.is_hidden is not None
    assert not page.info.is_hidden()
    for rows in (2000, 700):
        analyse("gate_shares", shelf / "retrained", rows=rows)
    at = opened("questions", run="retrained")
    assert not at.exception and not at.warning
    said = words(at)
    assert QUESTION in said and "relies on expert" in said
    assert "Source: run retrained on tiny (test, 2,000 rows)" in said and "simulated data" in said
    (bars,) = charts(at)
    assert [bar["name"] for bar in bars["data"]] == ["expert 1", "expert 2"]
    box = at.number_input(key="gate_shares-rows")
    assert (box.label, box.value, box.min, box.max) == ("Rows", 2000, 100, 50_000)
    box.set_value(700).run()
    assert not at.exception and "(test, 700 rows)" in words(at)


def test_an_answer_that_is_not_kept_is_made_by_a_job(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        return 2**22 + 1  # no process has this number

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    at = opened("questions", run="parent", **{"gate_shares-rows": "300"})
    assert not at.exception
    assert started[0][:2] == ["analyse", "gate_shares"] and started[0][-2:] == ["--set", "rows=300"]


def test_a_run_that_cannot_answer_offers_one_that_can(opened: Open, shelf: Path, shelf_folder: Path) -> None:
    shutil.copytree(shelf_folder / "tiny-autoint", shelf / "tiny-autoint")
    at = opened("questions", run="tiny-autoint")
    assert not at.exception and not charts(at)
    assert "autoint shows no gate over experts" in words(at).lower()
    assert {"open-gate_shares-parent", "open-gate_shares-retrained"} <= {button.key for button in at.button}


def test_a_training_is_watched_and_replayed_by_the_new_picture(shelf: Path) -> None:
    call = f"show_replay(Run.peek({str(shelf / 'parent')!r}))"
    at = AppTest.from_string(SCRIPT.format(module="watching", call=call), default_timeout=60).run()
    assert not at.exception and not at.warning
    assert "relies on expert" in words(at)
    assert [bar["name"] for bar in charts(at)[0]["data"]] == ["expert 1", "expert 2", "expert 3"]


def test_a_run_stands_beside_its_parent_with_the_title_of_the_question(
    shelf: Path, tiny_world: Dataset
) -> None:
    run, parent = Run.peek(shelf / "retrained"), Run.peek(shelf / "parent")
    analyse("runs_compared", parent, runs=f"{parent.path.resolve()},{run.path.resolve()}", paired=True)
    for each in (run, parent):
        analyse("gate_shares", each)
    call = f"show(*map(Run.peek, {[str(run.path), str(parent.path)]!r}))"
    script = "from app import links\nlinks.forget_notes()\n" + SCRIPT.format(
        module="parent_comparison", call=call
    )
    at = AppTest.from_string(script, default_timeout=60).run()
    assert not at.exception and not at.warning
    assert "Which expert does each scenario rely on now?" in words(at)
    assert [len(chart["data"]) for chart in charts(at)] == [3, 2]


def test_the_gate_of_the_new_model_is_on_the_page_of_gates(opened: Open, shelf: Path) -> None:
    finding = analyse("gates_over_time", shelf / "parent")
    at = opened("gates", run="parent")
    assert not at.exception and charts(at) and finding.question in words(at)


def test_the_sixth_paper_is_in_the_gallery_and_its_study_on_the_train_page(opened: Open, shelf: Path) -> None:
    for name in ("parent", "retrained"):
        analyse("gate_shares", shelf / name)
    at = opened("gallery", paper="Gated experts")
    assert not at.exception and not at.warning
    assert "Figure 1" in words(at) and "1 of 2 drawn from runs on the shelf" in words(at)
    links = {link.proto.label: link.proto for link in at.get("page_link")}
    assert "question=Gate+shares" in links["Open in Other questions"].query_string
    at = opened("train", train_view="Sweep", study="gated_experts:Figure 2")
    assert not at.exception and not at.warning
    assert "gated_experts:Figure 2" in at.selectbox(key="study").options
    at = opened("train", **{"from": "a new model"})
    assert not at.exception and "gated_experts" in at.selectbox(key="model").options


def test_a_new_page_shows_its_question_which_then_needs_no_other(
    new_page: str, opened: Open, shelf: Path
) -> None:
    assert new_page in [page.stem for page in list_pages()] and not other_questions()
    analyse("gate_shares", shelf / "retrained", rows=2000)
    at = opened(new_page, run="retrained")
    assert not at.exception and not at.warning
    assert at.title[0].value == "Experts" and QUESTION in words(at) and len(charts(at)) == 1


def test_the_documentation_lists_all_that_a_page_may_say_of_itself() -> None:
    from dataclasses import fields

    from documented_examples import DOCS

    table = (DOCS / "add_a_page.md").read_text("utf-8").split("### `PageInfo`")[1].split("\n## ")[0]
    listed = [line.split("`")[1] for line in table.splitlines() if line.startswith("| `")]
    assert sorted(listed) == sorted(field.name for field in fields(navigation.PageInfo))


EVERY_OPTION = """
import streamlit as st
from app import links
from app.page.questions.option_fields import choose_options, lacking_options
from msviz.analyses.question import load_questions
links.forget_notes()
for name, question in load_questions().items():
    chosen = choose_options(name, question.options)
    st.text(f"{name}: {chosen} {lacking_options(question.options, chosen)}")
"""


def test_the_options_of_every_question_have_widgets_that_stand_at_the_defaults(plugins: Path) -> None:
    at = AppTest.from_string(EVERY_OPTION, default_timeout=60).run()
    assert not at.exception
    wanted = {
        name: tuple(key for key, field in question.options.model_fields.items() if field.is_required())
        for name, question in load_questions().items()
    }
    assert [text.value for text in at.text] == [f"{name}: {{}} {lacking}" for name, lacking in wanted.items()]
    at.number_input(key="attention_instance-row").set_value(7)
    at.toggle(key="runs_compared-paired").set_value(True)
    at.text_input(key="sub_scenarios-on").set_value("gender")
    at.selectbox(key="projection-method").set_value("umap").run()
    said = {text.value.split(":")[0]: text.value for text in at.text}
    assert said["attention_instance"].endswith("{'row': 7} ()")
    assert said["runs_compared"].endswith("{'paired': True} ()")
    assert said["sub_scenarios"].endswith("{'on': 'gender'} ()")
    assert "'method': 'umap'" in said["projection"]


def test_a_file_a_log_and_a_model_are_each_asked_as_the_question_wants(
    app: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["attention_instance", "online_lift", "sankey"]
    monkeypatch.setattr("app.page.questions.controls.other_questions", lambda: names)
    started: list[list[str]] = []

    def start(folder: Path, arguments: list[str], warm: Path | None = None) -> int:
        started.append(arguments)
        return 2**22 + 1  # no process has this number

    monkeypatch.setattr("msviz.jobs.queue.start_process", start)
    at = app("questions", question="Attention instance")
    assert not at.exception and "The question needs an answer to: Row" in words(at) and not started
    log = Path(__file__).parents[2] / "data" / "demo-experiment.csv"
    link = {"online_lift-log": str(log), "online_lift-share": "0.4", "slice": "hour < 12"}
    at = app("questions", question="Online lift", **link)
    assert not at.exception and len(started) == 1
    assert started[0][:3] == ["analyse", "online_lift", "-"] and "--data" not in started[0]
    assert started[0][-4:] == ["--set", f"log={log}", "--set", "share=0.4"]
    at = app("questions", question="Sankey", slice="hour < 12")
    assert not at.exception and len(started) == 2
    assert started[1][:4] == ["analyse", "sankey", "-", "--data"]
    assert started[1][-2:] == ["--set", "slice=hour < 12"]
