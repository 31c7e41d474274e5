"""The training loop: determinism, stopping and resuming without a difference, and what it refuses."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from msviz.data.importing.write import DatasetWriter
from msviz.data.loader import batches
from msviz.dataset import Dataset, open_data
from msviz.errors import MsvizError
from msviz.registry import MODELS
from msviz.run import Run
from msviz.schema import Schema
from msviz.training import loop
from msviz.training.checkpoint import Checkpoint
from msviz.training.loop import Training, train
from msviz.training.stop import Interrupted, Stop

# Dropout draws random numbers in every step, so that a resumed training must go on with the right ones.
CONFIG = {"layers": 1, "heads": 2, "width": 4, "hidden": "8", "dropout": 0.25}
SHORT = Training(epochs=2, batch_size=2048, learning_rate=0.01, checks_per_epoch=2)
TIMED = ("seconds", "rows_per_second")


def quick(world: Dataset, out: Path, **changes) -> Run:
    given = {"values": CONFIG, "training": SHORT, "seed": 3, "device": "cpu", "report": lambda line: None}
    return train("autoint", world, out, **{**given, **changes})


def same(left: Run, right: Run) -> bool:
    """Tell whether two runs have the same weights to the bit, the same metrics and the same history."""
    weights = [load_file(run.path / "weights.safetensors") for run in (left, right)]
    equal = weights[0].keys() == weights[1].keys() and all(
        torch.equal(weights[0][name], weights[1][name]) for name in weights[0]
    )
    history = [run.history.drop(columns=list(TIMED)) for run in (left, right)]
    return equal and left.metrics == right.metrics and history[0].equals(history[1])


@pytest.fixture(scope="module")
def whole(tiny_world, tmp_path_factory) -> Run:
    """A training that nobody disturbed."""
    return quick(tiny_world, tmp_path_factory.mktemp("whole") / "run")


class After(Stop):
    """Asks to stop when progress was told `count` times: once a step, once a scored batch."""

    def __init__(self, count: int) -> None:
        self.count = count

    def progress(self, share: float, words: str) -> None:
        assert 0 <= share <= 1
        self.count -= 1
        self.requested = self.count <= 0


def test_a_seed_gives_the_same_run(tiny_world, tmp_path, whole):
    assert same(quick(tiny_world, tmp_path / "again"), whole)
    assert not same(quick(tiny_world, tmp_path / "other", seed=4), whole)


def test_training_leaves_the_random_numbers_of_others_alone(tiny_world, tmp_path):
    torch.manual_seed(1)
    before, threads = torch.get_rng_state(), torch.get_num_threads()
    quick(tiny_world, tmp_path / "run", training=SHORT.model_copy(update={"threads": 1, "epochs": 1}))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.get_num_threads() == threads


def test_history_and_card_tell_what_happened(tiny_world, whole):
    history = whole.history
    assert history["epoch"].tolist() == [0.5, 1.0, 1.5, 2.0]
    rows = tiny_world.rows["train"]
    assert history["rows"].tolist()[1::2] == [rows, 2 * rows]
    assert history["valid_auc"].max() == whole.metrics["valid"]["overall"]["auc"]["value"]
    assert history["train_loss"].iloc[-1] < history["train_loss"].iloc[0]
    card = whole.card
    assert (card.model, card.epochs, card.seed, card.device) == ("autoint", 2, 3, "cpu")
    assert card.data.fingerprint == tiny_world.fingerprint
    assert (whole.path / card.data.path).resolve() == tiny_world.path.resolve()
    assert card.headline["auc"] == whole.metrics["test"]["overall"]["auc"]["value"]
    assert card.parameters == sum(t.numel() for t in load_file(whole.path / "weights.safetensors").values())
    assert {path.name for path in whole.path.iterdir()} == {
        "run.json", "weights.safetensors", "schema.json", "history.parquet", "metrics.json",
    }  # fmt: skip


# Eight steps an epoch, a validation of one batch after the fourth and the eighth, then valid and test.
@pytest.mark.parametrize("count", [1, 3, 4, 5, 9, 10, 11, 19, 20, 21])
def test_stopped_anywhere_and_resumed_is_the_same_run(tiny_world, tmp_path, whole, count):
    stop = After(count)
    with pytest.raises(Interrupted, match="--resume goes on"):
        quick(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"checkpoint"}
    assert same(quick(tiny_world, tmp_path / "run", resume=True), whole)


def test_stopped_again_and_again(tiny_world, tmp_path, whole):
    stops = 0
    while True:
        stop = After(3)
        try:
            run = quick(tiny_world, tmp_path / "r", stop=stop, progress=stop.progress, resume=stops > 0)
            break
        except Interrupted:
            stops += 1
            assert stops < 20
    assert stops >= 5
    assert same(run, whole)


def test_killed_and_resumed_is_the_same_run(tiny_world, tmp_path, whole):
    script = f"""
import sys
from msviz.dataset import open_data
from msviz.training.loop import train, Training
steps = 0
def progress(share, words):
    global steps
    steps += 1
    if steps == 7:
        print("seventh", flush=True)
        sys.stdin.read()  # the kill comes here, in the middle of a step's bookkeeping
train("autoint", open_data({str(tiny_world.path)!r}), {str(tmp_path / "run")!r}, values={CONFIG!r},
      training=Training(**{SHORT.model_dump() | {"checkpoint_seconds": 1e-9}!r}), seed=3, device="cpu",
      report=lambda line: None, progress=progress)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout.readline() == "seventh\n"
        child.send_signal(signal.SIGKILL)
    assert child.returncode == -signal.SIGKILL
    told = []
    assert same(quick(tiny_world, tmp_path / "run", resume=True, report=told.append), whole)
    assert "resuming in epoch 1 after step" in told[0]


def test_adagrad_is_resumed_too(tiny_world, tmp_path):
    training = SHORT.model_copy(update={"optimiser": "adagrad", "learning_rate": 0.02})
    unbroken = quick(tiny_world, tmp_path / "whole", training=training)
    assert unbroken.history["train_loss"].iloc[-1] < unbroken.history["train_loss"].iloc[0]
    stop = After(6)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", training=training, stop=stop, progress=stop.progress)
    assert same(quick(tiny_world, tmp_path / "run", training=training, resume=True), unbroken)


def test_data_that_lacks_what_a_model_needs_is_told_before_an_old_run_is_lost(tiny_world, tmp_path, whole):
    shutil.copytree(whole.path, tmp_path / "run")
    dataset = open_data(tiny_world.path)
    dataset.schema = Schema(fields=[f for f in tiny_world.schema.fields if f.role != "scenario"])
    with pytest.raises(MsvizError, match=r"^model: got 'hierrec'; the data lacks .* role: scenario"):
        train("hierrec", dataset, tmp_path / "run", overwrite=True, report=lambda line: None)
    assert same(Run.open(tmp_path / "run"), whole)


def test_killed_before_the_first_checkpoint(tiny_world, tmp_path, whole):
    with Checkpoint(tmp_path / "run") as checkpoint:
        recipe = loop.Recipe("autoint", whole.card.config, SHORT, 3, torch.device("cpu"))
        checkpoint.begin(recipe.settings(tiny_world.fingerprint))
    told = []
    assert same(quick(tiny_world, tmp_path / "run", resume=True, report=told.append), whole)
    assert "no checkpoint was written yet" in told[0]


def test_a_truncated_checkpoint_is_told(tiny_world, tmp_path):
    stop = After(3)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    file = tmp_path / "run" / "checkpoint" / "state.safetensors"
    os.truncate(file, file.stat().st_size // 2)
    with pytest.raises(MsvizError, match=r"^checkpoint: state.safetensors cannot be read"):
        quick(tiny_world, tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ({"seed": 4}, "seed"),
        ({"values": {**CONFIG, "width": 8}}, "width"),
        ({"training": SHORT.model_copy(update={"learning_rate": 0.02})}, "learning_rate"),
        ({"training": SHORT.model_copy(update={"epochs": 3})}, "epochs"),
    ],
)
def test_resuming_with_other_settings_is_refused(tiny_world, tmp_path, whole, changes, name):
    stop = After(2)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    with pytest.raises(MsvizError, match=f"^resume: {name}: got"):
        quick(tiny_world, tmp_path / "run", resume=True, **changes)
    with pytest.raises(MsvizError, match=f"^resume: {name}: got"):
        quick(tiny_world, whole.path, resume=True, **changes)
    often = SHORT.model_copy(update={"checkpoint_seconds": 5.0})  # changes nothing in the result
    assert same(quick(tiny_world, tmp_path / "run", resume=True, training=often), whole)


def test_resuming_a_finished_run_returns_it(tiny_world, whole):
    told = []
    assert quick(tiny_world, whole.path, resume=True, report=told.append).card == whole.card
    assert told == ["run run is finished already"]


def measures_of(monkeypatch, values):
    """Let validations measure these pairs (AUC, logloss) in turn; return the nets' weights there."""
    real, seen, left = loop.measure, [], iter(values)

    def measured(*given):
        measures = real(*given)
        auc, logloss = next(left, (0.5, 0.9))
        measures["overall"]["auc"]["value"], measures["overall"]["logloss"]["value"] = auc, logloss
        return measures

    def predicted(net, part, **rest):
        seen.append({name: value.clone() for name, value in net.state_dict().items()})
        return scored(net, part, **rest)

    scored = loop.predict
    monkeypatch.setattr(loop, "measure", measured)
    monkeypatch.setattr(loop, "predict", predicted)
    return seen


@pytest.mark.parametrize(
    ("keep", "kept"),
    # No test tells these AUCs apart here: logloss decides.
    [("logloss", 2), ("auc", 1)],
)
def test_patience_waits_for_either_measure_and_the_best_weights_are_kept(
    tiny_world, tmp_path, monkeypatch, keep, kept
):
    # The third is better in logloss alone; a tie in AUC, and what is worse in both end it.
    values = [(0.6, 0.5), (0.7, 0.6), (0.65, 0.4), (0.7, 0.41), (0.6, 0.5), (0.9, 0.1)]
    seen = measures_of(monkeypatch, values)
    monkeypatch.setattr("msviz.training.selection._worse", lambda one, best, label: False)
    training = SHORT.model_copy(update={"epochs": 9, "checks_per_epoch": 1, "keep": keep})
    run = quick(tiny_world, tmp_path / "run", training=training)
    assert run.history["valid_auc"].tolist() == [0.6, 0.7, 0.65, 0.7, 0.6]  # not the sixth
    weights = load_file(run.path / "weights.safetensors")
    assert [all(torch.equal(weights[n], one[n]) for n in weights) for one in seen[:5]].index(True) == kept


def test_a_training_that_was_stopped_under_another_order_of_rows_is_not_gone_on_with(tiny_world, tmp_path):
    stop = After(2)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", stop=stop, progress=stop.progress)
    file = tmp_path / "run" / "checkpoint" / "settings.json"
    before = json.loads(file.read_text())
    del before["row_order"]
    file.write_text(json.dumps(before))
    with pytest.raises(MsvizError, match=r"^resume: row_order: got 'all rows shuffled'"):
        quick(tiny_world, tmp_path / "run", resume=True)


def test_sizes_that_follow_from_the_rows_are_told_and_kept_as_asked(tiny_world, tmp_path):
    told = []
    run = quick(tiny_world, tmp_path / "run", training=Training(train_share=0.1), report=told.append)
    rows = round(0.1 * tiny_world.rows["train"])
    assert (
        f"taken for {rows:,} training rows: batches of 32 rows (batch_size) and at most 20 epochs (epochs)"
        in told
    )
    assert run.card.training["batch_size"] is None and run.card.training["epochs"] is None


def test_batch_norm_is_settled_before_every_validation_and_changes_no_step(tiny_world, tmp_path, monkeypatch):
    given = {"values": {"width": 4, "units": 8, "bottleneck": 4}}
    one_epoch = SHORT.model_copy(update={"epochs": 1})

    def weights(run):
        return load_file(run.path / "weights.safetensors")

    often = train(
        "hierrec", tiny_world, tmp_path / "a", training=one_epoch, report=lambda line: None, **given
    )
    once = one_epoch.model_copy(update={"checks_per_epoch": 1})
    seldom = train("hierrec", tiny_world, tmp_path / "b", training=once, report=lambda line: None, **given)
    if often.history["valid_logloss"].idxmin() == 1:  # both keep the last step
        assert all(torch.equal(value, weights(often)[name]) for name, value in weights(seldom).items())
    # What the net knows of its inputs is what a pass over the settled batches gives.
    from msviz.training.bundle import load_net

    net = load_net(seldom).train()
    inputs = []
    net.shared.linear.register_forward_hook(lambda module, given, out: inputs.append(out.detach()))
    with torch.no_grad():
        for batch in batches(tiny_world.split("train"), 2048, seed=0):
            net(batch)
    mean = torch.stack([one.mean(0) for one in inputs]).mean(0)
    torch.testing.assert_close(weights(seldom)["shared.norm.running_mean"], mean, rtol=1e-4, atol=1e-5)


def test_a_linear_schedule_goes_down_to_nothing_and_is_resumed(tiny_world, tmp_path, monkeypatch):
    training = SHORT.model_copy(update={"schedule": "linear"})
    unbroken = quick(tiny_world, tmp_path / "whole", training=training)
    stop = After(6)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "run", training=training, stop=stop, progress=stop.progress)
    real, rates = loop.take_step, []

    def step(net, batch, optimisers, amp):
        rates.append({group["lr"] for one in optimisers for group in one.param_groups})
        return real(net, batch, optimisers, amp)

    monkeypatch.setattr(loop, "take_step", step)
    assert same(quick(tiny_world, tmp_path / "run", training=training, resume=True), unbroken)
    # Eight steps an epoch, two epochs: step k of 16 takes 0.01 (1 - k / 16); the first 5 were taken before.
    assert [next(iter(one)) for one in rates] == pytest.approx([0.01 * (1 - k / 16) for k in range(5, 16)])
    assert all(len(one) == 1 for one in rates)


def test_a_run_that_is_of_no_use_says_so(tiny_world, tmp_path):
    told = []
    awful = Training(epochs=1, batch_size=64, learning_rate=1.0, train_share=0.02, patience=1)
    run = quick(tiny_world, tmp_path / "run", training=awful, report=told.append)
    assert run.card.doubts and [f"beware: {doubt}" for doubt in run.card.doubts] == [
        line for line in told if line.startswith("beware")
    ]
    assert Run.open(run.path).card.doubts == run.card.doubts


def test_a_loss_that_is_no_number_is_one_line(tiny_world, tmp_path, monkeypatch):
    monkeypatch.setattr(loop, "take_step", lambda *given: float("nan"))
    with pytest.raises(MsvizError, match=r"the loss became nan in epoch 1, step 1; lower learning_rate"):
        quick(tiny_world, tmp_path / "run")


def _copy_without(world: Dataset, out: Path, split: str) -> Dataset:
    """Write the world's first 4,000 rows of each split again, with `split` left empty; fields only."""
    schema = world.schema
    fields = [field for field in schema.fields if field.role not in ("behaviour", "signal")]
    with DatasetWriter(out, Schema(fields=fields, scenarios=schema.scenarios)) as writer:
        for name in {"train", "valid", "test"} - {split}:
            part, rows = world.split(name), slice(0, 4000)
            columns = (part.scenario, part.label, part.time, part.row)
            writer.append(name, part.fields(rows), *(np.asarray(column[rows]) for column in columns))
        return writer.commit({})


def test_without_validation_rows_the_last_weights_stay(tiny_world, tmp_path):
    told = []
    world = _copy_without(tiny_world, tmp_path / "world", "valid")
    run = quick(world, tmp_path / "run", report=told.append)
    assert any("no early stopping" in line for line in told)
    assert run.metrics["valid"]["overall"]["auc"]["why"] == "not defined: no rows"
    assert run.history["valid_auc"].isna().all()
    assert Run.open(run.path).card.epochs == 2
    no_test = quick(_copy_without(tiny_world, tmp_path / "world2", "test"), tmp_path / "run2")
    assert no_test.card.headline["auc"] == no_test.metrics["valid"]["overall"]["auc"]["value"]
    with pytest.raises(MsvizError, match="train split has no rows"):
        quick(_copy_without(tiny_world, tmp_path / "world3", "train"), tmp_path / "run3")


def test_out_is_never_overwritten_by_accident(tiny_world, tmp_path, whole):
    with pytest.raises(MsvizError, match="it exists already; name another folder or pass --overwrite"):
        quick(tiny_world, whole.path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(MsvizError, match="holds something that is no run"):
        quick(tiny_world, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").is_file()
    with pytest.raises(MsvizError, match="it is a file"):
        quick(tiny_world, tmp_path / "mine" / "thesis.txt")
    with pytest.raises(MsvizError, match="there is no training to resume"):
        quick(tiny_world, tmp_path / "nowhere", resume=True)
    (tmp_path / "empty").mkdir()
    run = quick(tiny_world, tmp_path / "empty")
    (run.path / "findings").mkdir()
    assert same(quick(tiny_world, run.path, overwrite=True), whole)
    assert not (run.path / "findings").exists()
    stop = After(2)
    with pytest.raises(Interrupted):
        quick(tiny_world, tmp_path / "half", stop=stop, progress=stop.progress)
    with pytest.raises(MsvizError, match="pass --resume or --overwrite"):
        quick(tiny_world, tmp_path / "half")
    with Checkpoint(tmp_path / "half"), pytest.raises(MsvizError, match="another training writes there"):
        quick(tiny_world, tmp_path / "half", resume=True)
    assert same(quick(tiny_world, tmp_path / "half", overwrite=True), whole)


def test_a_device_that_is_absent_is_refused(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert loop.choose_device("auto") == torch.device("cpu")
    with pytest.raises(MsvizError, match="device: got 'cuda'; this machine shows no CUDA device"):
        loop.choose_device("cuda")
    with pytest.raises(MsvizError, match="valid choices: auto, cpu, cuda"):
        loop.choose_device("tpu")


def test_settings_of_training_never_collide_with_a_nets():
    from msviz.nets.base import net_class

    for model in MODELS.names():
        assert not net_class(model).Config.model_fields.keys() & Training.model_fields.keys()
    with pytest.raises(MsvizError, match="training: epochs: got '0'"):
        loop.parse_training({"epochs": "0"})


def test_clock():
    assert [loop.clock(s) for s in (0, 61, 3723)] == ["0:00", "1:01", "1:02:03"]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device here")
def test_a_gpu_trains_what_a_cpu_opens(tiny_world, tmp_path):
    from msviz.training.bundle import load_net
    from msviz.training.scoring import evaluate

    run = quick(tiny_world, tmp_path / "run", device="cuda")
    assert run.card.device == "cuda"
    again = evaluate(load_net(run, "cpu"), tiny_world.split("test"))
    wanted = run.metrics["test"]["overall"]["auc"]["value"]
    assert again["overall"]["auc"]["value"] == pytest.approx(wanted, abs=2e-3)


def test_history_is_a_parquet_of_numbers(whole):
    read = pd.read_parquet(whole.path / "history.parquet")
    assert set(TIMED) < set(read.columns)
    assert read.drop(columns=["valid_auc"]).notna().all(axis=None)
