"""OptMSM against its equations, one row after the other in NumPy, and the constraint worked by hand."""

import math
from itertools import combinations
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from net_reference import embed, relu, softmax, weights_of
from random_rows import FULL, LAYOUT, random_batch

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, net_class, parse_config
from msviz.nets.models import optmsm
from msviz.probing import hooks
from msviz.training.optimisers import make_optimisers
from msviz.training.step import step

SMALL = {"hidden": "6,5,4", "tower": "5,3", "width": 3, "hyper_width": 4, "dropout": 0.0, "unseen_rate": 0.0}
KINDS = [
    pytest.param({"transfer": transfer, **switch}, id=f"{transfer}-{'-'.join(switch) or 'all'}")
    for transfer in ("fcn", "moe", "cgc")
    for switch in (
        {},
        {"priors": False},
        {"hypernetwork": False},
        {"tower": ""},
        {"hidden": "4"},
        {"experts": 1, "shared_experts": 1, "own_experts": 1},
    )
]
WITHOUT = [pytest.param({"transfer": transfer}, id=transfer) for transfer in ("fcn", "moe", "cgc")]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def scenario_layer(w, name, scenario, x):
    """W^s x + b^s, or (W ⊗ W^s) x + b + b^s where there is a shared layer."""
    bias = w[name + "biases.weight"][scenario]
    outputs = len(bias)
    matrix = w[name + "weights.weight"][scenario * outputs : (scenario + 1) * outputs]
    if name + "weight" in w:
        matrix, bias = w[name + "weight"] * matrix, w[name + "bias"] + bias
    return matrix @ x + bias


def tower(w, name, scenario, x, scales=()):
    count = sum(key.startswith(name) and key.endswith("biases.weight") for key in w)
    for level in range(count):
        x = relu(x) if level else x
        x = x * scales[level] if len(scales) else x
        x = scenario_layer(w, f"{name}layers.{level}.", scenario, x)
    return x


def expert(w, config, index, x):
    outputs = config.widths[0]
    rows = slice(index * outputs, (index + 1) * outputs)
    x = w["transfer.experts.first.weight"][rows] @ x + w["transfer.experts.first.bias"][rows]
    for level in range(len(config.widths) - 1):
        matrix = w[f"transfer.experts.weights.{level}"][index]
        x = relu(x) @ matrix + w[f"transfer.experts.biases.{level}"][index, 0]
    return x


def represented(w, config, e_c, scenario):
    """z, how much of each expert, and r of one row in one scenario (Eq. 5-8)."""
    z = sigmoid(scenario_layer(w, "gate.", scenario, e_c.mean(1)))
    x = (z[:, None] * e_c).reshape(-1)
    if config.transfer == "fcn":
        return z, None, tower(w, "transfer.centre.", scenario, x)
    shared = config.experts if config.transfer == "moe" else config.shared_experts
    answers = [expert(w, config, index, x) for index in range(shared)]
    if config.transfer == "cgc":
        answers += [tower(w, f"transfer.own.{index}.", scenario, x) for index in range(config.own_experts)]
    mixture = softmax(scenario_layer(w, "transfer.mixer.", scenario, x))
    return z, mixture, sum(share * answer for share, answer in zip(mixture, answers, strict=True))


def optmsm_row(w, config, layout, ids, scenario):
    """Logit and what is seen of one row, straight from the equations."""
    columns = range(len(layout.sizes))
    specific = [k for k in columns if config.priors and k in layout.specific]
    shared = [k for k in columns if k not in specific]

    def of(chosen, table):
        return embed(w, SimpleNamespace(sizes=[layout.sizes[k] for k in chosen]), ids[chosen], table)

    e_c = of(shared, "embedding.weight")
    found = [represented(w, config, e_c, m) for m in range(layout.scenarios + 1)]
    r_0 = found[scenario][2]
    if specific:
        r_0 = np.concatenate([r_0, of(specific, "specific_embedding.weight").reshape(-1)])
    scales = []
    if config.hypernetwork:
        for level in range(len(config.tower_widths)):
            rows = slice(level * config.hyper_width, (level + 1) * config.hyper_width)
            hidden = relu(w["hyper.first.weight"][rows] @ r_0 + w["hyper.first.bias"][rows])
            second = f"hyper.second.{level}."
            scales.append(2 * sigmoid(w[second + "weight"] @ hidden + w[second + "bias"]))
    logit = tower(w, "towers.", scenario, r_0, scales)[0]
    seen = {"gate": [z for z, _, _ in found[1:]], "representation": [r for _, _, r in found[1:]]}
    if config.transfer != "fcn":
        seen["mixture"] = [mixture for _, mixture, _ in found[1:]]
    return logit, seen | {f"scale_{level + 1}": scale for level, scale in enumerate(scales)}


def cosine(a, b):
    return a @ b / math.sqrt((a @ a) * (b @ b))


def penalty(representations, pairs_of, measure):
    """Mean over pairs of scenarios of what is made small (Eq. 9), for one row."""
    change = {"signed": lambda x: x, "absolute": abs, "squared": lambda x: x * x}[measure]
    found = [change(cosine(representations[i], representations[j])) for i, j in combinations(pairs_of, 2)]
    return sum(found) / len(found) if found else 0.0


def seen_by(net: Net, batch: Batch) -> dict[str, np.ndarray]:
    shown = {}
    names = {point.name for point in hooks.points(net)}
    with (
        torch.no_grad(),
        hooks.watching(net, names, lambda name, layer, values: shown.update({name: values})),
    ):
        net(batch)
    return {name: values.numpy() for name, values in shown.items()}


@pytest.mark.parametrize("values", KINDS)
@pytest.mark.parametrize("layout", [FULL, LAYOUT], ids=["priors", "nothing specific"])
def test_equals_the_equations_row_by_row(net_of, values, layout):
    net, batch = net_of("optmsm", layout, **(SMALL | values)).eval(), random_batch(40, layout=layout)
    with torch.no_grad():
        logits = net(batch).numpy()
    shown, weights = seen_by(net, batch), weights_of(net)
    for row in range(0, 40, 3):
        ids, scenario = batch.fields[row].numpy(), int(batch.scenario[row])
        logit, seen = optmsm_row(weights, net.config, layout, ids, scenario)
        assert logits[row] == pytest.approx(logit, rel=2e-4, abs=2e-4)
        assert set(shown) == set(seen)
        for name in seen:
            np.testing.assert_allclose(shown[name][row], seen[name], rtol=2e-3, atol=2e-4, err_msg=name)
    assert {0, *range(1, layout.scenarios)} & set(batch.scenario[::3].tolist())


@pytest.mark.parametrize("values", WITHOUT)
@pytest.mark.parametrize("measure", ["signed", "absolute", "squared"])
@pytest.mark.parametrize("contrast", [1, 2, 3, 4, 9])
def test_the_loss_equals_the_equations(net_of, values, measure, contrast):
    net = net_of("optmsm", FULL, **SMALL, **values, measure=measure, contrast=contrast, orthogonality=0.7)
    batch, weights = random_batch(30, layout=FULL), weights_of(net)
    torch.manual_seed(5)
    loss = float(net.loss(batch).detach())
    torch.manual_seed(5)
    drawn = set(range(1, 5)) if contrast >= 4 else set((torch.randperm(4)[:contrast] + 1).tolist())
    wanted = 0.0
    for row in range(30):
        scenario = int(batch.scenario[row])
        logit, seen = optmsm_row(weights, net.config, FULL, batch.fields[row].numpy(), scenario)
        wanted += math.log1p(math.exp(-logit if batch.label[row] else logit))
        # The scenario never seen takes no part.
        compared = sorted(drawn | {scenario} - {0})
        apart = {m: seen["representation"][m - 1] for m in compared}
        wanted += 0.7 * penalty(apart, compared, measure)
    assert loss == pytest.approx(wanted, rel=1e-4)


def tiny(**values) -> Net:
    """Return a net of one shared field and one scenario field, both of width 1, for two scenarios."""
    layout = InputSpec((1, 1), (1,), 2, specific=(1,))
    small = {"hidden": "2", "tower": "", "width": 1, "hyper_width": 1, "measure": "signed"}
    net = net_class("optmsm")(parse_config("optmsm", small | values), layout)
    ln3 = math.log(3)
    weights = {
        "embedding.weight": [[2.0]],
        "specific_embedding.weight": [[4.0]],
        "gate.weights.weight": [[9.0], [ln3 / 2], [0.0]],
        "gate.biases.weight": [[0.0], [0.0], [0.0]],
        "transfer.centre.layers.0.weight": [[1.0], [2.0]],
        "transfer.centre.layers.0.bias": [0.5, 0.0],
        "transfer.centre.layers.0.weights.weight": [[9.0], [9.0], [2.0], [1.0], [1.0], [-1.0]],
        "transfer.centre.layers.0.biases.weight": [[9.0, 9.0], [0.0, -1.0], [0.0, 0.0]],
        "towers.layers.0.weights.weight": [[9.0, 9.0, 9.0], [2.0, -1.0, 1.0], [0.0, 1.0, 0.0]],
        "towers.layers.0.biases.weight": [[9.0], [0.25], [0.0]],
        "hyper.first.weight": [[1.0, 1.0, -1.0]],
        "hyper.first.bias": [0.5],
        "hyper.second.0.weight": [[0.0], [ln3 / 2], [-ln3 / 2]],
        "hyper.second.0.bias": [0.0, 0.0, 0.0],
    }
    state = {name: torch.tensor(weights[name]) for name in net.state_dict()}
    net.load_state_dict(state)
    return net


def one_row(scenario: int) -> Batch:
    zero = torch.zeros(1, dtype=torch.int64)
    return Batch(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([scenario]), torch.ones(1), zero, zero)


def test_a_row_worked_by_hand():
    # z^1 = σ(ln 3 / 2 · 2) = 3/4 and z^2 = σ(0) = 1/2, so 2 becomes 1.5 and 1.
    # r^1 = (1·2·1.5 + 0.5, 2·1·1.5 - 1) = (3.5, 2); r^2 = (1·1·1 + 0.5, 2·(-1)·1) = (1.5, -2).
    # R_0 = (3.5, 2, 4), ReLU(3.5 + 2 - 4 + 0.5) = 2, 2σ(0, ln 3, -ln 3) = (1, 1.5, 0.5).
    # Logit 2·3.5 - 1·2·1.5 + 1·4·0.5 + 0.25 = 6.25; without scales 7 - 2 + 4 + 0.25 = 9.25.
    net = tiny().eval()
    shown = seen_by(net, one_row(1))
    np.testing.assert_allclose(shown["gate"], [[[0.75], [0.5]]], rtol=1e-6)
    np.testing.assert_allclose(shown["representation"], [[[3.5, 2.0], [1.5, -2.0]]], rtol=1e-6)
    np.testing.assert_allclose(shown["scale_1"], [[1.0, 1.5, 0.5]], rtol=1e-6)
    with torch.no_grad():
        assert float(net(one_row(1))) == pytest.approx(6.25)
        assert float(tiny(hypernetwork=False).eval()(one_row(1))) == pytest.approx(9.25)


@pytest.mark.parametrize(
    ("measure", "penalised"), [("signed", 0.124035), ("absolute", 0.124035), ("squared", 0.0153846)]
)
def test_the_constraint_worked_by_hand(measure, penalised):
    # cos = (3.5·1.5 - 2·2) / (√16.25 · √6.25) = 1.25 / 10.0778; its square is 1.5625 / 101.5625.
    net = tiny(measure=measure, orthogonality=0.5, unseen_rate=0.0, dropout=0.0)
    loss = float(net.loss(one_row(1)).detach())
    assert loss == pytest.approx(math.log1p(math.exp(-6.25)) + 0.5 * penalised, rel=1e-5)
    # Evaluation, and the ablation, leave the cross-entropy alone.
    for plain in (net.eval(), tiny(constraint=False, unseen_rate=0.0, dropout=0.0)):
        assert float(plain.loss(one_row(1)).detach()) == pytest.approx(math.log1p(math.exp(-6.25)), rel=1e-4)


def test_what_each_measure_asks_for():
    right, half = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]]), torch.tensor([[[1.0, 0.0]], [[-3.0, 4.0]]])
    own, nowhere = torch.zeros(1, 2), torch.zeros(1, dtype=torch.bool)
    for measure, wanted in (("signed", -0.6), ("absolute", 0.6), ("squared", 0.36)):
        assert float(optmsm.overlap(right, own, nowhere, measure)) == pytest.approx(0)
        assert float(optmsm.overlap(half, own, nowhere, measure)) == pytest.approx(wanted)
    # The row's own representation, where it is not among the others, makes three pairs: -0.6, 0 and 0.8.
    own = torch.tensor([[0.0, 2.0]])
    found = optmsm.overlap(half, own, ~nowhere, "signed")
    assert float(found) == pytest.approx((-0.6 + 0 + 0.8) / 3)
    assert float(optmsm.overlap(half[:1], own, nowhere, "signed")) == 0


def test_the_constraint_makes_representations_perpendicular(net_of):
    batch = random_batch(200, layout=FULL)
    found = {}
    for constraint in (False, True):
        settings = SMALL | {"hidden": "16,8", "constraint": constraint, "orthogonality": 5.0}
        net = net_of("optmsm", FULL, **settings).train()
        optimisers = make_optimisers(net, 0.01)
        for _ in range(60):
            step(net, batch, optimisers)
        r = torch.as_tensor(seen_by(net.eval(), batch)["representation"])
        unit = torch.nn.functional.normalize(r, dim=2)
        cosines = unit @ unit.transpose(1, 2)
        found[constraint] = float((cosines.abs().sum((1, 2)) - 4).mean() / 12)
    assert found[True] < 0.05
    assert found[False] > 0.2


@pytest.mark.parametrize("values", WITHOUT)
def test_training_makes_the_loss_fall(values):
    torch.manual_seed(0)
    start = {"tower": "16", "unseen_rate": 0.01, "initial_deviation": 0.3, "gate_rate": 1.0}
    settings = SMALL | values | start | {"hidden": "16,8"}
    net = net_class("optmsm")(parse_config("optmsm", settings), FULL)
    batch = random_batch(600, layout=FULL)
    # A click is a matter of two shared fields, the other way round in scenario 2.
    clicked = ((batch.fields[:, 3] + batch.fields[:, 4]) % 2 == 0) ^ (batch.scenario == 2)
    batch = batch.replace(label=clicked.float())
    optimisers = make_optimisers(net, 0.03)
    losses = [step(net, batch, optimisers) for _ in range(70)]
    with torch.no_grad():
        right = (net.eval()(batch) > 0) == clicked
    assert losses[0] > 0.65
    assert losses[-1] < 0.1
    assert float(right.float().mean()) > 0.95


def test_exchanged_representations_decide_the_logit_of_the_row_s_own_scenario(net_of):
    # Without hidden layers, so that nothing is lost in a dead unit.
    net = net_of("optmsm", FULL, **(SMALL | {"tower": ""})).eval()
    batch = random_batch(50, layout=FULL)
    own = torch.arange(1, 5)[:, None] == batch.scenario[:, None, None]
    with torch.no_grad():
        before = net(batch)
        with hooks.patched(net, "representation", lambda values, layer: values * own):
            torch.testing.assert_close(net(batch), before)
        with hooks.patched(net, "representation", lambda values, layer: values * ~own):
            changed = (net(batch) - before).abs() > 1e-4
    # A row of the scenario never seen has a representation of its own, which is not shown.
    assert changed[batch.scenario > 0].all()
    assert not changed[batch.scenario == 0].any()
    assert (batch.scenario == 0).any()


def test_many_scenarios_are_shown_in_parts_and_without_a_difference(net_of, monkeypatch):
    net, batch = net_of("optmsm", FULL, **SMALL).eval(), random_batch(50, layout=FULL)
    whole = seen_by(net, batch)
    parts = []
    monkeypatch.setattr(optmsm, "SHOWN", 4 * 20)
    with torch.no_grad(), hooks.watching(net, ["representation"], lambda n, k, values: parts.append(values)):
        net(batch)
    assert [len(part) for part in parts] == [20, 20, 10]
    np.testing.assert_allclose(torch.cat(parts), whole["representation"], rtol=1e-4, atol=1e-5)


def test_evaluation_draws_nothing_and_training_repeats_itself(net_of):
    net = net_of("optmsm", FULL, **(SMALL | {"contrast": 2, "dropout": 0.3, "unseen_rate": 0.2}))
    batch = random_batch(60, layout=FULL)

    def losses(seed):
        torch.manual_seed(seed)
        return float(net.loss(batch).detach())

    assert losses(1) == losses(1) != losses(2)
    net.eval()
    state = torch.get_rng_state()
    net.loss(batch)
    assert torch.equal(torch.get_rng_state(), state)


def test_hidden_scenarios_train_the_weights_of_the_unseen(net_of):
    seen = random_batch(300, layout=FULL)
    seen = seen.take(seen.scenario > 0)
    touched = {}
    for rate in (0.0, 0.5):
        net = net_of("optmsm", FULL, **(SMALL | {"unseen_rate": rate, "constraint": False}))
        net.loss(seen).backward()
        layers = (net.gate, net.transfer.centre.layers[0], net.towers.layers[0])
        touched[rate] = [float(layer.biases.weight.grad.to_dense()[0].abs().sum()) for layer in layers]
        # The scenario's own field, the first specific one, says nothing about it either.
        touched[rate].append(float(net.specific_embedding.weight.grad.to_dense()[0].abs().sum()))
    assert touched[0.0] == [0, 0, 0, 0]
    assert min(touched[0.5]) > 0


def test_only_drawn_scenarios_and_those_of_the_rows_are_touched(net_of):
    layout = InputSpec((102, 9), (0,), 100, specific=(0,))
    fields = torch.stack([torch.full((40,), 12), torch.arange(40) % 9], 1)
    batch = random_batch(40, layout=layout).replace(fields=fields, scenario=torch.full((40,), 11))
    net = net_of("optmsm", layout, **SMALL, contrast=3)
    torch.manual_seed(3)
    net.loss(batch).backward()
    torch.manual_seed(3)
    drawn = (torch.randperm(100)[:3] + 1).tolist()
    centre, tower_ = net.transfer.centre.layers[0], net.towers.layers[0]
    assert set(centre.biases.weight.grad.coalesce().indices()[0].tolist()) == {11, *drawn}
    assert tower_.biases.weight.grad.coalesce().indices()[0].tolist() == [11]


def test_pieces_hold_as_many_pairs_of_row_and_scenario_as_a_cache(net_of):
    many = InputSpec((40, 9), (0,), 38, specific=(0,))
    assert net_of("optmsm", many).piece < net_of("optmsm", many, constraint=False).piece
    assert net_of("optmsm", many, transfer="moe").piece < net_of("optmsm", many).piece


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hidden": ""}, "hidden: a representation needs at least one layer"),
        ({"transfer": "ple"}, "'fcn', 'moe' or 'cgc'"),
        ({"contrast": 0}, "contrast: got 0; "),
        ({"contrasts": 3}, "optmsm setting: got 'contrasts'; valid choices: transfer, priors"),
    ],
)
def test_wrong_settings_are_told_in_one_line(values, message):
    with pytest.raises(MsvizError) as told:
        parse_config("optmsm", values)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


def test_a_log_of_specific_fields_alone_is_refused(net_of):
    layout = InputSpec((5, 5), (0,), 3, specific=(0, 1))
    with pytest.raises(MsvizError, match="optmsm priors: got True; every field is scenario-specific"):
        net_of("optmsm", layout, **SMALL)
    net_of("optmsm", layout, **SMALL, priors=False)
