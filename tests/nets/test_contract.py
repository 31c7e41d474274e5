"""What every model promises, for every model in the folder and every switch that its config has."""

from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
import torch
from random_rows import FULL, past, random_batch, with_past
from safetensors.torch import load_file, save_file
from small_settings import small_settings

from msviz import registry
from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, net_class, parse_config, require
from msviz.nets.tap import Tap
from msviz.probing import hooks

MODELS = registry.MODELS.names()


def variants(model: str) -> list[dict[str, Any]]:
    """Return the settings with each switch thrown once: every choice and bool, every count at its least."""
    found: list[dict[str, Any]] = [{}]
    for name, setting in net_class(model).Config.model_fields.items():
        default, kind = setting.default, setting.annotation
        if isinstance(default, bool):
            found.append({name: not default})
        elif get_origin(kind) is Literal:
            found += [{name: choice} for choice in get_args(kind) if choice != default]
        elif isinstance(default, int):
            least = next((m.ge for m in setting.metadata if hasattr(m, "ge")), default)
            if least != default and name not in small_settings(model):
                found.append({name: least})
    return found


CASES = [
    pytest.param(model, values, id="-".join([model, *(f"{k}={v}" for k, v in values.items())]))
    for model in MODELS
    for values in variants(model)
]
each_case = pytest.mark.parametrize(("model", "values"), CASES)
each_model = pytest.mark.parametrize("model", MODELS)


def made(model: str, values: dict[str, Any] | None = None, layout: InputSpec = FULL, seed: int = 0) -> Net:
    """Return a small net with weights so large that nothing is nearly zero."""
    torch.manual_seed(seed)
    net = net_class(model)(parse_config(model, small_settings(model) | (values or {})), layout)
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return net


def logits(net: Net, batch: Batch) -> torch.Tensor:
    with torch.no_grad():
        return net.eval()(batch)


def same(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4)


@each_case
def test_a_row_does_not_depend_on_the_rows_beside_it(model: str, values: dict[str, Any]) -> None:
    net, batch = made(model, values), random_batch(70, layout=FULL)
    together = logits(net, batch)
    assert together.shape == (70,)
    assert together.isfinite().all()
    assert together.std() > 1e-4
    for row in (0, 33, 69):
        same(logits(net, batch.take(slice(row, row + 1))), together[row : row + 1])
    order = torch.randperm(70, generator=torch.Generator().manual_seed(1))
    same(logits(net, batch.take(order)), together[order])


@each_case
def test_padding_changes_nothing(model: str, values: dict[str, Any]) -> None:
    net, batch = made(model, values), random_batch(40, layout=FULL)
    wide = {
        name: torch.cat([torch.zeros_like(value[:, :5]), value], 1)
        for name, value in vars(past(batch)).items()
    }
    same(logits(net, with_past(batch, **wide)), logits(net, batch))
    # What stands in a padded place must not matter either.
    ids, mask = past(batch).ids, past(batch).mask
    noise = torch.where(mask[:, :, None], ids, torch.ones_like(ids))
    same(logits(net, with_past(batch, ids=noise)), logits(net, batch))


@each_case
def test_nobody_has_a_history(model: str, values: dict[str, Any]) -> None:
    net, batch = made(model, values), random_batch(20, layout=FULL)
    without = with_past(batch, mask=torch.zeros_like(past(batch).mask))
    found = logits(net, without)
    assert found.isfinite().all()
    same(logits(net, without.take(slice(7, 8))), found[7:8])
    net.train()
    net.loss(without).backward()
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.to_dense().isfinite().all(), name


@each_case
def test_one_scenario_and_unseen_ones(model: str, values: dict[str, Any]) -> None:
    batch = random_batch(30, layout=FULL)
    fields = batch.fields.clone()
    fields[:, FULL.scenario_columns[0]] = 3
    one = batch.replace(fields=fields, scenario=torch.full((30,), 2))
    nothing = batch.replace(fields=torch.zeros_like(fields), scenario=torch.zeros(30, dtype=torch.int64))
    for rows in (one, nothing):
        net = made(model, values)
        assert logits(net, rows).isfinite().all()
        net.train()
        assert net.loss(rows).isfinite()
        net.loss(rows).backward()
    # A world of one scenario: nothing to tell apart, and nothing to divide by.
    alone = InputSpec(**{**FULL.__dict__, "scenarios": 1})
    net = made(model, values, alone).train()
    assert net.loss(random_batch(30, layout=alone)).isfinite()


@each_case
def test_a_single_row_can_be_trained_on(model: str, values: dict[str, Any]) -> None:
    net = made(model, values).train()
    loss = net.loss(random_batch(1, layout=FULL))
    loss.backward()
    assert loss.isfinite()
    for name, parameter in net.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.to_dense().isfinite().all(), name


@each_case
def test_a_gradient_reaches_every_weight(model: str, values: dict[str, Any]) -> None:
    net = made(model, values).train()
    net.loss(random_batch(600, layout=FULL)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.to_dense().abs().sum() > 0, name


@each_case
def test_the_loss_is_a_sum_over_rows(model: str, values: dict[str, Any]) -> None:
    if net_class(model).piece is None:
        pytest.skip("statistics of the whole batch matter in training")
    net, batch = made(model, values).eval(), random_batch(64, layout=FULL)
    with torch.no_grad():
        parts = sum(net.loss(batch.take(slice(start, start + 16))) for start in range(0, 64, 16))
        same(torch.as_tensor(parts), net.loss(batch))


@each_case
def test_weights_saved_and_loaded_predict_the_same(
    model: str, values: dict[str, Any], tmp_path: Path
) -> None:
    net, batch = made(model, values), random_batch(200, layout=FULL)
    net.train()
    net.loss(batch).backward()  # running statistics move too
    wanted = logits(net, batch)
    weights = {name: value.contiguous() for name, value in net.state_dict().items()}
    save_file(weights, tmp_path / "weights.safetensors")
    other = made(model, values, seed=9)
    assert not torch.allclose(logits(other, batch), wanted, atol=1e-3)
    other.load_state_dict(load_file(tmp_path / "weights.safetensors"))
    assert torch.equal(logits(other, batch), wanted)


@each_case
def test_watching_changes_nothing_and_shows_what_is_declared(model: str, values: dict[str, Any]) -> None:
    net, batch = made(model, values).eval(), random_batch(48, layout=FULL)
    wanted = logits(net, batch)
    shown: dict[tuple[str, int | None], torch.Tensor] = {}
    points = hooks.points(net)

    def see(name: str, layer: int | None, seen: torch.Tensor) -> None:
        assert (name, layer) not in shown, f"{name} is passed twice"
        shown[name, layer] = seen.clone()

    with hooks.watching(net, {point.name for point in points}, see):
        same(logits(net, batch), wanted)
    assert torch.equal(logits(net, batch), wanted)
    for point in points:
        assert (point.name, point.layer) in shown, f"tap {point.name} was never passed"
        seen = shown[point.name, point.layer]
        assert seen.shape[0] == 48, point.name
        assert seen.dim() == 1 + len(point.tap.axes), point.name
        assert seen.isfinite().all(), point.name
    order = torch.randperm(48, generator=torch.Generator().manual_seed(1))
    first, shown = shown, {}
    with hooks.watching(net, {point.name for point in points}, see):
        logits(net, batch.take(order))
    for key, seen in shown.items():
        torch.testing.assert_close(seen, first[key][order], rtol=1e-3, atol=1e-4)


@each_case
def test_what_is_put_in_at_a_tap_flows_on(model: str, values: dict[str, Any]) -> None:
    net, batch = made(model, values).eval(), random_batch(48, layout=FULL)
    before = logits(net, batch)
    for name in {point.name for point in hooks.points(net)}:
        with hooks.patched(net, name, lambda seen, layer: seen * 0.5 + 0.1):
            assert not torch.allclose(logits(net, batch), before, atol=1e-6), name
        assert torch.equal(logits(net, batch), before), name


@each_model
def test_taps_hold_no_state(model: str) -> None:
    net = made(model)
    assert any(isinstance(module, Tap) for module in net.modules())
    assert not [name for name in net.state_dict() if "tap" in name]


@each_model
def test_every_setting_says_what_it_is_and_where_it_ends(model: str) -> None:
    for name, setting in net_class(model).Config.model_fields.items():
        assert setting.description, name
        if isinstance(setting.default, int | float) and not isinstance(setting.default, bool):
            bounds = {
                key for part in setting.metadata for key in ("ge", "gt", "le", "lt") if hasattr(part, key)
            }
            assert len(bounds) == 2, f"{name} has no range: {bounds}"


@each_model
def test_the_same_seed_gives_the_same_weights(model: str) -> None:
    one, other = made(model, seed=4).state_dict(), made(model, seed=4).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)


@pytest.mark.parametrize(
    ("model", "lost", "told"),
    [
        ("sainet", {"behaviours": (), "behaviour_scenarios": False}, "a behaviour sequence (role: behaviour"),
        ("sainet", {"behaviour_scenarios": False}, "names the column of its scenarios"),
        ("same", {"signals": ()}, "scenario signals (fields with role: signal)"),
        ("optmsm", {"scenario_columns": ()}, "a field with role: scenario"),
        ("hierrec", {"scenario_columns": ()}, "a field with role: scenario"),
    ],
)
def test_a_log_that_lacks_something_is_told_what(model: str, lost: dict[str, Any], told: str) -> None:
    require(model, FULL)
    with pytest.raises(MsvizError) as error:
        require(model, InputSpec(**{**FULL.__dict__, **lost}))
    assert str(error.value).startswith(f"model: got '{model}'; the data lacks what it needs: ")
    assert told in str(error.value)
    assert "\n" not in str(error.value)
