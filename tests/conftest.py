"""Fixtures that every room uses: one small planted world, written once for the whole session."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Tests run side by side, also in processes that they start: threads that wait for one another across
# busy cores cost a hundred times what they save.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from documented_examples import write_examples

from msviz.dataset import Dataset


@pytest.fixture(scope="session")
def tiny_world(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A planted world of 20,000 rows, 5 scenarios and 21 fields; do not write into its folder."""
    from msviz.data.planted.plant import PlantOptions, plant

    out: Path = tmp_path_factory.mktemp("worlds") / "tiny"
    return plant(out, PlantOptions(rows=20_000, seed=1), report=lambda line: None)


@pytest.fixture(scope="session")
def plugin_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The examples of the documentation as files; nothing looks there by itself."""
    return write_examples(tmp_path_factory.mktemp("plugins"))


@pytest.fixture
def plugins(plugin_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The examples as entries of every registry, here and in processes that a test starts."""
    monkeypatch.setenv("MSVIZ_PLUGINS", str(plugin_folder))
    yield plugin_folder
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(str(plugin_folder)):
            del sys.modules[name]
