"""AutoInt against a second implementation in NumPy; taps; gradients; settings."""

import numpy as np
import pytest
import torch
from net_reference import autoint, weights_of

from msviz.errors import MsvizError
from msviz.nets.base import parse_config

KINDS = [{}, {"hidden": ""}, {"hidden": "6", "linear": True, "scale": True, "heads": 4}, {"layers": 1}]


@pytest.mark.parametrize("values", KINDS, ids=str)
def test_equals_the_equations_row_by_row(net_of, batch, values):
    net = net_of("autoint", **{"width": 8, "hidden": "12,5", **values}).eval()
    shown = []
    with torch.no_grad():
        logits = net(batch).numpy()
        hooks = [
            block.attention_tap.register_forward_hook(lambda tap, given, seen: shown.append(seen.clone()))
            for block in net.blocks
        ]
        watched = net(batch).numpy()
    for hook in hooks:
        hook.remove()
    np.testing.assert_allclose(watched, logits, rtol=1e-4, atol=1e-5)
    for row in range(0, 64, 9):
        logit, seen = autoint(weights_of(net), net.config, net.layout, batch.fields[row].numpy())
        assert logits[row] == pytest.approx(logit, rel=1e-4, abs=1e-5)
        np.testing.assert_allclose(torch.stack(shown)[:, row].numpy(), seen, atol=1e-5)


def test_watched_attention_sums_to_one_and_can_be_exchanged(net_of, batch):
    net = net_of("autoint", width=8).eval()
    with torch.no_grad():
        before = net(batch)
        seen = []
        hook = net.blocks[0].attention_tap.register_forward_hook(lambda tap, given, v: seen.append(v.clone()))
        net(batch)
        hook.remove()
        assert seen[0].shape == (64, 2, 5, 5)
        torch.testing.assert_close(seen[0].sum(-1), torch.ones(64, 2, 5))
        hook = net.blocks[0].attention_tap.register_forward_hook(
            lambda tap, given, v: torch.full_like(v, 0.2)
        )
        even = net(batch)
        hook.remove()
        after = net(batch)
    assert (even - before).abs().max() > 1e-3
    assert torch.equal(before, after)


def test_gradients_pass_through_an_exchanged_attention(net_of, batch):
    net = net_of("autoint", width=8)
    net.blocks[1].attention_tap.register_forward_hook(lambda tap, given, v: v * 0.5)
    net.loss(batch).backward()
    assert net.blocks[0].project.grad.abs().sum() > 0


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_every_weight_gets_a_gradient(net_of, batch, dropout):
    net = net_of("autoint", width=8, dropout=dropout)
    net.loss(batch).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.to_dense().abs().sum() > 0, name


@pytest.mark.parametrize("model", ["autoint", "satrans"])
def test_no_rows_give_no_logits(net_of, batch, model):
    net = net_of(model, width=8).eval()
    with torch.no_grad():
        assert net(batch.take(slice(0, 0))).shape == (0,)


@pytest.mark.parametrize("hidden", ["256,", "a", "0", "256;128"])
def test_hidden_widths_are_checked(hidden):
    with pytest.raises(MsvizError, match="widths from 1 to 4096 separated by commas"):
        parse_config("autoint", {"hidden": hidden})
