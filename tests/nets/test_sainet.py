"""SAINet against NumPy, row by row, and in numbers worked by hand."""

import math

import numpy as np
import pytest
import torch
from net_reference import embed, relu, softmax, weights_of
from random_rows import FULL, make, past, random_batch, with_past

from msviz.batch import Batch, Histories
from msviz.errors import MsvizError
from msviz.nets import behaviours as net_behaviours
from msviz.nets.base import InputSpec, net_class, parse_config
from msviz.probing import hooks
from msviz.training.optimisers import make_optimisers
from msviz.training.step import step

SMALL = {"width": 4, "heads": 2, "hidden": "6,5", "unseen_rate": 0.0}
# Behaviours of an item alone, without sides.
PLAIN = InputSpec(**{**FULL.__dict__, "behaviours": (3,)})


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def reference(weights, config, layout, row):
    """Logit and taps of one row `(fields, scenario, behaviours, behaviour scenarios, mask)`, Eq. 2-11.

    Taps are as wide as the row was fed, 0 where padded.
    """
    fields, scenario, behaviours, where, mask = row
    places = np.flatnonzero(mask)[-config.history :] if mask.any() else np.array([], int)
    wide, columns = len(mask), list(layout.behaviours)
    d, dk = config.width * len(columns), config.width * len(columns) // config.heads
    starts = np.concatenate([[0], np.cumsum(layout.sizes)[:-1]])
    table = weights["embedding.weight"]
    x = np.array([np.concatenate([table[behaviours[j, f] + starts[c]] for f, c in enumerate(columns)])
                  for j in places]).reshape(len(places), d)  # fmt: skip
    of = weights["scenarios.weight"] if "scenarios.weight" in weights else np.zeros((99, d))
    target, happened = of[scenario], of[where[places]]
    embedded = embed(weights, layout, fields)
    item = embedded[columns].reshape(-1)
    taps = {}
    for layer in range(config.blocks):
        w = {name.split(".", 2)[2]: value for name, value in weights.items() if f"blocks.{layer}." in name}
        shown = np.zeros((config.heads, wide, wide))
        if config.extract and len(places):
            heads = []
            of_scenario = np.split(w["scenario"], 3)  # shared by the heads (Eq. 3)
            for h in range(config.heads):
                mine = [m[h * dk : (h + 1) * dk] for m in np.split(w["project"], 3)]
                q, k, v = (x @ m.T + happened @ s.T for m, s in zip(mine, of_scenario, strict=True))
                attention = softmax(q @ k.T / math.sqrt(dk))
                shown[np.ix_([h], places, places)] = attention
                heads.append(attention @ v)
            x = np.concatenate(heads, -1) @ w["aggregate"].T
        gates = np.zeros((wide, d))
        if config.tailor and len(places):
            opened = x @ w["gate"].T + w["gate_of_scenario.weight"] @ target + w["gate_of_scenario.bias"]
            gates[places] = config.gamma * sigmoid(opened)
            x = x * gates[places]
        if config.extract:
            taps["self_attention", layer] = shown
        if config.tailor:
            taps["tailoring", layer] = gates
    interest, weight = np.zeros(d), np.zeros(wide)
    if config.fusion and len(places):
        query = weights["fusion.query"] @ item + weights["fusion.query_of_scenario"] @ target
        weight[places] = softmax(np.array([query @ (weights["fusion.key"] @ one) for one in x]))
        interest = sum(w * (weights["fusion.value"] @ one) for w, one in zip(weight[places], x, strict=True))
    elif len(places):
        interest = x.mean(0)
    if config.fusion:
        taps["fusion", None] = weight
    hidden = np.concatenate([interest, embedded.reshape(-1)])
    for number in range(len(config.hidden.split(","))):
        if config.tower:
            of_scenario = f"tower.scales_of_scenario.{number}."
            opened = weights[f"tower.scales.{number}"] @ hidden
            opened = opened + weights[of_scenario + "weight"] @ target + weights[of_scenario + "bias"]
            taps[f"scale_{number + 1}", None] = sigmoid(opened)
            hidden = hidden * sigmoid(opened)
        layer = f"tower.layers.{number}."
        hidden = relu(weights[layer + "weight"] @ hidden + weights[layer + "bias"])
    return weights["tower.output.weight"][0] @ hidden + weights["tower.output.bias"][0], taps


def rows_of(batch):
    histories = past(batch)
    parts = (batch.fields, batch.scenario, histories.ids, histories.scenario, histories.mask)
    return zip(*(part.numpy() for part in parts), strict=True)


def look(net, batch):
    """Return the logits and every tap of a batch."""
    shown = {}
    names = {point.name for point in hooks.points(net)}
    with torch.no_grad(), hooks.watching(net, names, lambda name, layer, x: shown.update({(name, layer): x})):
        return net.eval()(batch), shown


SWITCHES = ("extract", "tailor", "fusion", "tower")
CASES = [
    {},
    *({switch: False} for switch in SWITCHES),
    dict.fromkeys(SWITCHES, False),
    {"extract": False, "tailor": False},
    {"blocks": 1, "heads": 1},
    {"blocks": 3, "heads": 4, "gamma": 0.8},
    {"history": 3},
    {"history": 1, "fusion": False},
    {"hidden": "7"},
]


@pytest.mark.parametrize("layout", [FULL, PLAIN], ids=["sides", "item alone"])
@pytest.mark.parametrize("values", CASES, ids=str)
def test_every_number_is_the_papers(values, layout):
    net = make("sainet", layout, **{**SMALL, **values})
    batch = random_batch(20, seed=1, layout=layout)
    assert not past(batch).mask.any(1).all()
    assert (batch.scenario == 0).any()
    logits, shown = look(net, batch)
    with torch.no_grad():
        unwatched = net(batch)
    weights = weights_of(net)
    for number, row in enumerate(rows_of(batch)):
        wanted, taps = reference(weights, net.config, layout, row)
        assert float(unwatched[number]) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert float(logits[number]) == pytest.approx(wanted, rel=1e-4, abs=1e-5)
        assert set(taps) == set(shown)
        for key, values_ in taps.items():
            np.testing.assert_allclose(shown[key][number].numpy(), values_, rtol=1e-4, atol=1e-5)


def test_a_net_worked_by_hand():
    # One behaviour is one number, and so is everything else: d = 1, one head, one block, one hidden unit.
    layout = InputSpec(
        sizes=(3, 4), scenario_columns=(0,), scenarios=2, roles=("scenario", "item"),
        behaviours=(1,), behaviour_scenarios=True,
    )  # fmt: skip
    values = {"width": 1, "heads": 1, "blocks": 1, "hidden": "1", "unseen_rate": 0.0}
    net = net_class("sainet")(parse_config("sainet", values), layout).eval()
    log3, log4 = math.log(3), math.log(4)
    root = math.sqrt(log3)
    state = {
        # Scenario field 0, 1, 2; item 0, 1, 2, 3: items 2 and 3 are -2 and 2.
        "embedding.weight": [[0], [0], [4], [0], [0], [-2], [2]],
        "scenarios.weight": [[0], [0], [root]],
        "blocks.0.project": [[0], [0], [1]],  # V = x
        "blocks.0.scenario": [[1], [1], [0]],  # Q = K = e
        "blocks.0.aggregate": [[1]],
        "blocks.0.gate": [[log3]],
        "blocks.0.gate_of_scenario.weight": [[root]],
        "blocks.0.gate_of_scenario.bias": [0],
        "fusion.query": [[log4 / 7.2]],
        "fusion.query_of_scenario": [[log4 / 3.6 / root]],
        "fusion.key": [[1]],
        "fusion.value": [[2]],
        "tower.layers.0.weight": [[1, -0.5, 0.5]],
        "tower.layers.0.bias": [0.1],
        "tower.output.weight": [[2]],
        "tower.output.bias": [-1],
        "tower.scales.0": [[log3 / 2.88, 0, 0], [0, 0, 0], [0, 0, 0]],
        "tower.scales_of_scenario.0.weight": [[0], [root], [0]],
        "tower.scales_of_scenario.0.bias": [0, 0, 0],
    }
    net.load_state_dict({name: torch.tensor(value, dtype=torch.float32) for name, value in state.items()})
    batch = Batch(
        fields=torch.tensor([[2, 3]]), scenario=torch.tensor([2]), label=torch.ones(1),
        row=torch.zeros(1, dtype=torch.int64), time=torch.zeros(1, dtype=torch.int64),
        histories=Histories(
            ids=torch.tensor([[[0], [2], [3]]]), scenario=torch.tensor([[0, 1, 2]]),
            age=torch.zeros(1, 3, dtype=torch.int64), mask=torch.tensor([[False, True, True]]),
        ),
    )  # fmt: skip
    logits, shown = look(net, batch)
    # Behaviours x = (-2, 2) in scenarios with e = (0, √ln 3): scores (0, 0) and (0, ln 3), so weights
    # (1/2, 1/2) and (1/4, 3/4), and x̂ = (0, 1).
    attention = shown["self_attention", 0][0, 0]
    torch.testing.assert_close(attention, torch.tensor([[0, 0, 0], [0, 0.5, 0.5], [0, 0.25, 0.75]]))
    # Gates 2 σ(x̂ ln 3 + √ln 3 · √ln 3): 2 σ(ln 3) = 3/2 and 2 σ(2 ln 3) = 9/5, so x = (0, 1.8).
    torch.testing.assert_close(shown["tailoring", 0][0, :, 0], torch.tensor([0, 1.5, 1.8]))
    # The item's number is 2: query 2 · ln 4 / 7.2 + ln 4 / 3.6 = ln 4 / 1.8, so α = (0, ln 4).
    torch.testing.assert_close(shown["fusion", None][0], torch.tensor([0, 0.2, 0.8]))
    # V = 2 · 0.8 · 1.8 = 2.88, H = (2.88, 4, 2), scales σ(ln 3), σ(ln 3), σ(0).
    torch.testing.assert_close(shown["scale_1", None][0], torch.tensor([0.75, 0.75, 0.5]))
    # 2.16 - 0.5 · 3 + 0.5 · 1 + 0.1 = 1.26, and 2 · 1.26 - 1 = 1.52.
    assert float(logits[0]) == pytest.approx(1.52, abs=1e-5)


@pytest.mark.parametrize("values", [{}, {"extract": False}, {"tailor": False}, {"history": 2}], ids=str)
def test_gradients_are_those_of_plain_torch_operations(values, monkeypatch):
    batch = random_batch(40, seed=1, layout=FULL)
    found = []
    for fast in (True, False):
        if not fast:
            monkeypatch.setattr(net_behaviours, "is_fast", lambda values, tap: False)
        net = make("sainet", FULL, **{**SMALL, **values})
        net.loss(batch).backward()
        found.append({name: p.grad.to_dense() for name, p in net.named_parameters()})
    for name, slope in found[1].items():
        assert float(slope.abs().max()) > 0, name
        torch.testing.assert_close(found[0][name], slope, rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize("values", [{}, {"dropout": 0.1}, {"extract": False}, {"fusion": False}], ids=str)
def test_mixed_precision_is_near(values):
    net = make("sainet", FULL, **{**SMALL, **values})
    batch = random_batch(40, seed=1, layout=FULL)
    with torch.no_grad():
        wanted = net.eval()(batch)
        with torch.autocast("cpu", torch.bfloat16):
            found = net(batch)
    torch.testing.assert_close(found.float(), wanted, rtol=0.05, atol=0.05 * float(wanted.std()))
    with torch.autocast("cpu", torch.bfloat16):
        loss = net.train().loss(batch)
    loss.backward()
    assert all(p.grad.to_dense().isfinite().all() for p in net.parameters())


def test_only_the_latest_behaviours_are_read():
    net = make("sainet", FULL, **SMALL, history=2).eval()
    batch = random_batch(30, seed=1, layout=FULL)
    older = past(batch).ids.clone()
    older[:, :-2] = 1
    latest = batch.replace(histories=past(batch).columns(slice(-2, None)))
    with torch.no_grad():
        assert torch.equal(net(with_past(batch, ids=older)), net(batch))
        assert torch.equal(net(latest), net(batch))
        newer = past(batch).ids.clone()
        newer[:, -1] = 1
        assert not torch.allclose(net(with_past(batch, ids=newer)), net(batch), atol=1e-3)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_hidden_scenarios_train_the_row_of_unseen_ones(rate):
    batch = random_batch(200, seed=1, layout=FULL)
    seen = with_past(batch, scenario=past(batch).scenario.clamp(min=1))
    seen = seen.replace(scenario=batch.scenario.clamp(min=1))
    net = make("sainet", FULL, **{**SMALL, "unseen_rate": rate}).train()
    net.loss(seen).backward()
    assert bool(net.scenarios.weight.grad.to_dense()[0].any()) == (rate > 0)
    with torch.no_grad():
        assert torch.equal(net.eval()(seen), net(seen))


def test_dropout_is_for_training_alone():
    net = make("sainet", FULL, **SMALL, dropout=0.5)
    other = make("sainet", FULL, **SMALL)
    batch = random_batch(30, seed=1, layout=FULL)
    with torch.no_grad():
        assert torch.equal(net.eval()(batch), other.eval()(batch))
        net.train()
        assert not torch.allclose(net(batch), net(batch), atol=1e-3)


def test_rows_of_like_histories_are_put_together():
    net = make("sainet", FULL, **SMALL)
    batch = random_batch(50, seed=1, layout=FULL)
    lengths = past(batch).mask.sum(1)[net.order(batch)].tolist()
    assert lengths == sorted(lengths)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"width": 6}, "sainet: width 6 cannot be shared out among heads 4"),
        ({"hidden": ""}, "sainet: hidden: wanted one layer at least"),
        ({"history": 0}, "sainet: history: got 0"),
        ({"gama": 2}, "sainet setting: got 'gama'"),
    ],
)
def test_settings_that_will_not_do_are_refused(values, told):
    with pytest.raises(MsvizError) as error:
        parse_config("sainet", values)
    assert str(error.value).startswith(told)


def test_a_batch_without_histories_is_refused():
    net = make("sainet", FULL, **SMALL)
    batch = random_batch(3, layout=InputSpec(**{**FULL.__dict__, "behaviours": (), "signals": ()}))
    with pytest.raises(MsvizError, match="it has no behaviours"):
        net(batch)


@pytest.mark.parametrize(("extract", "least", "most"), [(True, 0.0, 0.4), (False, 0.5, 0.65)])
def test_it_learns_where_behaviours_happened_by_its_self_attention_alone(extract, least, most):
    # A click follows where any behaviour was in the row's own scenario. How long the history is tells
    # something of that, with a loss of 0.58; the rest only the behaviours' scenarios tell.
    torch.manual_seed(0)
    config = parse_config("sainet", {"width": 8, "hidden": "32,16", "extract": extract})
    net = net_class("sainet")(config, FULL).train()
    optimisers = make_optimisers(net, 3e-3)
    losses = []
    for number in range(180):
        batch = random_batch(512, seed=number, layout=FULL)
        here = (past(batch).scenario == batch.scenario[:, None]) & past(batch).mask
        losses.append(step(net, batch.replace(label=here.any(1).float()), optimisers))
    assert least < np.mean(losses[-10:]) < most
