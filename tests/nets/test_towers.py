"""Towers and experts against plain operations, values and gradients, and what a step touches."""

import pytest
import torch
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.layers import FusedEmbedding
from msviz.nets.towers import Blocks, Experts, ScenarioLinear, Towers
from msviz.training.optimisers import make_optimisers
from msviz.training.step import step

BLOCKS = [
    pytest.param(Blocks([0, 2, 5], [4, 1, 30]), id="some scenarios"),
    pytest.param(Blocks([3], [7]), id="one"),
    pytest.param(Blocks([4, 1, 4, 1], [2, 3, 5, 1]), id="twice the same"),
    pytest.param(Blocks([1, 2, 3], [5, 0, 2]), id="an empty block"),
]
SCENARIOS = 5


def rows_of(blocks: Blocks) -> list[int]:
    """Return the scenario of every row."""
    pairs = zip(blocks.scenarios, blocks.sizes, strict=True)
    return [scenario for scenario, size in pairs for _ in range(size)]


def plainly(layer: ScenarioLinear, values: Tensor, blocks: Blocks) -> Tensor:
    """Return the layer's answer, one row after the other."""
    weights = layer.weights.weight.view(SCENARIOS + 1, layer.outputs, layer.inputs)
    found = []
    for row, scenario in enumerate(rows_of(blocks)):
        matrix, vector = weights[scenario], layer.biases.weight[scenario]
        if layer.weight is not None:
            matrix, vector = layer.weight * matrix, layer.bias + vector
        found.append(matrix @ values[row] + vector)
    return torch.stack(found)


@pytest.mark.parametrize("blocks", BLOCKS)
@pytest.mark.parametrize("shared", [False, True])
def test_a_layer_equals_plain_operations_in_values_and_gradients(blocks: Blocks, shared: bool) -> None:
    torch.manual_seed(0)
    layer = ScenarioLinear(SCENARIOS, 3, 4, shared=shared).double()
    values = torch.randn(sum(blocks.sizes), 3, dtype=torch.float64, requires_grad=True)
    slope = torch.randn(sum(blocks.sizes), 4, dtype=torch.float64)
    inputs = {"values": values, **dict(layer.named_parameters())}

    def run(out: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        for tensor in inputs.values():
            tensor.grad = None
        out.backward(slope)
        return out, {name: tensor.grad.to_dense().clone() for name, tensor in inputs.items()}

    fast, gradients = run(layer(values, blocks))
    plain, wanted = run(plainly(layer, values, blocks))
    torch.testing.assert_close(fast, plain)
    assert set(gradients) == set(wanted)
    for name in gradients:
        torch.testing.assert_close(gradients[name], wanted[name], msg=name)


@pytest.mark.parametrize("shared", [False, True])
def test_a_layer_s_gradients_are_the_finite_differences(shared: bool) -> None:
    torch.manual_seed(0)
    layer = ScenarioLinear(2, 2, 3, shared=shared).double()
    values = torch.randn(5, 2, dtype=torch.float64, requires_grad=True)
    blocks = Blocks([2, 0], [3, 2])
    assert torch.autograd.gradcheck(lambda x: layer(x, blocks), (values,))


def test_a_layer_worked_by_hand() -> None:
    layer = ScenarioLinear(1, 2, 2, shared=True)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        layer.bias.copy_(torch.tensor([0.5, 0.0]))
        # Scenario 0 multiplies W by 1 and adds nothing; scenario 1 halves one column and adds (0, 7).
        layer.weights.weight.copy_(torch.tensor([[1.0, 1.0], [1.0, 1.0], [0.5, 1.0], [0.5, 1.0]]))
        layer.biases.weight.copy_(torch.tensor([[0.0, 0.0], [0.0, 7.0]]))
        found = layer(torch.tensor([[1.0, 1.0], [2.0, 1.0]]), Blocks([0, 1], [1, 1]))
    # (1 + 2 + 0.5, 3 + 4); (0.5·1·2 + 2·1 + 0.5, 0.5·3·2 + 4·1 + 7).
    assert found.tolist() == [[3.5, 7.0], [3.5, 14.0]]


def test_only_the_scenarios_of_the_rows_have_gradients() -> None:
    layer = ScenarioLinear(1000, 3, 4)
    layer(torch.randn(5, 3), Blocks([7, 900], [2, 3])).sum().backward()
    assert layer.weights.weight.grad.is_sparse
    assert layer.weights.weight.grad._indices()[0].tolist() == [*range(28, 32), *range(3600, 3604)]
    assert layer.biases.weight.grad._indices()[0].tolist() == [7, 900]


@pytest.mark.parametrize("shared", [False, True])
def test_towers_put_relu_and_scales_between(shared: bool) -> None:
    torch.manual_seed(0)
    towers = Towers(SCENARIOS, 3, [4, 2], shared=shared).double()
    blocks = Blocks([1, 5], [3, 4])
    values = torch.randn(7, 3, dtype=torch.float64)
    scales = [torch.rand(7, 3, dtype=torch.float64), torch.rand(7, 4, dtype=torch.float64)]
    first, second = towers.layers
    hidden = torch.relu(plainly(first, values, blocks))
    torch.testing.assert_close(towers(values, blocks), plainly(second, hidden, blocks))
    hidden = torch.relu(plainly(first, values * scales[0], blocks))
    torch.testing.assert_close(towers(values, blocks, scales), plainly(second, hidden * scales[1], blocks))


def test_dropout_acts_between_layers_in_training_only() -> None:
    torch.manual_seed(0)
    towers = Towers(1, 4, [400, 1], dropout=0.5)
    with torch.no_grad():
        for layer in towers.layers:
            layer.weights.weight.fill_(0.1)
            layer.biases.weight.zero_()
    values, blocks = torch.ones(50, 4), Blocks([1], [50])
    # Each of 400 hidden units is 0.4; their sum times 0.1 is 16 and stays so on average.
    found = towers(values, blocks).detach()
    assert float(found.mean()) == pytest.approx(16, abs=0.5)
    assert float(found.std()) > 0.3
    torch.testing.assert_close(towers.eval()(values, blocks), torch.full((50, 1), 16.0))


def test_blocks_are_read_off_rows_that_lie_by_scenario() -> None:
    assert Blocks.of(torch.tensor([0, 0, 3, 7, 7, 7])) == Blocks([0, 3, 7], [2, 1, 3])
    assert Blocks.each([2, 5], 4) == Blocks([2, 5], [4, 4])


def test_experts_equal_perceptrons_one_by_one() -> None:
    torch.manual_seed(0)
    experts = Experts(3, 5, [4, 6, 2], 0.0)
    values = torch.randn(7, 5)
    with torch.no_grad():
        found = experts(values)
        for expert in range(3):
            rows = slice(4 * expert, 4 * expert + 4)
            hidden = torch.relu(values @ experts.first.weight[rows].T + experts.first.bias[rows])
            hidden = torch.relu(hidden @ experts.weights[0][expert] + experts.biases[0][expert, 0])
            wanted = hidden @ experts.weights[1][expert] + experts.biases[1][expert, 0]
            torch.testing.assert_close(found[expert], wanted)


class Star(Net):
    """The least net of towers: embeddings and STAR's layers."""

    piece = 64
    config: NetConfig

    def __init__(self, layout: InputSpec) -> None:
        super().__init__(NetConfig(), layout)
        self.embedding = FusedEmbedding(layout.sizes, 4, 0.1)
        self.towers = Towers(layout.scenarios, 4 * len(layout.sizes), [8, 1], shared=True)

    def order(self, batch: Batch) -> Tensor:
        return torch.argsort(batch.scenario, stable=True)

    def forward(self, batch: Batch) -> Tensor:
        order = torch.argsort(batch.scenario, stable=True)
        values = self.embedding(batch.fields[order]).flatten(1)
        found = self.towers(values, Blocks.of(batch.scenario[order])).squeeze(1)
        return torch.empty_like(found).index_copy(0, order, found)


def learnable(rows: int, seed: int) -> Batch:
    """Return rows whose label is 1 where the second field is large, the other way round in scenario 2."""
    draw = torch.Generator().manual_seed(seed)
    fields = torch.randint(0, 10, (rows, 2), generator=draw)
    scenario = torch.randint(1, 4, (rows,), generator=draw)
    label = ((fields[:, 1] >= 5) ^ (scenario == 2)).float()
    return Batch(fields, scenario, label, torch.arange(rows), torch.zeros(rows, dtype=torch.int64))


def test_towers_learn_what_differs_by_scenario_and_leave_the_others_alone() -> None:
    torch.manual_seed(0)
    net = Star(InputSpec((10, 10), (0,), 6))
    untouched = net.towers.layers[0].weights.weight.detach().view(7, -1)[[0, 4, 5, 6]].clone()
    optimisers = make_optimisers(net, 0.03)
    losses = [step(net, learnable(512, seed), optimisers) for seed in range(60)]
    assert losses[0] > 0.6
    assert losses[-1] < 0.1
    assert torch.equal(net.towers.layers[0].weights.weight.detach().view(7, -1)[[0, 4, 5, 6]], untouched)


def test_pieces_add_up_to_the_batch() -> None:
    torch.manual_seed(0)
    net, batch = Star(InputSpec((10, 10), (0,), 6)), learnable(300, 0)
    net.loss(batch).backward()
    whole = {name: parameter.grad.to_dense().clone() for name, parameter in net.named_parameters()}
    net.zero_grad()
    for start in range(0, 300, 64):
        net.loss(batch.take(slice(start, start + 64))).backward()
    for name, parameter in net.named_parameters():
        torch.testing.assert_close(parameter.grad.to_dense(), whole[name], rtol=1e-4, atol=1e-4)


def test_tables_are_what_the_optimisers_take_for_tables() -> None:
    towers = Towers(3, 4, [2], shared=True)
    sparse = {id(m.weight) for m in towers.modules() if isinstance(m, nn.Embedding) and m.sparse}
    names = [name for name, parameter in towers.named_parameters() if id(parameter) not in sparse]
    assert names == ["layers.0.weight", "layers.0.bias"]
