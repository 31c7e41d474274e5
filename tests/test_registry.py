"""A folder is a registry of typed entries: what a module misspells or forgets is an error, not a default."""

import sys
from types import ModuleType

import pytest

from msviz.analyses.question import Question, load_question, load_questions
from msviz.data.importing.source import Source, load_source
from msviz.errors import MsvizError
from msviz.figures.picture import Picture, load_picture
from msviz.nets.base import Net, net_class
from msviz.papers.paper import Paper, load_papers
from msviz.registry import MODELS, PAPERS, PICTURES, QUESTIONS, SOURCES, Registry

EVERY = (MODELS, QUESTIONS, PICTURES, SOURCES, PAPERS)


def test_every_entry_of_every_folder_is_what_it_must_be() -> None:
    assert all(isinstance(entry, Question) for entry in load_questions().values())
    assert all(isinstance(load_picture(name), Picture) for name in PICTURES.names())
    assert all(isinstance(load_source(name), Source) for name in SOURCES.names())
    assert all(isinstance(entry, Paper) for entry in load_papers().values())
    assert all(issubclass(net_class(name), Net) for name in MODELS.names())


def test_a_picture_has_its_questions_name() -> None:
    assert PICTURES.names() == QUESTIONS.names()


@pytest.mark.parametrize("registry", EVERY, ids=lambda registry: registry.folder)
def test_a_folder_holds_nothing_but_entries(registry: Registry) -> None:
    assert {file.stem for file in registry.paths[0].glob("*.py")} == {"__init__", *registry.names()}
    for name in registry.names():
        assert len(registry.summary(name)) > 20


@pytest.mark.parametrize("registry", EVERY, ids=lambda registry: registry.folder)
def test_another_name_is_refused_with_the_choices(registry: Registry) -> None:
    with pytest.raises(MsvizError, match=f"^{registry.noun}: got 'nowhere'; valid choices: ") as caught:
        registry.module("nowhere")
    assert registry.names()[0] in str(caught.value)


@pytest.mark.parametrize("entry", [None, "Sankey", Question])
def test_a_module_without_its_entry_is_named(monkeypatch: pytest.MonkeyPatch, entry: object) -> None:
    module = ModuleType("msviz.analyses.questions.sankey")
    if entry is not None:
        module.QUESTION = entry  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(
        MsvizError, match=r"msviz/analyses/questions/sankey.py: QUESTION: got .*wanted: "
    ) as caught:
        load_question("sankey")
    assert str(caught.value).endswith("QUESTION = Question(...)")


def test_a_model_that_is_no_net_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("msviz.nets.models.autoint")
    module.MODEL = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(MsvizError, match=r"autoint\.py: MODEL: got 'dict'; wanted: a subclass of Net"):
        net_class("autoint")


@pytest.mark.parametrize(("misspelt", "right"), [("splits", "split"), ("need", "needs"), ("scores", "score")])
def test_a_misspelt_name_of_a_question_is_an_error(misspelt: str, right: str) -> None:
    question = load_question("performance")
    values = {name: getattr(question, name) for name in ("title", "options", "analyse", "version", "needs")}
    Question(**{**values, right: getattr(question, right)})
    with pytest.raises(TypeError, match=misspelt):
        Question(**{**values, misspelt: getattr(question, right)})


def test_what_a_picture_needs_may_not_be_left_out() -> None:
    picture = load_picture("performance")
    with pytest.raises(TypeError, match="draw"):
        Picture(how_to_read=picture.how_to_read)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="how_to_read"):
        Picture(draw=picture.draw)  # type: ignore[call-arg]
