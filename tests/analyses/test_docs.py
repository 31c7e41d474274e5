"""The examples of docs/analyses.md run as they stand."""

import re
from pathlib import Path

import pytest

from msviz.dataset import Dataset
from msviz.registry import QUESTIONS
from msviz.run import Run

PAGE = Path(__file__).parents[2] / "docs/analyses.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_an_example_runs(
    number: int, satrans: Run, tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "data").mkdir()
    (tmp_path / "models/demo-satrans").symlink_to(satrans.path)
    (tmp_path / "data/demo").symlink_to(tiny_world.path)
    exec(EXAMPLES[number], {})


def test_the_page_names_every_question() -> None:

    text = PAGE.read_text("utf-8")
    assert [name for name in QUESTIONS.names() if f"| `{name}` |" not in text] == []
