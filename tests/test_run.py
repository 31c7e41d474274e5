"""A bundle is what training wrote, or it is refused with one clear line; nothing is ever unpickled."""

import json
import os
import pickle
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from msviz.errors import MsvizError
from msviz.run import Run, file_digest, shelf
from msviz.run_folder import FILES
from msviz.training.bundle import load_net, save_bundle
from msviz.training.loop import Training, train
from msviz.training.scoring import predict

CONFIG = {"layers": 1, "heads": 2, "width": 4, "hidden": "8"}


@pytest.fixture(scope="module")
def trained(tiny_world, tmp_path_factory) -> Run:
    training = Training(epochs=1, batch_size=4096)
    out = tmp_path_factory.mktemp("runs") / "small"
    return train("autoint", tiny_world, out, values=CONFIG, training=training, device="cpu", report=str)


@pytest.fixture
def copy(trained, tmp_path) -> Path:
    return Path(shutil.copytree(trained.path, tmp_path / "copy"))


def refused(path: Path) -> str:
    """Return the one line with which a bundle is refused."""
    with pytest.raises(MsvizError) as caught:
        load_net(Run.open(path))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def reseal(path: Path, **changes: object) -> None:
    """Change the card and make every digest right again, as someone who knows the format would."""
    digests = {file: file_digest(path / file) for file in FILES}
    card = Run.peek(path).card.model_copy(update={**changes, "digests": digests}).sealed()
    (path / "run.json").write_text(card.model_dump_json())


def test_round_trip(trained, copy, tiny_world):
    run = Run.open(copy)
    assert run.card == trained.card
    assert run.card.intact
    assert run.schema == tiny_world.schema
    assert run.metrics == trained.metrics
    part = tiny_world.split("test")
    assert (predict(load_net(run), part) == predict(load_net(trained), part)).all()
    assert not load_net(copy).training  # a path does as well


def test_saving_a_loaded_net_gives_the_same_files(trained, tmp_path):
    again = save_bundle(
        tmp_path / "again",
        card=trained.card,
        weights=load_net(trained).state_dict(),
        schema=trained.schema,
        history=trained.history,
        metrics=trained.metrics,
    )
    assert again.card.digests == trained.card.digests
    assert again.card.digest == trained.card.digest
    with pytest.raises(ValueError, match="JSON compliant"):  # NaN never reaches the disk
        save_bundle(
            tmp_path / "nan",
            card=trained.card,
            weights={},
            schema=trained.schema,
            history=trained.history,
            metrics={"auc": float("nan")},
        )
    assert not (tmp_path / "nan" / "run.json").exists()


@pytest.mark.parametrize("file", [*FILES, "run.json"])
def test_truncated(copy, file):
    os.truncate(copy / file, (copy / file).stat().st_size * 2 // 3)
    assert f"{file} " in refused(copy)


@pytest.mark.parametrize("file", FILES)
def test_edited_or_missing(copy, file):
    content = bytearray((copy / file).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / file).write_bytes(content)
    assert refused(copy).endswith(f"{file} is truncated or was edited (its digest differs)")
    (copy / file).unlink()
    assert refused(copy).endswith(f"{file} is missing")


@pytest.mark.parametrize(
    ("key", "value"), [("seed", 9), ("headline", {"auc": 0.99, "logloss": 0.1}), ("digests", {})]
)
def test_an_edited_card(copy, key, value):
    content = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**content, key: value}))
    assert refused(copy).endswith("run.json was edited after training (its digest differs)")


def test_a_card_that_is_none(copy):
    content = json.loads((copy / "run.json").read_text())
    for text, told in (
        (json.dumps({**content, "version": 2}), "version: got 2; this msviz reads up to 1: update msviz"),
        (json.dumps({**content, "extra": 1}), "run.json: extra: got 1; Extra inputs are not permitted"),
        ("[1]", "run.json: Input should be"),
        ("not json", "run.json cannot be read"),
    ):
        (copy / "run.json").write_text(text)
        assert told in refused(copy)
    (copy / "run.json").unlink()
    assert refused(copy).endswith("wanted: a folder that holds run.json")


def test_an_unknown_model(copy):
    reseal(copy, model="oracle")
    assert "model: got 'oracle'; valid choices: autoint" in refused(copy)


def test_a_config_that_no_net_takes(copy):
    reseal(copy, config={**CONFIG, "wings": 2})
    assert "autoint setting: got 'wings'; valid choices: layers" in refused(copy)


def test_weights_that_do_not_fit_the_config(copy):
    reseal(copy, config={**CONFIG, "width": 8})
    assert "weights do not fit the config" in refused(copy)
    reseal(copy, config={**CONFIG, "layers": 2})
    assert "is missing" in refused(copy)
    reseal(copy, config=CONFIG)
    load_net(copy)


def test_weights_of_another_shape_name_or_type(copy):
    file = copy / "weights.safetensors"
    weights = load_file(file)
    name = next(iter(weights))
    for changed, told in (
        ({**weights, "stowaway": torch.zeros(1)}, "stowaway is not in the net"),
        ({**weights, name: weights[name][..., :1].contiguous()}, f"{name} is float32"),
        ({**weights, name: weights[name].double()}, f"{name} is float64"),
    ):
        save_file(changed, file)
        reseal(copy)
        assert told in refused(copy)


def test_a_pickle_in_disguise_is_never_loaded(copy, tmp_path):
    class Trap:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "sprung",))

    (copy / "weights.safetensors").write_bytes(pickle.dumps(Trap()))
    reseal(copy)
    assert "weights.safetensors cannot be read" in refused(copy)
    torch.save({"a": Trap()}, copy / "weights.safetensors")
    reseal(copy)
    assert "weights.safetensors cannot be read" in refused(copy)
    assert not (tmp_path / "sprung").exists()


def test_the_shelf_lists_newest_first_and_passes_over_the_rest(trained, tmp_path, monkeypatch):
    for name, created in (("old", "2026-01-01T00:00:00+00:00"), ("new", "2026-02-01T00:00:00+00:00")):
        shutil.copytree(trained.path, tmp_path / name)
        reseal(tmp_path / name, created=created)
    (tmp_path / "training" / "checkpoint").mkdir(parents=True)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    assert [run.name for run in shelf(tmp_path)] == ["new", "old"]
    monkeypatch.setenv("MSVIZ_MODELS", str(tmp_path))
    assert [run.name for run in shelf()] == ["new", "old"]
    assert shelf(tmp_path / "nowhere") == []
