"""What a training is watched with: the picture that tells most of each model, and the command's options."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from small_settings import small_settings

from msviz.analyses.questions import attention_by_scenario, feature_weights, migration, representation
from msviz.analyses.run import tap_axes
from msviz.analyses.snapshots import SnapshotMaker, snapshot_questions, telling
from msviz.cli import run
from msviz.dataset import Dataset
from msviz.errors import MsvizError
from msviz.figures.picture import load_picture
from msviz.finding import Finding
from msviz.probing.study import Study
from msviz.registry import MODELS
from msviz.run import Run
from msviz.shelving.notes import read_notes
from msviz.training.bundle import load_net
from msviz.training.frames import SnapshotReader
from msviz.training.loop import Training, train
from msviz.training.scoring import predict

# Smaller still than small_settings makes any model.
SMALL: dict[str, dict[str, object]] = {
    "autoint": {"layers": 1, "heads": 2, "width": 4, "dropout": 0.2},
    "satrans": {"layers": 1, "heads": 2, "width": 8, "scenario_width": 4},
    "optmsm": {"width": 4, "hidden": "8,4"},
    "hierrec": {"width": 4, "heads": 2, "bottleneck": 4},
    "same": {"width": 8, "item_width": 4, "heads": 2, "main_net": "8,4", "bias_net": "8,4", "experts": 2},
    "sainet": {"width": 4, "blocks": 1, "heads": 2, "hidden": "8"},
}
SHORT = Training(epochs=1, batch_size=4096, threads=1)


def trained(world: Dataset, out: Path, model: str, frames: int = 2, **more: object) -> tuple[Run, list[str]]:
    told: list[str] = []
    watch = SnapshotMaker(frames, told.append) if frames else None
    made = train(
        model, world, out, values=SMALL.get(model) or small_settings(model), training=SHORT, device="cpu",
        report=told.append, watch=watch, **more,
    )  # fmt: skip
    return made, told


@pytest.mark.parametrize("model", MODELS.names())
def test_every_model_is_watched_by_its_telling_picture(
    model: str, tiny_world: Dataset, tmp_path: Path
) -> None:
    plain, _ = trained(tiny_world, tmp_path / "plain", model, 0)
    seen, told = trained(tiny_world, tmp_path / "seen", model)
    weights = [load_file(one.path / "weights.safetensors") for one in (plain, seen)]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert plain.metrics == seen.metrics
    assert not any("picture" in line or "frames" in line for line in told)
    frames = SnapshotReader(seen.path)
    marks = frames.marks()
    assert [mark.number for mark in marks] == [0, 1, 2]
    findings = [frames.finding(mark.number) for mark in marks]
    question = telling(tap_axes(seen))
    assert {finding.analysis for finding in findings} == {question}
    # A net that learns is seen to change.
    assert not findings[0].data.equals(findings[2].data)
    common = load_picture(question).common_scale
    scale = common(findings) if common else {}
    for finding in findings:
        assert finding.provenance.split == ("all" if question == "gates_over_time" else "valid")
        assert finding.takeaway.endswith(".")
        assert finding.figure(**scale).data
    # What is written fits a shelf, whatever the vectors are.
    assert max(file.stat().st_size for file in frames.folder.iterdir()) < 1_000_000


@pytest.mark.parametrize("model", ["satrans", "hierrec", "same"])
def test_scores_of_a_pass_are_those_of_scoring(model: str, tiny_world: Dataset, tmp_path: Path) -> None:
    net = load_net(trained(tiny_world, tmp_path / "run", model, 0)[0])
    part = tiny_world.split("valid").only(np.arange(700))
    seen = SnapshotMaker(1).look(net, tiny_world, part)
    np.testing.assert_allclose(seen.scores, predict(net, part), atol=1e-6)
    assert seen.picture is not None


def test_pictures_are_chosen_by_what_taps_show() -> None:
    attention, apart = ("layer", "head", "query", "key"), ("scenario", "unit")
    cases = {
        "attention_by_scenario": {"a": ("expert",), "b": attention, "c": apart},
        "representation": {"gate": ("scenario", "field"), "mixture": ("scenario", "expert"), "r": apart},
        "gates_over_time": {"scenario": ("unit",), "gate": ("expert",), "output": ("expert", "unit")},
        "feature_weights": {"explicit": ("unit",), "weights": ("head", "field")},
        "migration": {"fusion": ("behaviour",), "scale_1": ("unit",)},
    }
    for wanted, axes in cases.items():
        assert telling(axes) == wanted
    assert snapshot_questions({"vectors": ("unit",)}) == ["representation"]
    assert snapshot_questions({"r": apart}) == ["representation"], "once"
    assert telling({}) == ""


def test_gates_are_looked_at_over_all_days(tiny_world: Dataset, tmp_path: Path) -> None:
    run, _ = trained(tiny_world, tmp_path / "run", "same", 1)
    first, last = (SnapshotReader(run.path).finding(number) for number in (0, 1))
    days = {
        str(np.datetime64(int(t), "s"))[:10] for name in tiny_world.rows for t in tiny_world.split(name).time
    }
    assert first.data.sizes["day"] >= len(days) - 3
    assert first.data["day"].equals(last.data["day"])
    assert (first.data["rows"].values == last.data["rows"].values).all(), "always the same impressions"


def test_attention_of_many_scenarios_and_fields_stays_small(
    tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, _ = trained(tiny_world, tmp_path / "run", "autoint", 0)
    fields = len(tiny_world.schema.features)
    monkeypatch.setattr(attention_by_scenario, "SNAPSHOT_CELLS", 3 * (2 + 1) * fields * fields)
    picture = (
        SnapshotMaker(1)
        .look(load_net(run), tiny_world, tiny_world.split("valid").only(np.arange(700)))
        .picture
    )
    assert picture.data.sizes["scenario"] == 3 and picture.data.attrs["left_out"] == 3


def test_a_picture_that_the_data_does_not_allow_makes_room_for_the_next_best(
    tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = migration.ask, []

    def ask(study: Study, name: str, options: dict[str, object]) -> Finding:
        asked.append(name)
        if name == "migration":
            raise MsvizError("migration: not of these scenarios")
        return real(study, name, options)

    for module in (migration, representation):
        monkeypatch.setattr(module, "ask", ask)
    run, told = trained(tiny_world, tmp_path / "run", "sainet")
    assert asked == ["migration", *["representation"] * 3]
    assert SnapshotReader(run.path).finding(0).analysis == "representation"
    assert not any("picture" in line for line in told)


def test_no_picture_is_told_once_and_marks_go_on(
    tiny_world: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ask(*given: object) -> Finding:
        raise MsvizError("split valid: it has no rows to look at")

    for module in (feature_weights, representation):
        monkeypatch.setattr(module, "ask", ask)
    run, told = trained(tiny_world, tmp_path / "run", "hierrec")
    assert [line for line in told if "picture" in line] == [
        "no picture of this training: split valid: it has no rows to look at"
    ]
    frames = SnapshotReader(run.path)
    assert len(frames.marks()) == 3 and frames.finding(0) is None
    assert frames.marks()[-1].auc is not None


def command(world: Dataset, out: Path, *more: object) -> list[str]:
    sets = ["--set", "layers=1", "--set", "heads=2", "--set", "width=4", "--set", "hidden=8"]
    given = ["train", "autoint", "--data", world.path, "--out", out, "--epochs", 1, "--device", "cpu", *more]
    return [*map(str, given), *sets]


def test_the_command_keeps_frames_and_notes_the_parent(
    tiny_world: Dataset, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command(tiny_world, tmp_path / "first")) == 0
    assert not SnapshotReader(tmp_path / "first")
    assert not (tmp_path / "first" / "notes.json").exists()
    asked = command(tiny_world, tmp_path / "second", "--frames", 1, "--parent", tmp_path / "first")
    assert run(asked) == 0
    marks = SnapshotReader(tmp_path / "second").marks()
    assert [mark.share for mark in marks] == [0, 1]
    parent = read_notes(tmp_path / "second").parent
    assert parent is not None
    assert (parent.name, parent.digest) == ("first", Run.peek(tmp_path / "first").card.digest)
    assert Run.open(tmp_path / "second").card.model == "autoint", "what is beside a run breaks no seal"
    # A job that goes on after its parent was renamed is not lost.
    (tmp_path / "first").rename(tmp_path / "renamed")
    assert run([*asked, "--resume"]) == 0
    assert read_notes(tmp_path / "second").parent == parent


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("--frames", 201), "--frames: got '201'"),
        (("--frames", -1), "--frames: got '-1'"),
        (("--parent", "nowhere"), "run: got 'nowhere'; wanted: a folder that holds run.json"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_training(
    more: tuple[object, ...],
    said: str,
    tiny_world: Dataset,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(command(tiny_world, tmp_path / "out", *more)) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
