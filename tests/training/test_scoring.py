"""Scoring keeps the log's order, and the data of a run is found or asked for."""

import json
import shutil

import numpy as np
import pytest
import torch

from msviz.data.run_data import find_data
from msviz.dataset import open_data
from msviz.errors import MsvizError
from msviz.nets.base import build
from msviz.run import Run
from msviz.training.loop import Training, train
from msviz.training.scoring import evaluate, predict, probabilities, users

CONFIG = {"layers": 1, "heads": 2, "width": 4, "hidden": "8"}


@pytest.fixture(scope="module")
def trained(tiny_world, tmp_path_factory) -> Run:
    training = Training(epochs=1, batch_size=8192)
    out = tmp_path_factory.mktemp("runs") / "small"
    return train("autoint", tiny_world, out, values=CONFIG, training=training, device="cpu", report=str)


def test_predict_is_the_net_row_by_row(tiny_world):
    net = build("autoint", {**CONFIG, "dropout": 0.5}, tiny_world.schema)
    part = tiny_world.split("valid")
    told = []
    score = predict(net, part, batch_size=100, progress=lambda share, words: told.append((share, words)))
    assert net.training  # left as it was, though dropout was off meanwhile
    net.eval()
    with torch.no_grad():
        some = torch.sigmoid(net(part.batch(slice(190, 210))))
    np.testing.assert_allclose(score[190:210], some, rtol=1e-5)
    assert score.dtype == np.float32
    assert score.shape == (part.rows,)
    assert told[-1] == (1.0, f"scoring valid: {part.rows:,} of {part.rows:,} rows")


@pytest.mark.parametrize("model", ["autoint", "satrans"])
def test_pieces_give_every_row_its_own_probability(tiny_world, model):
    net = build(model, {}, tiny_world.schema).eval()
    batch = tiny_world.split("valid").batch(slice(0, 1100))  # three pieces, the last one short
    with torch.no_grad():
        for weight in net.parameters():
            weight.mul_(2)  # away from one answer for all
        torch.testing.assert_close(probabilities(net, batch), torch.sigmoid(net(batch)), atol=1e-4, rtol=0)
        assert probabilities(net, batch).std() > 1e-3


def test_a_net_is_left_training_also_after_a_failure(tiny_world):
    net = build("autoint", CONFIG, tiny_world.schema)

    def fail(share, words):
        raise RuntimeError(words)

    with pytest.raises(RuntimeError):
        predict(net, tiny_world.split("valid"), progress=fail)
    assert net.training


def test_evaluate_uses_the_users_of_the_log(tiny_world):
    part = tiny_world.split("test")
    assert np.array_equal(users(part), part.column("user_id"))
    found = evaluate(build("autoint", CONFIG, tiny_world.schema), part)
    assert found["overall"]["gauc"]["value"] is not None
    assert found["overall"]["rows"] == part.rows
    assert sum(line["rows"] for line in found["scenarios"].values()) == part.rows


def test_find_data_where_it_was_and_where_it_went(trained, tiny_world, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_data(trained).path.resolve() == tiny_world.path.resolve()
    # Run and data travel to another machine: the data lies on the shelf under its name.
    moved = Run.open(shutil.copytree(trained.path, tmp_path / "deep" / "er" / "run"))
    with pytest.raises(MsvizError, match=r"^data: got 'tiny'; .* pass its folder as --data"):
        find_data(moved)
    shutil.copytree(tiny_world.path, tmp_path / "data" / "tiny")
    assert find_data(moved).path.resolve() == tmp_path / "data" / "tiny"
    (tmp_path / "data").rename(tmp_path / "elsewhere")
    monkeypatch.setenv("MSVIZ_DATA", str(tmp_path / "elsewhere"))
    assert find_data(moved).path == tmp_path / "elsewhere" / "tiny"
    # Another log under the same name is not taken for it.
    meta = tmp_path / "elsewhere" / "tiny" / "dataset.json"
    meta.write_text(json.dumps({**json.loads(meta.read_text()), "fingerprint": "0"}))
    with pytest.raises(MsvizError, match="or changed since"):
        find_data(moved)
    assert find_data(moved, tmp_path / "elsewhere" / "tiny").fingerprint == "0"  # given, with the same ids


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s["fields"][1]["vocabulary"].reverse(), "has other values than the one run small"),
        (lambda s: s["fields"].pop(1), "data: fields: got 'user_id'; run small was trained with"),
        (lambda s: s["scenarios"].reverse(), "its scenarios are not those that run small"),
    ],
)
def test_data_whose_ids_mean_something_else_are_refused(trained, tiny_world, tmp_path, change, told):
    shutil.copytree(tiny_world.path, tmp_path / "other")
    file = tmp_path / "other" / "schema.json"
    content = json.loads(file.read_text())
    change(content)
    file.write_text(json.dumps(content))
    with pytest.raises(MsvizError, match=told):
        find_data(trained, open_data(tmp_path / "other"))
