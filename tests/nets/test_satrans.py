"""SATrans against a second implementation in NumPy, and what must hold for any attention and encoder."""

import numpy as np
import pytest
import torch
from net_reference import satrans, weights_of
from random_rows import random_batch

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, net_class, parse_config
from msviz.nets.tap import Tap

KINDS = [
    pytest.param(
        {"encoder": encoder, "attention": attention, "meta_on": on}, id=f"{encoder}-{attention}-{on}"
    )
    for encoder in ("ie", "en", "enp")
    for attention, places in (("gate", ["qk"]), ("bilinear", ["qk"]), ("meta", ["qk", "v", "qkv", "k"]))
    for on in places
] + [pytest.param({"attention": "none"}, id="none")]
SMALL = {"layers": 2, "width": 8, "scenario_width": 3, "heads": 2}


def seen_attention(net: Net, batch: Batch) -> np.ndarray:
    """Return the attention (layers, B, heads, N, N) that the taps show."""
    shown = []
    hooks = [
        block.attention_tap.register_forward_hook(lambda tap, given, values: shown.append(values.clone()))
        for block in net.blocks
    ]
    with torch.no_grad():
        net(batch)
    for hook in hooks:
        hook.remove()
    return torch.stack(shown).numpy()


@pytest.mark.parametrize("values", KINDS)
@pytest.mark.parametrize("extra", [{}, {"scale": True, "depth": 3}], ids=["plain", "scaled"])
def test_equals_the_equations_row_by_row(net_of, batch, values, extra):
    net = net_of("satrans", **SMALL, **values, **extra).eval()
    with torch.no_grad():
        logits = net(batch).numpy()
    attention = seen_attention(net, batch)
    weights = weights_of(net)
    for row in range(0, 64, 7):
        logit, seen = satrans(
            weights, net.config, net.layout, batch.fields[row].numpy(), int(batch.scenario[row])
        )
        assert logits[row] == pytest.approx(logit, rel=2e-4, abs=2e-4)
        np.testing.assert_allclose(attention[:, row], seen, atol=1e-4)


def test_a_bilinear_score_worked_by_hand():
    # Two fields, width 2, one head, W_Q = W_K = 1, S = [[1, 2], [0, 1]] for the only scenario.
    layout = InputSpec((1, 1), (0,), 1)
    config = parse_config(
        "satrans", {"encoder": "ie", "attention": "bilinear", "layers": 1, "width": 2, "heads": 1}
    )
    net = net_class("satrans")(config, layout).eval()
    with torch.no_grad():
        net.embedding.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
        net.blocks[0].project.copy_(torch.eye(2).repeat(3, 1))
        net.encoder.table.weight.copy_(torch.tensor([[0.0, 0, 0, 0], [1, 2, 0, 1]]))
    batch = Batch(
        *(torch.zeros(1, 2, dtype=torch.int64), torch.ones(1, dtype=torch.int64)), *[torch.zeros(1)] * 3
    )
    # h_1ᵀ S h_1 = 1, h_1ᵀ S h_2 = 2; h_2ᵀ S h_1 = 0, h_2ᵀ S h_2 = 1: both softmaxes of a difference of 1.
    low, high = 1 / (1 + np.e), np.e / (1 + np.e)
    np.testing.assert_allclose(seen_attention(net, batch)[0, 0, 0], [[low, high], [low, high]], rtol=1e-6)


@pytest.mark.parametrize("values", KINDS)
def test_a_row_does_not_see_its_batch(net_of, batch, values):
    net = net_of("satrans", **SMALL, **values).eval()
    with torch.no_grad():
        logits = net(batch)
        shuffled = torch.randperm(64, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(net(batch.take(shuffled)), logits[shuffled], rtol=1e-4, atol=1e-4)
        for row in (0, 33, 63):
            one = net(batch.take(slice(row, row + 1)))
            torch.testing.assert_close(one, logits[row : row + 1], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("values", KINDS)
@pytest.mark.parametrize("rows", [5, 400], ids=["one product a row", "one product a scenario"])
def test_gradients_equal_those_of_watched_plain_operations(net_of, values, rows):
    # Watching attention takes plain torch operations, not the hand-written ones, and does not move rows.
    batch = random_batch(rows, layout=InputSpec((7, 3, 9, 2, 6), (1, 3), 5))
    net = net_of(
        "satrans", InputSpec((7, 3, 9, 2, 6), (1, 3), 5), **SMALL, **values, dropout=0.0, unseen_rate=0.0
    )

    def gradients():
        net.zero_grad()
        net.loss(batch).backward()
        return {name: parameter.grad.to_dense().clone() for name, parameter in net.named_parameters()}

    fast = gradients()
    hooks = [block.attention_tap.register_forward_hook(lambda *given: None) for block in net.blocks]
    plain = gradients()
    for hook in hooks:
        hook.remove()
    for name in fast:
        scale = float(plain[name].abs().max())
        torch.testing.assert_close(fast[name], plain[name], rtol=1e-3, atol=2e-5 * (1 + scale))


@pytest.mark.parametrize("values", KINDS)
def test_every_weight_gets_a_gradient(net_of, values):
    net = net_of("satrans", **SMALL, **values)
    net.loss(random_batch(500)).backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.to_dense().abs().sum() > 0, name


def test_tables_have_sparse_gradients(net_of, batch):
    net = net_of("satrans", **SMALL)
    net.loss(batch).backward()
    assert net.embedding.weight.grad.is_sparse
    assert net.encoder.tables[0].weight.grad.is_sparse


@pytest.mark.parametrize("encoder", ["ie", "en", "enp"])
def test_a_thousand_scenarios_and_one(net_of, encoder):
    many = InputSpec((1200, 4), (0,), 1199)
    batch = random_batch(1000, layout=many)
    net = net_of("satrans", many, **SMALL, encoder=encoder).eval()
    weights = weights_of(net)
    with torch.no_grad():
        logits = net(batch)
        # All rows in one scenario take the other path: one product for all.
        same = batch.replace(
            fields=torch.stack([torch.full((1000,), 7), batch.fields[:, 1]], 1),
            scenario=torch.full((1000,), 8),
        )
        together = net(same)
    for row in (0, 500, 999):
        expected, _ = satrans(weights, net.config, many, batch.fields[row].numpy(), int(batch.scenario[row]))
        assert float(logits[row]) == pytest.approx(expected, rel=1e-3, abs=1e-3)
        expected, _ = satrans(weights, net.config, many, same.fields[row].numpy(), 8)
        assert float(together[row]) == pytest.approx(expected, rel=1e-3, abs=1e-3)


def test_unseen_combinations_share_a_row_under_ie_and_keep_their_fields_under_enp(net_of, batch):
    unseen = batch.take(batch.scenario == 0)
    assert len({tuple(ids) for ids in unseen.fields[:, [1, 3]].tolist()}) > 1
    shown = {}
    for encoder in ("ie", "enp"):
        net = net_of("satrans", **SMALL, encoder=encoder).eval()
        hook = net.scenario_tap.register_forward_hook(
            lambda tap, given, values, name=encoder: shown.update({name: values})
        )
        with torch.no_grad():
            net(unseen)
        hook.remove()
    levels = SMALL["layers"] * 2
    assert shown["ie"].shape == (len(unseen), 1, 2 * 64)
    assert shown["enp"].shape == (len(unseen), levels, 2 * 64)
    assert (shown["ie"] == shown["ie"][0]).all()
    assert not torch.allclose(shown["enp"], shown["enp"][0])


def test_hidden_scenarios_train_the_row_of_the_unseen(net_of):
    seen = random_batch(200)
    seen = seen.take(seen.scenario > 0)
    touched = {}
    for rate in (0.0, 0.5):
        net = net_of("satrans", **SMALL, encoder="ie", unseen_rate=rate)
        net.loss(seen).backward()
        touched[rate] = float(net.encoder.table.weight.grad.to_dense()[0].abs().sum())
    assert touched[0.0] == 0 < touched[0.5]


def test_exchanging_the_scenario_vector_is_taking_the_other_scenario(net_of, batch):
    net = net_of("satrans", **SMALL, encoder="ie").eval()
    table = net.encoder.table.weight.detach()
    hook = net.scenario_tap.register_forward_hook(lambda tap, given, values: table[3].expand_as(values))
    with torch.no_grad():
        exchanged = net(batch)
    hook.remove()
    with torch.no_grad():
        moved = net(batch.replace(scenario=torch.full((64,), 3)))
    torch.testing.assert_close(exchanged, moved, rtol=1e-4, atol=1e-4)


def test_the_same_seed_draws_the_same_dropout(net_of, batch):
    net = net_of("satrans", **SMALL, dropout=0.3)

    def draw(seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            return net(batch)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 10, "heads": 4}, "width 10 cannot be shared out among heads 4"),
        ({"encoder": "epn"}, "'ie', 'en' or 'enp'"),
        ({"depth": 0}, "depth: got 0; "),
        ({"dropuot": 0.1}, "satrans setting: got 'dropuot'; valid choices: encoder, attention"),
    ],
)
def test_wrong_settings_are_told_in_one_line(values, message):
    with pytest.raises(MsvizError) as told:
        parse_config("satrans", values)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_log_without_scenarios_needs_plain_attention(net_of):
    with pytest.raises(MsvizError, match="no scenario field"):
        net_of("satrans", InputSpec((3, 3), (), 0), **SMALL)
    net_of("satrans", InputSpec((3, 3), (), 0), **SMALL, attention="none")


def test_every_setting_says_what_it_is():
    for name, field in net_class("satrans").Config.model_fields.items():
        assert field.description, name


def test_taps_stay_out_of_the_state(net_of):
    net = net_of("satrans", **SMALL)
    assert sum(isinstance(module, Tap) for module in net.modules()) == 3
    assert not [name for name in net.state_dict() if "tap" in name]
