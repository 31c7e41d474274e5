"""The Experiments page: a log in the data folder, none, and one that is bad."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
DEMO = Path(__file__).parents[3] / "data" / "demo-experiment.csv"


def words(at: AppTest) -> str:
    kinds = (at.title, at.subheader, at.markdown, at.caption, at.warning, at.info)
    return "\n".join(element.value for kind in kinds for element in kind).replace("\\", "")


@pytest.fixture
def folder(app: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    data = tmp_path / "data"
    data.mkdir()
    shutil.copy(DEMO, data)
    shutil.copy(DEMO.with_name("demo-experiment.truth.json"), data)
    (data / "notes.csv").write_text("a,b\n1,2\n")
    monkeypatch.setenv("MSVIZ_DATA", str(data))
    return data


def test_a_log_in_the_data_folder_is_found_and_checked_against_its_truth(app: Open, folder: Path) -> None:
    at = app("experiments")
    assert not at.exception and not at.warning
    assert at.selectbox(key="log").options == ["demo-experiment.csv"]
    said = words(at)
    assert "Over all scenarios, treatment against control: CTR +" in said
    assert "simulated data" in said and "intervals hold the planted lift" in said
    assert len(at.get("plotly_chart")) == 1
    assert not (folder / ".findings").exists(), "a page writes nothing"


def test_a_link_opens_the_view_it_names(app: Open, folder: Path) -> None:
    at = app("experiments", **{"lift-view": "Days", "lift-scenario": "Search", "lift-metric": "CTR"})
    assert not at.exception and not at.warning
    assert "In Search, treatment against control" in words(at)
    spec = at.get("plotly_chart")[0].proto.spec
    assert '"name":"Search"' in spec and '"name":"Home feed"' not in spec
    at = app("experiments", control="treatment", treatment="control")
    assert "control against treatment: CTR -" in words(at)


def test_periods_of_ones_own_and_bad_ones(app: Open, folder: Path) -> None:
    at = app("experiments", **{"periods": "2025-05-12..2025-05-18 First week", "lift-view": "Periods"})
    assert not at.exception and not at.warning
    assert "First week" in at.get("plotly_chart")[0].proto.spec
    at = app("experiments", periods="tomorrow")
    assert "periods: got 'tomorrow'" in words(at) and not at.exception


def test_a_bad_log_and_no_log_are_told(app: Open, folder: Path) -> None:
    log = folder / "demo-experiment.csv"
    lines = log.read_text().splitlines()
    log.write_text("\n".join([*lines, lines[1]]))
    at = app("experiments")
    assert not at.exception and "these date, scenario, arm stand there twice" in words(at)
    log.unlink()
    at = app("experiments")
    assert not at.exception and "No experiment yet" in words(at)


def test_a_log_that_does_not_name_its_control_says_which_arm_was_taken(app: Open, folder: Path) -> None:
    log = folder / "demo-experiment.csv"
    log.write_text(log.read_text().replace(",control,", ",old,").replace(",treatment,", ",new,"))
    said = words(app("experiments"))
    assert "does not say which arm is the control: new is taken" in said
    assert "old against new: CTR -" in said
    assert "intervals hold the planted lift" not in said, "the truth was of another log"
