"""The days that a slice can be built of, whatever order the log's rows lie in."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from streamlit.testing.v1 import AppTest

from msviz.dataset import Dataset, Rows

MAIN = Path(__file__).parents[2] / "app" / "main.py"


@pytest.fixture
def unsorted(tiny_world: Dataset, tmp_path: Path) -> Path:
    """The tiny world with its test rows out of order: the first and the last are of one day in the middle."""
    shutil.copytree(tiny_world.path, tmp_path / "data" / "unsorted")
    file = tmp_path / "data" / "unsorted" / "test" / "time.bin"
    time = np.sort(np.fromfile(file, "i8"))
    days = np.unique(time // 86_400)
    middle = np.flatnonzero(time // 86_400 == days[len(days) // 2])
    others = np.setdiff1d(np.arange(len(time)), middle[:2])
    time[np.r_[middle[0], others, middle[1]]].tofile(file)
    meta = file.parents[1] / "dataset.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "fingerprint": tmp_path.name}))
    return tmp_path / "data"


def test_every_day_of_an_unsorted_log_can_be_chosen_and_reruns_read_no_row(
    unsorted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    for name, folder in (("DATA", unsorted), ("MODELS", tmp_path / "models"), ("JOBS", tmp_path / "jobs")):
        monkeypatch.setenv(f"MSVIZ_{name}", str(folder))
    monkeypatch.setenv("MSVIZ_ENGINE", "off")
    read: list[str] = []
    mapped = Rows._map

    def counted(self: Rows, stem: str, *rest: object) -> object:
        read.append(stem)
        return mapped(self, stem, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Rows, "_map", counted)
    at = AppTest.from_file(str(MAIN), default_timeout=60).run()
    at.selectbox(key="build-field").set_value("Day").run()
    assert not at.exception
    time = np.fromfile(unsorted / "unsorted" / "test" / "time.bin", "i8")
    first, last = (
        np.datetime64(int(end), "s").astype("datetime64[D]").item() for end in (min(time), max(time))
    )
    assert first < np.datetime64(int(time[0]), "s").astype("datetime64[D]").item() < last
    chosen = at.date_input(key="build-days")
    assert (chosen.min, chosen.max) == (first, last) and tuple(chosen.value) == (first, last)
    assert read.count("time") == 1
    at.run()
    at.run()
    assert read.count("time") == 1, "the days are known by the log's fingerprint"
