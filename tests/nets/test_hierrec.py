"""HierRec against a second implementation in NumPy, and its short ways against the long one."""

from unittest.mock import patch

import numpy as np
import pytest
import torch
from net_reference import relu, softmax, weights_of
from random_rows import LAYOUT, random_batch

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets import hierarchical
from msviz.nets.base import InputSpec, net_class, parse_config
from msviz.nets.batchnorm import BatchNorm
from msviz.probing import hooks
from msviz.training.optimisers import make_optimisers
from msviz.training.step import step

SMALL = {
    "width": 3,
    "units": 5,
    "bottleneck": 2,
    "heads": 3,
    "condition": "4",
    "dropout": 0.0,
    "unseen_rate": 0.0,
}
KINDS = [
    {},
    {"heads": 1},
    {"explicit": False},
    {"implicit": False},
    {"condition": ""},
    {"condition": "6,4"},
    {"heads": 2, "explicit": False, "width": 1, "units": 1, "bottleneck": 1},
]
each_kind = pytest.mark.parametrize("values", KINDS, ids=str)
WIDE = InputSpec((4, 6, 3, 5, 2, 7), (3,), 3)


def with_one(x):
    return np.append(x, 1.0)


def reference(weights, config, layout, ids, statistics, seen):
    """Logit of one row, Eq. 1-9; `seen` is told weights, conditions and what every batch norm is given."""

    def fc(name, x):
        x = weights[f"{name}.linear.weight"] @ x
        seen[f"{name}.norm"] = x
        mean, variance = statistics.get(f"{name}.norm", (0, 1))
        normed = (x - mean) / np.sqrt(variance + 1e-5)
        return relu(normed * weights[f"{name}.norm.weight"] + weights[f"{name}.norm.bias"])

    def oriented(condition, x):
        n, u = config.bottleneck, config.units
        first, second = condition[: n * (u + 1)].reshape(n, u + 1), condition[n * (u + 1) :].reshape(u, n + 1)
        h = first[:, :u] @ x + first[:, u]
        return second[:, :n] @ h + second[:, n]

    def embed(table, columns):
        starts = np.cumsum([0] + [layout.sizes[column] for column in columns])
        return [weights[table][starts[k] + ids[column]] for k, column in enumerate(columns)]

    common = [c for c in range(len(layout.sizes)) if c not in layout.scenario_columns]
    embedded, e_s = (
        embed("embedding.weight", common),
        np.concatenate(embed("scenario.weight", layout.scenario_columns)),
    )
    out = fc("shared", np.concatenate(embedded))
    if config.explicit:
        hidden = e_s
        for k in range(len(config.condition.split(",")) if config.condition else 0):
            hidden = fc(f"condition.{k}", hidden)
        seen["explicit"] = weights["explicit"] @ with_one(hidden)
        out = oriented(seen["explicit"], out)
    if config.implicit:
        scores = weights["attend.weight"] @ e_s + weights["attend.bias"]
        seen["weights"] = softmax(scores.reshape(config.heads, len(common)))
        seen["implicit"], outs = [], []
        for g in range(config.heads):
            ie = with_one(np.concatenate([z * e for z, e in zip(seen["weights"][g], embedded, strict=True)]))
            narrow = [
                weights["narrow"][u, n] @ ie
                for n in range(config.bottleneck)
                for u in range(config.units + 1)
            ]
            wide = [
                weights["wide"][u, n] @ ie for u in range(config.units) for n in range(config.bottleneck + 1)
            ]
            seen["implicit"].append(np.array(narrow + wide))
            outs.append(oriented(seen["implicit"][g], out))
        out = np.concatenate(outs)
    return weights["output.weight"][0] @ out + weights["output.bias"][0]


def norms_of(net):
    return {name: m for name, m in net.named_modules() if isinstance(m, BatchNorm)}


def double(batch):
    return batch.replace(label=batch.label.double())


def doubled(net):
    """Return the net in float64, its batch norms having seen something."""
    torch.manual_seed(1)
    for norm in norms_of(net).values():
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return net.double()


def shown_by(net, batch):
    """Return what the taps show."""
    shown = {}
    names = {point.name for point in hooks.points(net)}
    with torch.no_grad(), hooks.watching(net, names, lambda name, layer, seen: shown.update({name: seen})):
        net(batch)
    return {name: seen.numpy() for name, seen in shown.items()}


@each_kind
@pytest.mark.parametrize("layout", [LAYOUT, WIDE], ids=["two scenario fields", "one"])
def test_equals_the_equations_row_by_row(net_of, values, layout):
    net, batch = doubled(net_of("hierrec", layout, **SMALL | values)).eval(), random_batch(40, layout=layout)
    weights, shown = weights_of(net), shown_by(net, batch)
    statistics = {name: (m.running_mean.numpy(), m.running_var.numpy()) for name, m in norms_of(net).items()}
    with torch.no_grad():
        logits = net(batch).numpy()
    for row in range(40):
        seen = {}
        logit = reference(weights, net.config, layout, batch.fields[row].numpy(), statistics, seen)
        assert logits[row] == pytest.approx(logit, rel=1e-9, abs=1e-9)
        for name in shown:
            np.testing.assert_allclose(shown[name][row], seen[name], rtol=1e-9, atol=1e-9, err_msg=name)
    wanted = {"explicit"} if net.config.explicit else set()
    assert set(shown) == wanted | ({"weights", "implicit"} if net.config.implicit else set())


@each_kind
def test_training_norms_over_rows(net_of, values):
    net, batch = doubled(net_of("hierrec", **SMALL | values)).train(), random_batch(50)
    weights, statistics = weights_of(net), {}
    before = {name: (m.running_mean.clone(), m.running_var.clone()) for name, m in norms_of(net).items()}
    logits = net(batch).detach().numpy()

    def run():
        seen = [{} for _ in range(50)]
        rows = zip(batch.fields.numpy(), seen, strict=True)
        return [reference(weights, net.config, LAYOUT, ids, statistics, into) for ids, into in rows], seen

    # The first norms come first: what a norm is given depends on those before it.
    for name, module in norms_of(net).items():
        given = np.array([row[name] for row in run()[1]])
        statistics[name] = given.mean(0), given.var(0)
        for kept, was, new in zip(
            (module.running_mean, module.running_var),
            before[name],
            (given.mean(0), given.var(0, ddof=1)),
            strict=True,
        ):
            np.testing.assert_allclose(kept.numpy(), 0.9 * was.numpy() + 0.1 * new, rtol=1e-9)
    np.testing.assert_allclose(logits, run()[0], rtol=1e-8, atol=1e-8)


def test_a_row_worked_by_hand():
    # One scenario field, two others, all widths 1, two heads.
    layout = InputSpec((3, 1, 1), (0,), 1)
    settings = {"width": 1, "units": 1, "bottleneck": 1, "heads": 2, "condition": ""}
    net = net_class("hierrec")(parse_config("hierrec", settings), layout).eval()
    values = {
        "embedding.weight": [[2.0], [3.0]],
        "scenario.weight": [[9.0], [9.0], [1.0]],  # e_s = 1
        "shared.linear.weight": [[1.0, -0.5]],  # O_global = ReLU(2 - 1.5) = 0.5
        "shared.norm.running_var": [1 - 1e-5],
        # w, b, w', b' from e_s and a one: 2, 1, 3, -1. O_explicit = 3 (2 · 0.5 + 1) - 1 = 5.
        "explicit": [[1.0, 1.0], [0.0, 1.0], [3.0, 0.0], [0.0, -1.0]],
        "attend.weight": [[0.0]] * 4,
        # Head 1 weighs the fields 1/4 and 3/4, head 2 one half each: IE = (0.5, 2.25) and (1, 1.5).
        "attend.bias": [0.0, np.log(3), 0.0, 0.0],
        # w = 2 IE_1 + 1: 2 and 3; b = 4 IE_2: 9 and 6. h = 2 · 5 + 9 = 19 and 3 · 5 + 6 = 21.
        "narrow": [[[2.0, 0.0, 1.0]], [[0.0, 4.0, 0.0]]],
        # w' = 4 IE_2 - 8: 1 and -2; b' = 4 IE_1: 2 and 4. y = 19 + 2 = 21 and -42 + 4 = -38.
        "wide": [[[0.0, 4.0, -8.0], [4.0, 0.0, 0.0]]],
        "output.weight": [[2.0, 1.0]],
        "output.bias": [0.5],  # 42 - 38 + 0.5 = 4.5
    }
    net.load_state_dict({k: torch.tensor(v) for k, v in values.items()}, strict=False)
    batch = Batch(torch.tensor([[2, 0, 0]]), torch.ones(1, dtype=torch.int64), *[torch.zeros(1)] * 3)
    shown = shown_by(net, batch)
    np.testing.assert_allclose(shown["explicit"][0], [2, 1, 3, -1])
    np.testing.assert_allclose(shown["weights"][0], [[0.25, 0.75], [0.5, 0.5]], rtol=1e-6)
    np.testing.assert_allclose(shown["implicit"][0], [[2, 9, 1, 2], [3, 6, -2, 4]], rtol=1e-6)
    assert net(batch).tolist() == pytest.approx([4.5], rel=1e-5)


def gradients(net, batch):
    net.zero_grad()
    logits = net(batch)
    torch.nn.functional.binary_cross_entropy_with_logits(logits, batch.label, reduction="sum").backward()
    return logits.detach(), {name: p.grad.to_dense().clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("values", [kind for kind in KINDS if kind.get("implicit", True)], ids=str)
@pytest.mark.parametrize("piece", [1, 2**19], ids=["many pieces", "one piece"])
def test_the_short_way_equals_conditions_made_for_every_row_and_head(net_of, values, piece):
    net, batch = doubled(net_of("hierrec", **SMALL | values)), double(random_batch(70))
    with patch.object(hierarchical, "ON_CPU", piece):
        short = gradients(net, batch)
    with hooks.watching(net, {"implicit"}, lambda name, layer, seen: None):
        long = gradients(net, batch)
    torch.testing.assert_close(short[0], long[0], rtol=1e-10, atol=1e-10)
    for name, wanted in long[1].items():
        torch.testing.assert_close(short[1][name], wanted, rtol=1e-9, atol=1e-9, msg=name)


@pytest.mark.parametrize("sizes", [(7, 5, 3, 2, 4, 3), (20, 1, 1, 1, 1, 1), (3, 4, 2, 5, 1, 2)], ids=str)
def test_hand_written_gradients_are_finite_differences(sizes):
    rows, units, bottleneck, heads, fields, width = sizes
    torch.manual_seed(2)

    def draw(*shape):
        return torch.randn(*shape, dtype=torch.float64, requires_grad=True)

    inputs = fields * width + 1
    given = (
        draw(rows, units), draw(rows, fields, width), draw(rows, heads, fields),
        draw(units + 1, bottleneck, inputs), draw(heads, bottleneck + 1, inputs),
    )  # fmt: skip
    condition = draw(3, bottleneck * (units + 1) + units * (bottleneck + 1))
    index = torch.randint(0, 3, (rows,))
    for piece in (1, 2**19):
        with patch.object(hierarchical, "ON_CPU", piece):
            assert torch.autograd.gradcheck(hierarchical.implicit, given)
            assert torch.autograd.gradcheck(
                lambda condition, values: hierarchical.oriented(condition, values, bottleneck, index),
                (condition, given[0]),
            )


def test_what_backward_keeps_does_not_hold_conditions_of_rows(net_of):
    # Sizes as by default: a condition is 2,128 numbers, a row has four of them.
    layout = InputSpec((6, *[50] * 19), (0,), 4)
    net, batch = net_of("hierrec", layout), random_batch(256, layout=layout)
    kept = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: (kept.append(t.numel()), t)[1], lambda t: t):
        net(batch)
    weights = {parameter.numel() for parameter in net.parameters()}
    assert sum(size for size in kept if size not in weights) / 256 < 2 * 2128


def test_mixed_precision_is_near_full_precision(net_of, batch):
    net = net_of("hierrec", **SMALL)
    full = gradients(net, batch)
    with torch.autocast("cpu", torch.bfloat16):
        logits = net(batch)
        loss = net.loss(batch)
    net.zero_grad()
    loss.backward()
    torch.testing.assert_close(logits.float(), full[0], rtol=0.1, atol=0.1 * float(full[0].abs().max()))
    for name, parameter in net.named_parameters():
        found, wanted = parameter.grad.to_dense(), full[1][name]
        assert (found - wanted).norm() < 0.1 * wanted.norm() + 0.1, name


def test_mixed_precision_adds_up_the_rows_of_a_scenario_in_full_precision():
    torch.manual_seed(4)
    values, condition = torch.rand(3000, 3).bfloat16(), torch.rand(1, 2 * 4 + 3 * 3).bfloat16()
    found = []
    for dtype in (torch.bfloat16, torch.float64):
        of_all = condition.to(dtype).clone().requires_grad_()
        hierarchical.oriented(
            of_all, values.to(dtype), 2, torch.zeros(3000, dtype=torch.int64)
        ).sum().backward()
        found.append(of_all.grad.double())
    # Rounding the sum to bfloat16 costs at most 1/256 of it; adding up in bfloat16 costs more.
    torch.testing.assert_close(*found, rtol=1 / 256, atol=0)


def test_generated_weights_start_as_those_of_a_fresh_layer():
    torch.manual_seed(5)
    units, bottleneck, inputs, energy = 40, 20, 60, 3.0
    drawn = hierarchical.fresh(units, bottleneck, inputs, energy, 1.0)
    condition = torch.randn(inputs)
    condition *= energy**0.5 / condition.norm()
    for maps, fan_in in zip(drawn, (units, bottleneck), strict=True):
        made = maps @ torch.cat([condition, torch.ones(1)])
        assert float(made[:, :fan_in].var()) * fan_in == pytest.approx(1, rel=0.2)
        assert float(maps[:, :fan_in, -1].var()) * fan_in == pytest.approx(0.5, rel=0.2)
        assert not made[:, fan_in].any()


def test_generators_start_no_larger_than_asked_and_what_they_make_keeps_its_variance():
    torch.manual_seed(6)
    units, bottleneck, inputs, energy = 40, 20, 60, 0.05
    # √(0.5 / 40 / 0.05) = 0.5 would be wanted of the inputs, above the 0.1 that is allowed.
    narrow, _ = hierarchical.fresh(units, bottleneck, inputs, energy, 0.1)
    assert float(narrow[:, :units, :inputs].std()) == pytest.approx(0.1, rel=0.02)
    # The rest comes from the one: 1/40 - 0.05 · 0.01.
    assert float(narrow[:, :units, -1].var()) == pytest.approx(0.0245, rel=0.15)


def test_batch_norm_counts_a_value_as_often_as_it_stands_for_rows():
    torch.manual_seed(3)
    values, counts = torch.randn(4, 3, dtype=torch.float64, requires_grad=True), torch.tensor([5, 1, 2, 7])
    ours, theirs = BatchNorm(3).double(), torch.nn.BatchNorm1d(3).double()
    with torch.no_grad():
        ours.weight.uniform_(1, 2)
        ours.bias.uniform_(1, 2)
    theirs.load_state_dict(ours.state_dict(), strict=False)
    slope = torch.randn(15, 3, dtype=torch.float64)
    for _ in range(3):
        found = ours(values, counts).repeat_interleave(counts, 0)
        wanted = theirs(values.repeat_interleave(counts, 0))
        torch.testing.assert_close(found, wanted)
        of = [torch.autograd.grad((out * slope).sum(), values)[0] for out in (found, wanted)]
        torch.testing.assert_close(*of)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    torch.testing.assert_close(ours.eval()(values, counts), theirs.eval()(values))


@pytest.mark.parametrize("counts", [None, torch.tensor([9])], ids=["one row", "one scenario"])
def test_batch_norm_of_one_value_takes_the_running_statistics_and_leaves_them(counts):
    norm = BatchNorm(2)
    norm.running_mean.fill_(1.0)
    kept = norm.running_var.fill_(4.0 - 1e-5).clone()
    # (5 - 1) / 2 and (0 - 1) / 2.
    torch.testing.assert_close(norm(torch.tensor([[5.0, 0.0]]), counts), torch.tensor([[2.0, -0.5]]))
    assert norm.running_mean.tolist() == [1.0, 1.0]
    assert torch.equal(norm.running_var, kept)


def test_head_weights_are_the_scenarios_own_and_run_over_the_common_fields(net_of):
    net, batch = net_of("hierrec", **SMALL).eval(), random_batch(200)
    assert net.common == (0, 2, 4)
    weights = shown_by(net, batch)["weights"]
    assert weights.shape == (200, 3, len(net.common))
    np.testing.assert_allclose(weights.sum(2), 1, rtol=1e-6)
    pairs = batch.fields[:, list(LAYOUT.scenario_columns)]
    for pair in pairs.unique(dim=0):
        of_pair = weights[(pairs == pair).all(1).numpy()]
        np.testing.assert_array_equal(of_pair, np.broadcast_to(of_pair[0], of_pair.shape))
    assert len(np.unique(weights, axis=0)) == len(pairs.unique(dim=0))


def test_another_scenarios_condition_and_weights_are_the_other_scenario(net_of, batch):
    net = net_of("hierrec", **SMALL).eval()
    fields = batch.fields.clone()
    fields[:, [1, 3]] = torch.tensor([4, 2])
    moved = batch.replace(fields=fields)
    other = {name: torch.from_numpy(seen) for name, seen in shown_by(net, moved).items()}
    with torch.no_grad(), hooks.patched(net, "explicit", lambda seen, layer: other["explicit"]):
        with hooks.patched(net, "weights", lambda seen, layer: other["weights"]):
            exchanged = net(batch)
        wanted = net(moved)
        torch.testing.assert_close(exchanged, wanted, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(net(batch), wanted, atol=1e-2)


def test_hidden_scenarios_train_the_ids_of_unknown_values(net_of):
    batch = random_batch(300)
    batch = batch.take((batch.fields[:, [1, 3]] > 0).all(1))
    touched = {}
    for rate in (0.0, 0.5):
        net = net_of("hierrec", **SMALL | {"unseen_rate": rate})
        net.loss(batch).backward()
        of_ids = net.scenario.weight.grad.to_dense().abs().sum(1)
        touched[rate] = of_ids[net.scenario.offsets].tolist()
    assert touched[0.0] == [0, 0]
    assert min(touched[0.5]) > 0


def test_learns_two_groups_of_one_scenario_that_respond_in_opposite_ways():
    # Users of one kind click when the next two fields agree, users of the other kind when they differ.
    draw = torch.Generator().manual_seed(0)
    layout = InputSpec((4, 4, 4, 4), (3,), 2)
    ids = torch.randint(2, 4, (2048, 4), generator=draw)
    clicked = ((ids[:, 1] == ids[:, 2]) == (ids[:, 0] == 2)).float()
    batch = Batch(ids, ids[:, 3] - 1, clicked, torch.arange(2048), torch.zeros(2048))
    torch.manual_seed(0)
    net = net_class("hierrec")(parse_config("hierrec", {"units": 16, "bottleneck": 4}), layout)
    optimisers = make_optimisers(net, 0.01)
    losses = [step(net, batch, optimisers) for _ in range(60)]
    assert losses[0] == pytest.approx(np.log(2), abs=0.1)
    net.eval()
    with torch.no_grad():
        assert float(net.loss(batch)) / 2048 < 0.05


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"explicit": False, "implicit": False}, "cannot both be off"),
        ({"condition": "64,x"}, "widths from 1 to 4096"),
        ({"heads": 0}, "heads: got 0; "),
        ({"unit": 3}, "hierrec setting: got 'unit'; valid choices: heads, explicit"),
    ],
)
def test_wrong_settings_are_told_in_one_line(values, message):
    with pytest.raises(MsvizError) as told:
        parse_config("hierrec", values)
    assert message in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("columns", [(0, 1), ()], ids=["nothing but the scenario", "no scenario"])
def test_a_log_needs_a_scenario_and_something_beside_it(columns):
    with pytest.raises(MsvizError, match="scenario fields and others beside them"):
        net_class("hierrec")(parse_config("hierrec", {}), InputSpec((3, 3), columns, 2))
