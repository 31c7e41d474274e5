"""RowwiseAdam and RowwiseAdagrad against torch's own, by hand, and where a dense step would show."""

import time

import pytest
import torch
from torch import nn

from msviz.nets.base import InputSpec, build, net_class, parse_config
from msviz.registry import MODELS
from msviz.training import optimisers
from msviz.training.optimisers import RowwiseAdagrad, RowwiseAdam, make_optimisers


def sparse(rows: list[int], values: object, size: tuple[int, int]) -> torch.Tensor:
    return torch.sparse_coo_tensor(torch.tensor([rows]), torch.tensor(values), size, check_invariants=True)


def gradients(steps: int, rows: int, width: int):
    """Yield sparse gradients with repeated rows, as an embedding gives them."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(steps):
        touched = torch.randint(0, rows, (1, 30), generator=draw)
        values = torch.randn(30, width, generator=draw)
        yield torch.sparse_coo_tensor(touched, values, (rows, width), check_invariants=True)


@pytest.mark.parametrize("width", [1, 4])
def test_equals_sparse_adam(width):
    start = torch.randn(40, width, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine, torchs = RowwiseAdam([ours], lr=0.05), torch.optim.SparseAdam([theirs], lr=0.05)
    for gradient in gradients(20, 40, width):
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        torchs.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 4])
def test_equals_torchs_adagrad(width):
    start = torch.randn(40, width, generator=torch.Generator().manual_seed(1))
    ours, theirs = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    mine, torchs = RowwiseAdagrad([ours], lr=0.05), torch.optim.Adagrad([theirs], lr=0.05)
    for gradient in gradients(20, 40, width):
        # Where a gradient is 0, Adagrad moves nothing: dense and sparse are the same.
        ours.grad, theirs.grad = gradient.clone(), gradient.to_dense()
        mine.step()
        torchs.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_two_adagrad_steps_by_hand():
    # v = 9, then 9 + 16 = 25: steps of 0.1 · 3/3 and 0.1 · 4/5; the other row stays.
    table = nn.Parameter(torch.zeros(2, 1))
    optimiser = RowwiseAdagrad([table], lr=0.1)
    for value in (3.0, 4.0):
        table.grad = sparse([1], [[value]], (2, 1))
        optimiser.step()
    torch.testing.assert_close(table.detach(), torch.tensor([[0.0], [-0.18]]))


def test_first_step_by_hand_and_untouched_rows():
    # At the first step m / √v = g / |g| whatever g is, so a touched row moves by lr, and by nothing else.
    table = nn.Parameter(torch.zeros(5, 2))
    table.grad = sparse([3, 3], [[1.0, -2.0], [2.0, -2.0]], (5, 2))
    RowwiseAdam([table], lr=0.1).step()
    wanted = torch.zeros(5, 2)
    wanted[3] = torch.tensor([-0.1, 0.1])
    torch.testing.assert_close(table.detach(), wanted)


def test_l2_pulls_touched_rows_only():
    table = nn.Parameter(torch.ones(3, 1))
    table.grad = sparse([1], [[0.0]], (3, 1))
    RowwiseAdam([table], lr=0.1, l2=0.5).step()
    torch.testing.assert_close(table.detach(), torch.tensor([[1.0], [0.9], [1.0]]))


def test_state_goes_on_after_loading():
    start = torch.randn(40, 4, generator=torch.Generator().manual_seed(1))
    whole, first = nn.Parameter(start.clone()), nn.Parameter(start.clone())
    steps = list(gradients(6, 40, 4))

    def run(table, optimiser, part):
        for gradient in part:
            table.grad = gradient.clone()
            optimiser.step()

    run(whole, RowwiseAdam([whole], lr=0.05), steps)
    before = RowwiseAdam([first], lr=0.05)
    run(first, before, steps[:3])
    second = nn.Parameter(first.detach().clone())
    after = RowwiseAdam([second], lr=0.05)
    after.load_state_dict(before.state_dict())
    run(second, after, steps[3:])
    assert torch.equal(whole, second)


def test_summed_adds_the_values_of_a_row_also_across_chunks(monkeypatch):
    gradient = sparse([4, 1, 4, 0, 4], [[1.0, 2.0], [3.0, 4.0], [10.0, 20.0], [5.0, 5.0], [0.5, 0.5]], (6, 2))
    for chunk in (1, 2, 100):
        monkeypatch.setattr(optimisers, "CHUNK", chunk)
        found = list(optimisers.summed(gradient))
        assert torch.cat([rows for rows, _ in found]).tolist() == [0, 1, 4]
        assert torch.cat([values for _, values in found]).tolist() == [[5.0, 5.0], [3.0, 4.0], [11.5, 22.5]]


def test_a_dense_gradient_is_refused():
    table = nn.Parameter(torch.zeros(3, 2))
    table.grad = torch.ones(3, 2)
    for kind in (RowwiseAdam, RowwiseAdagrad):
        with pytest.raises(ValueError, match=f"{kind.__name__}: got a dense gradient"):
            kind([table]).step()


def test_tables_are_rowwise_and_the_rest_is_not():
    net = net_class("satrans")(parse_config("satrans", {"encoder": "en"}), InputSpec((5, 4), (1,), 3))
    rowwise, dense = make_optimisers(net, 0.01, l2=0.1)
    tables = {id(net.embedding.weight), id(net.encoder.tables[0].weight)}
    assert {id(p) for p in rowwise.param_groups[0]["params"]} == tables
    assert rowwise.param_groups[0]["l2"] == 0.1
    assert len(dense.param_groups[0]["params"]) == len(list(net.parameters())) - 2
    towers = net_class("optmsm")(parse_config("optmsm", {"gate_rate": 1.0}), InputSpec((5, 4), (1,), 3))
    embeddings, weights = make_optimisers(towers, 0.01, l2=0.1)[0].param_groups
    assert (embeddings["l2"], weights["l2"]) == (0.1, 0.0)
    assert id(towers.embedding.weight) in {id(table) for table in embeddings["params"]}
    assert {len(table) % 4 for table in weights["params"]} == {0}  # blocks of rows of 3 + 1 scenarios
    rowwise, dense = make_optimisers(net, 0.01, kind="adagrad")
    assert isinstance(rowwise, RowwiseAdagrad)
    assert isinstance(dense, torch.optim.Adagrad)


def test_inner_parts_learn_at_their_own_rate():
    """A first step of Adam moves every weight by its learning rate, whatever the gradient."""
    layout = InputSpec((5, 4), (1,), 3)
    net = net_class("optmsm")(parse_config("optmsm", {"gate_rate": 10.0, "hyper_width": 4}), layout)
    before = {name: value.detach().clone() for name, value in net.named_parameters()}
    for optimiser in make_optimisers(net, 0.01):
        for group in optimiser.param_groups:
            for parameter in group["params"]:
                parameter.grad = torch.ones_like(parameter)
                if isinstance(optimiser, RowwiseAdam):
                    parameter.grad = parameter.grad.to_sparse(1)
        optimiser.step()
    moved = {name: (value - before[name]).abs() for name, value in net.named_parameters()}
    fast = [name for name in moved if name.startswith(("gate.", "hyper."))]
    assert len(fast) == 2 + 2 * (1 + 3)  # the gate's table and biases; weights and biases of the hypernetwork
    for name, steps in moved.items():
        wanted = 0.1 if name in fast else 0.01
        torch.testing.assert_close(steps, torch.full_like(steps, wanted), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("model", MODELS.names())
def test_every_factor_belongs_to_a_weight_and_is_a_setting(model, tiny_world):
    """A factor for a weight that the net does not have, or one given twice, would be lost in silence."""
    net = build(model, {}, tiny_world.schema)
    known = {id(parameter) for parameter in net.parameters()}
    factors = list(net.learning_rates())
    assert len({id(parameter) for parameter, _ in factors}) == len(factors)
    assert {id(parameter) for parameter, _ in factors} <= known
    rates = {name for name in type(net).Config.model_fields if name.endswith("_rate")} - {"unseen_rate"}
    assert {factor for _, factor in factors} == {getattr(net.config, name) for name in rates}


def test_ten_million_rows_do_not_slow_a_step():
    def fastest(rows):
        table = nn.Parameter(torch.empty(rows, 4))
        optimiser = RowwiseAdam([table])
        touched = torch.arange(0, 2000)[None] * (rows // 2000)
        values = torch.ones(2000, 4)
        spent = []
        for _ in range(8):
            table.grad = torch.sparse_coo_tensor(touched, values, (rows, 4), check_invariants=False)
            start = time.perf_counter()
            optimiser.step()
            spent.append(time.perf_counter() - start)
        return min(spent)

    # A dense step writes 160 MB three times, which is a hundred times the small table's step.
    assert fastest(10_000_000) < 20 * fastest(20_000)
