"""SAME against a second implementation in NumPy, numbers worked by hand, and what its parts promise."""

import math

import numpy as np
import pytest
import torch
from net_reference import norm, relu, softmax, weights_of
from random_rows import FULL, make, past, random_batch, with_past

from msviz.batch import Batch, Histories
from msviz.errors import MsvizError
from msviz.nets import pooling
from msviz.nets.base import InputSpec, Net, net_class, parse_config
from msviz.nets.experts import Spau
from msviz.nets.pooling import pool
from msviz.nets.tap import Tap
from msviz.probing import hooks

SMALL = {
    "width": 8, "heads": 2, "item_width": 6, "other_width": 3, "gate_units": 8,
    "main_net": "9,7,5", "bias_net": "6,5,4", "gate_net": "16,8,6", "prediction": "6",
}  # fmt: skip
KINDS = [
    {},
    {"norm": False},
    {"experts": 1},
    {"experts": 1, "norm": False, "signal_bins": 5},
    {"experts": 5, "heads": 4},
    {"experts": 3, "heads": 1, "prediction": "", "main_net": "6", "gate_net": "4,2"},
    {"history": 3},
]
# Behaviours also hold a field of the context, and the features are in no helpful order.
MIXED = InputSpec(
    sizes=(6, 5, 9, 4, 8, 3, 7),
    scenario_columns=(3,),
    scenarios=2,
    roles=("context", "item", "item", "scenario", "user", "item", "cross"),
    behaviours=(2, 0, 5),
    signals=((3.0, 1.5), (0.5, 0.2)),
)


def shown_by(net: Net, batch: Batch) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """Return the logits and what each tap shows while all are watched."""
    shown: dict[str, np.ndarray] = {}
    names = {point.name for point in hooks.points(net)}
    with (
        torch.no_grad(),
        hooks.watching(net, names, lambda name, layer, seen: shown.update({name: seen.numpy()})),
    ):
        return net.eval()(batch), shown


def attention(query, behaviours, w, heads, gains, bias, aggregate):
    """Eq. 3 and 4 for one query each or several: the result and the weights (heads, Q, T)."""
    q, k, v = (x @ matrix.T for x, matrix in zip((query, behaviours, behaviours), w, strict=True))
    mixed, seen = [], []
    parts = (np.split(x, heads, axis=-1) for x in (q, k, v))
    for head, (qi, ki, vi) in enumerate(zip(*parts, strict=True)):
        normed_q = qi if gains is None else norm(qi, gains[0][head], bias[head])
        normed_k = ki if gains is None else norm(ki, gains[1][head], 0.0)
        seen.append(softmax(normed_q @ normed_k.T / math.sqrt(ki.shape[1])))
        mixed.append(seen[-1] @ vi)
    return np.concatenate(mixed, -1) @ aggregate.T, np.array(seen)


def mlp(weights, name, values, expert=None):
    """Linear and ReLU, layer by layer."""
    for layer in range(sum(key.startswith(f"{name}.") for key in weights) // 2):
        if expert is None:
            matrix, bias = (weights[f"{name}.layers.{layer}.{part}"] for part in ("weight", "bias"))
        else:
            matrix = weights[f"{name}.weights.{layer}"][expert].T
            bias = weights[f"{name}.biases.{layer}"][expert, 0]
        values = relu(matrix @ values + bias)
    return values


def spau(weights, config, expert, behaviours, user, item):
    """s^u, s^i and the three attentions of one expert; zeros for nobody's history."""
    w = {key[5:]: value for key, value in weights.items() if key.startswith("spau.")}
    if not len(behaviours):
        return np.zeros(2 * config.width), None
    gains = [w["gain"][:, which, expert] if config.norm else None for which in range(3)]
    bias = [w["bias"][which, expert] if config.norm else None for which in range(3)]
    own = [w["query_key"][0, expert], w["query_key"][1, expert], w["value"][expert]]
    refined, among = attention(
        behaviours, behaviours, own, config.heads, gains[0], bias[0], w["aggregate"][expert]
    )
    pooled, seen = [], [among]
    for which, (name, query) in enumerate((("user", user), ("target", item))):
        matrices = [w[f"{name}_query"][expert], w["pool_key"][expert, which], w["pool_value"][expert, which]]
        found, weight = attention(
            query[None],
            refined,
            matrices,
            config.heads,
            gains[1 + which],
            bias[1 + which],
            w["pool_aggregate"][expert, which],
        )
        pooled.append(found[0])
        seen.append(weight[:, 0])
    return np.concatenate(pooled), seen


def same(net, batch, row):
    """Logit and taps of one row."""
    weights, config, layout = weights_of(net), net.config, net.layout
    fields = batch.fields[row].numpy()
    history = past(batch).ids[row][past(batch).mask[row]].numpy()[-config.history :]
    z = np.log(1 + batch.signals[row].double().numpy())
    z = np.array([(x - mean) / deviation for x, (mean, deviation) in zip(z, layout.signals, strict=True)])
    # One table for what behaviours hold, one for the rest, group by group.
    starts = np.cumsum([0, *(layout.sizes[c] for c in layout.behaviours)])
    others = [
        c
        for roles in (("user",), ("item",), ("cross",), ("context", "scenario"))
        for c in range(len(fields))
        if layout.roles[c] in roles and c not in layout.behaviours
    ]
    narrow = np.cumsum([0, *(layout.sizes[c] for c in others)])

    def embedded(*roles):
        parts = [
            weights["wide.weight"][starts[k] + fields[c]]
            for k, c in enumerate(layout.behaviours)
            if layout.roles[c] in roles
        ]
        parts += [
            weights["narrow.weight"][narrow[k] + fields[c]]
            for k, c in enumerate(others)
            if layout.roles[c] in roles
        ]
        return np.concatenate([np.zeros(0), *parts])

    user, item, cross = embedded("user"), embedded("item"), embedded("cross")
    context = embedded("context", "scenario")
    if config.experts == 1:
        count = config.signal_bins
        share = [0.5 * (1 + math.erf(value / math.sqrt(2))) for value in z]
        bins = [k * count + min(int(value * count), count - 1) for k, value in enumerate(share)]
        context = np.concatenate([context, weights["signals.weight"][bins].reshape(-1)])
    behaviours = np.array(
        [
            np.concatenate([weights["wide.weight"][starts[k] + value] for k, value in enumerate(ids)])
            for ids in history
        ]
    )
    outputs, seen = [], []
    for expert in range(config.experts):
        pooled, weight = spau(weights, config, expert, behaviours, user, item)
        seen.append(weight)
        main = mlp(weights, "main_net", np.concatenate([pooled, item, user, cross, context]), expert)
        outputs.append(
            np.concatenate([main, mlp(weights, "bias_net", np.concatenate([user, context]), expert)])
        )
    taps = {"output": np.array(outputs)}
    if len(history):
        for k, name in enumerate(("self_attention", "user_attention", "target_attention")):
            taps[name] = np.array([weight[k] for weight in seen])
    alpha = np.ones(1)
    if config.experts > 1:
        p = taps["scenario"] = mlp(weights, "gate.mlp", z)
        matrix, bias = weights["gate.hidden.weight"], weights["gate.hidden.bias"]
        rates = [
            relu(matrix @ np.concatenate([p, o]) + bias) @ weights["gate.rate.weight"][0] for o in outputs
        ]
        alpha = taps["gate"] = softmax(np.array(rates))
    mixture = alpha @ np.array(outputs)
    if config.prediction:
        mixture = mlp(weights, "prediction", mixture)
    return weights["output.weight"][0] @ mixture + weights["output.bias"][0], taps


@pytest.mark.parametrize("layout", [FULL, MIXED], ids=["full", "mixed"])
@pytest.mark.parametrize("values", KINDS, ids=str)
def test_equals_the_equations_row_by_row(values, layout):
    net, batch = make("same", layout, **SMALL | values).eval(), random_batch(40, layout=layout)
    with torch.no_grad():
        logits = net(batch)
    watched, shown = shown_by(net, batch)
    torch.testing.assert_close(watched, logits, rtol=1e-3, atol=1e-3)
    rows = [*range(0, 40, 5), int(past(batch).mask.sum(1).argmin())]
    for row in rows:
        logit, taps = same(net, batch, row)
        assert float(logits[row]) == pytest.approx(logit, rel=1e-3, abs=1e-3)
        length = min(int(past(batch).mask[row].sum()), net.config.history)
        assert set(taps) == set(shown) or length == 0
        for name, wanted in taps.items():
            seen = shown[name][row]
            if name.endswith("attention"):
                # Nothing is attended to where padding stands.
                among = seen.shape[-1] - length
                assert not seen[..., :among].any()
                seen = seen[..., among:, among:] if name == "self_attention" else seen[..., among:]
            np.testing.assert_allclose(seen, wanted, rtol=1e-3, atol=1e-4, err_msg=f"{name} of row {row}")
        if not length:
            assert not shown["user_attention"][row].any()
            assert not shown["target_attention"][row].any()


def test_a_row_worked_by_hand():
    layout = InputSpec((4, 4), (), 0, roles=("user", "item"), behaviours=(1,), signals=((1.0, 2.0),))
    ones = {"main_net": "1", "bias_net": "1", "gate_net": "1", "gate_units": 1, "prediction": ""}
    widths = {"width": 1, "heads": 1, "item_width": 1, "other_width": 1}
    net = net_class("same")(parse_config("same", {"norm": False, **ones, **widths}), layout).eval()
    set_to = {
        "wide.weight": [[0], [0], [1], [2]],
        "narrow.weight": [[0], [0], [3], [0]],
        "spau.query_key": [[[[math.log(2)]], [[0]]], [[[1]], [[0]]]],  # experts 0 and 1 of Q, then of K
        "spau.value": [[[1]], [[0]]],
        "spau.aggregate": [[[1]], [[0]]],
        "spau.user_query": [[[0]], [[0]]],
        "spau.target_query": [[[math.log(3)]], [[0]]],
        "spau.pool_key": [[[[0]], [[7.5]]], [[[0]], [[0]]]],  # user, target
        "spau.pool_value": [[[[15]], [[30]]], [[[0]], [[0]]]],
        "spau.pool_aggregate": [[[[1]], [[1]]], [[[0]], [[0]]]],
        "main_net.weights.0": [[[1], [-0.5], [1], [0.5]], [[0], [0], [0], [0]]],  # of s^u, s^i, e^i, e^u
        "main_net.biases.0": [[[0]], [[4]]],
        "bias_net.weights.0": [[[1 / 3]], [[1 / 3]]],
        "bias_net.biases.0": [[[0]], [[-1]]],
        "gate.mlp.layers.0.weight": [[1]],
        "gate.mlp.layers.0.bias": [0],
        "gate.hidden.weight": [[math.log(3), 0, -math.log(3)]],
        "gate.hidden.bias": [0],
        "gate.rate.weight": [[1]],
        "output.weight": [[2, 8]],
        "output.bias": [-1],
    }
    assert set(set_to) == set(net.state_dict())
    net.load_state_dict({name: torch.tensor(value, dtype=torch.float32) for name, value in set_to.items()})
    # Two rows: e^u = 3, e^i = 1, history 1, 2. Signals e³ - 1 and e - 1, so z = (3 - 1) / 2 = 1 and 0.
    batch = Batch(
        *(torch.tensor([[2, 2]] * 2), torch.zeros(2, dtype=torch.int64), *[torch.zeros(2)] * 3),
        histories=Histories(
            ids=torch.tensor([[[0], [2], [3]]] * 2),
            scenario=torch.zeros(2, 3, dtype=torch.int64),
            age=torch.zeros(2, 3, dtype=torch.int64),
            mask=torch.tensor([[False, True, True]] * 2),
        ),
        signals=torch.tensor([[math.e**3 - 1], [math.e - 1]]),
    )
    logits, shown = shown_by(net, batch)
    # Expert 0, self-attention: scores ln 2 · e_i · e_j, so weights 2 : 4 and 4 : 16, so ê = 5/3, 9/5.
    wanted = [[1 / 3, 2 / 3], [1 / 5, 4 / 5]]
    np.testing.assert_allclose(shown["self_attention"][0, 0, 0, 1:, 1:], wanted, rtol=1e-5)
    # User attention: all scores 0, so 15 · 26/15 = 26. Target: ln 3 · 7.5 · (9/5 - 5/3) = ln 3 apart, so
    # 30 · (1/4 · 5/3 + 3/4 · 9/5) = 53.
    np.testing.assert_allclose(shown["user_attention"][0, 0, 0], [0, 1 / 2, 1 / 2], rtol=1e-5)
    np.testing.assert_allclose(shown["target_attention"][0, 0, 0], [0, 1 / 4, 3 / 4], rtol=1e-5)
    # Main Net: 26 - 53/2 + 1 + 3/2 = 2; Bias Net: 3/3 = 1. Expert 1: the bias 4; 3/3 - 1 = 0.
    np.testing.assert_allclose(shown["output"], [[[2, 1], [4, 0]]] * 2, rtol=1e-4, atol=1e-6)
    # f = ReLU(ln 3 · p - ln 3 · the output's last unit): 0 and ln 3 where p = 1, 0 and 0 where p = 0.
    np.testing.assert_allclose(shown["scenario"], [[1], [0]], atol=1e-6)
    np.testing.assert_allclose(shown["gate"], [[1 / 4, 3 / 4], [1 / 2, 1 / 2]], rtol=1e-4)
    # Mixtures (3.5, 0.25) and (3, 0.5): 7 + 2 - 1 and 6 + 4 - 1.
    np.testing.assert_allclose(logits.numpy(), [8, 9], rtol=1e-4)


def test_a_normed_key_worked_by_hand():
    # Keys are a vector less its mean: (5, 1) gives (2, -2), (0, 20) gives (-10, 10). The query's product with
    # them is 2 ln 3 and -10 ln 3; divided by their sizes 2 and 10, ln 3 and -ln 3: weights 9 : 1.
    vectors = torch.tensor([[5.0, 1], [0, 20]]).view(1, 2, 1, 2)
    centre = torch.tensor([[0.5, -0.5], [-0.5, 0.5]]).expand(1, 2, 2, 2)
    query = torch.tensor([math.log(3) / 2, -math.log(3) / 2]).expand(1, 1, 2, 2)
    mask = torch.ones(1, 2, dtype=torch.bool)
    sums = pool(vectors, query, centre, mask, (Tap(), Tap()))
    # 0.9 · (5, 1) + 0.1 · (0, 20) = (4.5, 2.9), from both heads.
    torch.testing.assert_close(sums, torch.tensor([[[[4.5, 2.9]] * 2]]), rtol=1e-4, atol=1e-5)


def pool_inputs(normed: bool, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    draw = torch.Generator().manual_seed(3)
    shapes = (5, 4, 2, 6), (2, 5, 4, 6), (2, 4, 3, 6)
    found = [torch.randn(*shape, generator=draw, dtype=dtype).requires_grad_() for shape in shapes]
    return tuple(found[: 3 if normed else 2])


MASK = torch.arange(4) >= torch.tensor([0, 3, 4, 1, 2])[:, None]  # the third row has no history


@pytest.mark.parametrize("normed", [True, False], ids=["norm", "no norm"])
@pytest.mark.parametrize("keys", [1, 2**17], ids=["head by head", "at once"])
def test_pooling_has_the_gradients_of_plain_operations(monkeypatch, normed, keys):
    monkeypatch.setattr(pooling, "KEYS", keys)
    inputs = pool_inputs(normed, torch.float32)
    seen, unseen = (Tap("head"), Tap("head")), (Tap("head"), Tap("head"))
    seen[0].register_forward_hook(lambda *given: None)
    found = []
    for taps in (seen, unseen):  # a watched tap takes plain operations
        sums = pool(inputs[0], inputs[1], inputs[2] if normed else None, MASK, taps)
        weight = torch.linspace(-1, 1, sums.numel()).view_as(sums)
        found.append([sums, *torch.autograd.grad((sums * weight).sum(), inputs)])
    for plain, fast in zip(*found, strict=True):
        torch.testing.assert_close(fast, plain, rtol=1e-4, atol=1e-5)
    assert not found[1][0][:, 2].any()


@pytest.mark.parametrize("normed", [True, False], ids=["norm", "no norm"])
def test_pooling_has_the_slopes_of_finite_differences(normed):
    inputs = pool_inputs(normed, torch.float64)
    taps = Tap("head"), Tap("head")
    assert torch.autograd.gradcheck(
        lambda vectors, query, matrices=None: pool(vectors, query, matrices, MASK, taps), inputs
    )


@pytest.mark.parametrize("values", [{}, {"norm": False}, {"experts": 1}, {"experts": 5}], ids=str)
def test_gradients_are_the_same_when_watched(values):
    net, batch = make("same", FULL, **SMALL | values), random_batch(60, layout=FULL)

    def gradients():
        net.zero_grad()
        net.loss(batch).backward()
        return {name: parameter.grad.to_dense().clone() for name, parameter in net.named_parameters()}

    fast = gradients()
    with hooks.watching(net, {"self_attention", "user_attention"}, lambda *given: None):
        plain = gradients()
    for name in fast:
        scale = float(plain[name].abs().max())
        assert scale > 0, name
        torch.testing.assert_close(fast[name], plain[name], rtol=1e-3, atol=2e-5 * (1 + scale))


def test_experts_change_places_and_nothing_else():
    net, batch = make("same", FULL, **SMALL, experts=3), random_batch(30, layout=FULL)
    before, shown = shown_by(net, batch)
    order = [2, 0, 1]
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            if name.startswith(("spau", "main_net", "bias_net")):
                # The axis of experts is the first of size 3 that is not gain's "self, user, target".
                axis = {"spau.gain": 2, "spau.bias": 1, "spau.query_key": 1}.get(name, 0)
                assert parameter.shape[axis] == 3, name
                parameter.copy_(parameter.index_select(axis, torch.tensor(order)))
    after, moved = shown_by(net, batch)
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    for name in ("gate", "output", "self_attention", "user_attention", "target_attention"):
        np.testing.assert_allclose(moved[name], shown[name][:, order], rtol=1e-3, atol=1e-4, err_msg=name)


def test_norm_makes_attention_blind_to_the_size_of_queries_and_keys():
    batch = random_batch(20, layout=FULL)
    for norm_on in (True, False):
        net = make("same", FULL, **SMALL, norm=norm_on)
        _, before = shown_by(net, batch)
        with torch.no_grad():
            net.spau.query_key.mul_(20)
        _, after = shown_by(net, batch)
        change = abs(after["self_attention"] - before["self_attention"]).max()
        assert (change < 0.01) == norm_on, (norm_on, change)


def test_the_days_signals_alone_move_the_gate_and_whatever_they_are_it_is_a_share():
    net, batch = make("same", FULL, **SMALL), random_batch(64, layout=FULL)
    _, shown = shown_by(net, batch)
    for value in (0.0, 1.0, 1e12):
        _, other = shown_by(net, batch.replace(signals=torch.full_like(batch.signals, value)))
        np.testing.assert_allclose(other["output"], shown["output"], rtol=1e-4, atol=1e-4)
        assert abs(other["gate"] - shown["gate"]).max() > 0.01
        np.testing.assert_allclose(other["gate"].sum(1), 1, rtol=1e-5)


def test_a_single_expert_reads_signals_in_bins_and_has_no_gate():
    net, batch = make("same", FULL, **SMALL, experts=1, signal_bins=4).eval(), random_batch(20, layout=FULL)
    assert not [name for name, _ in net.named_parameters() if name.startswith("gate")]
    # A quarter of a normal distribution lies beyond 0.6745 deviations on either side.
    torch.testing.assert_close(net.edges, torch.tensor([-0.67448975, 0.0, 0.67448975]))
    mean, deviation = (torch.tensor(column) for column in zip(*FULL.signals, strict=True))
    with torch.no_grad():
        near, far, beyond = (
            net(batch.replace(signals=torch.expm1(mean + deviation * z).expand(20, -1)))
            for z in (0.7, 3, 0.6)
        )
    torch.testing.assert_close(near, far)
    assert (near - beyond).abs().max() > 1e-3


def test_what_a_history_says_is_not_lost_on_the_way_to_the_main_net():
    torch.manual_seed(0)
    spau = Spau(2, 8, 128, 64, 48, 64, norm=True)
    behaviours, mask = torch.randn(200, 1, 64), torch.ones(200, 1, dtype=torch.bool)
    with torch.no_grad():
        found = spau(behaviours, mask, torch.randn(200, 48), torch.randn(200, 64))
    # A single behaviour passes four matrices; of the variance the first, which widens, keeps 2 / 3.
    assert float(found.var()) == pytest.approx(2 / 3, rel=0.15)


@pytest.mark.parametrize("values", [{}, {"norm": False}, {"experts": 1}], ids=str)
def test_mixed_precision_is_near(values):
    net, batch = make("same", FULL, **SMALL | values), random_batch(60, seed=1, layout=FULL)
    with torch.no_grad():
        wanted = net.eval()(batch)
        with torch.autocast("cpu", torch.bfloat16):
            found = net(batch)
    torch.testing.assert_close(found.float(), wanted, rtol=0.1, atol=0.1 * float(wanted.std()))
    with torch.autocast("cpu", torch.bfloat16):
        loss = net.train().loss(batch)
    loss.backward()
    assert all(parameter.grad.to_dense().isfinite().all() for parameter in net.parameters())


def test_only_the_latest_behaviours_are_read():
    net, batch = make("same", FULL, **SMALL, history=3).eval(), random_batch(30, layout=FULL, longest=6)
    batch = with_past(batch, mask=torch.ones_like(past(batch).mask))
    with torch.no_grad():
        logits = net(batch)
        for place, same_answer in ((2, True), (3, False)):
            changed = past(batch).ids.clone()
            changed[:, place] = (changed[:, place] + 1) % torch.tensor([FULL.sizes[3], FULL.sizes[4]])
            found = net(with_past(batch, ids=changed))
            assert torch.allclose(found, logits, rtol=1e-4, atol=1e-4) == same_answer


def test_rows_are_ordered_by_the_length_of_their_histories():
    net, batch = make("same", FULL, **SMALL), random_batch(50, layout=FULL)
    lengths = past(batch).mask.sum(1)[net.order(batch)]
    assert (lengths.diff() >= 0).all()


@pytest.mark.parametrize(
    ("lost", "told"),
    [
        ("signals", "batch: it has no signals, which this model reads"),
        ("histories", "batch: it has no behaviours, which this model reads"),
    ],
)
def test_a_batch_that_lacks_something_is_told_in_one_line(lost, told):
    net, batch = make("same", FULL, **SMALL), random_batch(5, layout=FULL)
    without = batch.replace(**{lost: None})
    with pytest.raises(MsvizError, match=told):
        net.order(without)
        net(without)


def test_no_rows_give_no_logits():
    net, batch = make("same", FULL, **SMALL).eval(), random_batch(5, layout=FULL).take(slice(0, 0))
    with torch.no_grad():
        assert net(batch).shape == (0,)


def test_statistics_of_signals_come_with_the_schema_and_not_with_the_weights():
    net = make("same", FULL, **SMALL, experts=1)
    assert not {"mean", "deviation", "edges"} & set(net.state_dict())
    assert net.mean.tolist() == pytest.approx([3.0, 0.5, 1.0])


def test_tables_have_sparse_gradients():
    net = make("same", FULL, **SMALL, experts=1)
    net.loss(random_batch(20, layout=FULL)).backward()
    assert all(table.weight.grad.is_sparse for table in (net.wide, net.narrow, net.signals))


def test_the_same_seed_drops_the_same_units():
    net, batch = make("same", FULL, **SMALL, dropout=0.4), random_batch(40, layout=FULL)

    def draw(seed):
        torch.manual_seed(seed)
        with torch.no_grad():
            return net.train()(batch)

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"width": 100}, "width 100 cannot be shared out among heads 8"),
        ({"experts": 6}, "experts: got 6; "),
        ({"main_net": ""}, "main_net needs at least one layer, such as 64"),
        ({"bias_net": "0"}, "widths from 1 to 4096 separated by commas"),
        ({"expert": 2}, "same setting: got 'expert'; valid choices: experts, norm"),
    ],
)
def test_wrong_settings_are_told_in_one_line(values, message):
    with pytest.raises(MsvizError) as told:
        parse_config("same", values)
    assert message in str(told.value)
    assert "\n" not in str(told.value)
