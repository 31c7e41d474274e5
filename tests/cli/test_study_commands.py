"""The papers' studies at the command line: what is still to be trained, how it is called, and the tables."""

import shlex
import shutil
from pathlib import Path

import pytest

from msviz.cli import run
from msviz.dataset import Dataset
from msviz.gallery import items
from msviz.gallery import studies as gallery_studies
from msviz.papers.study import PaperStudy
from msviz.papers.tile import of_study, ready
from msviz.training.loop import Training, train

TINY: dict[str, object] = {
    "width": 8, "item_width": 4, "heads": 2, "main_net": "8,4", "bias_net": "8,4", "experts": 2,
}  # fmt: skip


@pytest.fixture
def models(tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to stand in, with a dataset and a shelf of one run, as they lie in the project."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(tiny_world.path, tmp_path / "data" / "demo")
    from msviz.dataset import open_data

    training = Training(epochs=1, batch_size=2048, threads=1, learning_rate=0.002)
    world = open_data(tmp_path / "data" / "demo")
    train("same", world, Path("models/demo-same-2"), values=TINY, training=training, report=lambda line: None)
    return Path("models")


def test_what_is_missing_is_printed_trained_and_not_printed_again(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["gallery", "--commands", "--paper", "same", "--study", "Table II"]
    assert run(command) == 0
    lines = capsys.readouterr().out.splitlines()
    words = [shlex.split(line) for line in lines]
    assert [one[: one.index("--out") + 2] for one in words] == [
        ["msviz", "train", "same", "--data", "data/demo", "--out", f"models/papers/{name}"]
        for name in ("same-experts-1", "same-experts-1-norm-off")
    ]
    # Settings are those of the run that the study starts from, and the change.
    for one in words:
        assert {"learning_rate=0.002", "epochs=1", "batch_size=2048", "experts=1", "main_net=8,4"} <= set(one)
        assert one[one.index("--seed") + 1] == "0" and "--parent" not in one and "--resume" not in one
    assert ["norm=false" in one for one in words] == [False, True]
    assert run(words[0][1:]) == 0
    capsys.readouterr()
    (Path("models/papers/same-experts-1-norm-off") / "checkpoint").mkdir(parents=True)
    assert run(command) == 0
    assert capsys.readouterr().out.splitlines() == [f"{lines[1]} --resume"]
    # The shelf does not list what was trained; the gallery has it.
    assert [one.name for one in items.runs_of(models)] == ["demo-same-2", "same-experts-1"]
    assert [items.studied(one) for one in items.runs_of(models)] == [False, True]


def test_seeds_are_trained_one_after_another_and_nothing_twice(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    studies = [
        PaperStudy("One", "t", "same", "demo-same-2", variants=({}, {"experts": 3})),
        PaperStudy("Two", "t", "same", "demo-same-2", variants=({"experts": 3}, {"experts": 4})),
    ]
    found = gallery_studies.trainings(studies, models, 2, "cpu")
    assert [(one.name, one.known and one.known.name) for one in found] == [
        ("same", "demo-same-2"),
        ("same-experts-3", None),
        ("same-experts-4", None),
        ("same-seed-1", None),
        ("same-experts-3-seed-1", None),
        ("same-experts-4-seed-1", None),
    ]
    # What an earlier demo run's settings made stays, under a name that is not taken again.
    shutil.copytree(models / "demo-same-2", models / "papers" / "same-experts-3")
    named = [one.name for one in gallery_studies.trainings(studies, models, 1, "cpu")]
    assert named == ["same", "same-experts-3-2", "same-experts-4"]


def test_what_cannot_be_is_refused_in_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["gallery", "--commands", "--study", "Table 99"]) == 2
    assert "--study: got 'Table 99'; valid choices: " in capsys.readouterr().err
    assert run(["gallery", "--commands", "--paper", "satrans"]) == 2
    assert "--models: got 'models'; it has no run of satrans to take settings from" in capsys.readouterr().err
    assert run(["gallery", "--tables", "papers.csv"]) == 2


def test_the_tables_tell_what_is_there_and_what_is_not(models: Path) -> None:
    study = PaperStudy("Table IV", "AUC", "same", "demo-same-2", grid={"experts": (2, 3)}, note="A note.")
    tile = of_study(study)
    runs = items.runs_of(models)
    missing = items.GalleryItem("same", tile, ready(tile, runs), "needs same with experts = 3")
    text = gallery_studies.page([(missing, None, missing.missing)])
    assert "## same, Table IV\n\nAUC. A note.\n\nNot trained yet: needs same with experts = 3.\n" in text
    whole = PaperStudy("Table IV", "AUC", "same", "demo-same-2", variants=({},))
    tile = of_study(whole)
    hung = [items.GalleryItem("same", tile, ready(tile, runs))]
    auc = runs[0].metrics["test"]["overall"]["auc"]["value"]
    lines = gallery_studies.page(list(items.findings(hung))).splitlines()
    assert lines[-3].startswith("| run | seeds | All scenarios | Home feed |")
    assert lines[-1].startswith(f"| demo-same-2 | 1 | {auc:.4f} |")


def test_numbers_of_several_seeds_have_their_deviation() -> None:
    assert gallery_studies._number(0.71234, float("nan")) == "0.7123"
    assert gallery_studies._number(0.71234, 0.00121) == "0.7123 ± 0.0012"
    assert gallery_studies._number(float("nan"), 0.1) == "–"
