"""A step in pieces is a step on the whole batch; the same seed gives the same weights."""

import pytest
import torch

from msviz.batch import Batch
from msviz.nets.base import InputSpec, net_class, parse_config
from msviz.training.optimisers import make_optimisers
from msviz.training.step import pieces, step

LAYOUT = InputSpec((30, 6, 12), (1,), 5)


def rows(count: int) -> Batch:
    draw = torch.Generator().manual_seed(2)
    fields = torch.stack([torch.randint(0, size, (count,), generator=draw) for size in LAYOUT.sizes], 1)
    label = torch.randint(0, 2, (count,), generator=draw).float()
    zeros = torch.zeros(count, dtype=torch.int64)
    return Batch(fields, fields[:, 1], label, torch.arange(count), zeros)


def trained(model: str, piece: int | None, dropout: float, monkeypatch, steps: int = 5, sgd: bool = False):
    torch.manual_seed(0)
    kind = net_class(model)
    monkeypatch.setattr(kind, "piece", piece)
    values = {"width": 8, "heads": 2, "dropout": dropout}
    if model == "satrans":
        values["unseen_rate"] = 0.01 if dropout else 0.0
    net = kind(parse_config(model, values), LAYOUT)
    # Plain gradient descent shows gradients as they are; Adam would blow up the rounding of those that
    # are zero by nature, such as the bias of the keys' norm.
    optimisers = [torch.optim.SGD(net.parameters(), 0.1)] if sgd else make_optimisers(net, 0.01)
    batch = rows(300)
    losses = [step(net, batch, optimisers) for _ in range(steps)]
    return losses, net.state_dict()


@pytest.mark.parametrize("model", ["autoint", "satrans"])
def test_pieces_add_up_to_the_batch(model, monkeypatch):
    whole, weights = trained(model, None, 0.0, monkeypatch, sgd=True)
    cut, weights_cut = trained(model, 64, 0.0, monkeypatch, sgd=True)
    assert cut == pytest.approx(whole, rel=1e-5)
    assert whole[-1] < whole[0]
    for name in weights:
        torch.testing.assert_close(weights[name], weights_cut[name], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("model", ["autoint", "satrans"])
def test_the_same_seed_gives_the_same_weights_with_dropout(model, monkeypatch):
    first, weights = trained(model, 64, 0.2, monkeypatch)
    second, weights_again = trained(model, 64, 0.2, monkeypatch)
    assert first == second
    for name in weights:
        assert torch.equal(weights[name], weights_again[name]), name


def test_loss_is_the_mean_over_rows_and_falls(monkeypatch):
    losses, _ = trained("autoint", 64, 0.0, monkeypatch, steps=60)
    assert losses[0] == pytest.approx(0.6931, abs=0.02)
    assert losses[-1] < 0.9 * losses[0]


def test_pieces_hold_every_row_once_with_scenarios_side_by_side():
    net = net_class("satrans")(parse_config("satrans", {}), LAYOUT)
    cut = list(pieces(net, rows(1300)))
    assert [len(piece) for piece in cut] == [512, 512, 276]
    scenario = torch.cat([piece.scenario for piece in cut])
    assert (scenario[1:] >= scenario[:-1]).all()
    assert torch.cat([piece.row for piece in cut]).sort()[0].tolist() == list(range(1300))
