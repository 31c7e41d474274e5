"""The hand-written attention and norm against plain torch operations, in numbers and gradients."""

import pytest
import torch

from msviz.nets.attention import attend
from msviz.nets.layers import FieldNorm, drop, keep_mask, keep_scale
from msviz.nets.scenario import group, grouped_product
from msviz.nets.tap import Tap


def three(width=8, rows=5, fields=7, size=1.0):
    draw = torch.Generator().manual_seed(3)
    return [(torch.randn(width, rows, fields, generator=draw) * size).requires_grad_() for _ in range(3)]


def plain(query, key, value, heads, scale):
    """Return softmax attention of (d, B, N) values, computed in double precision by einsum."""
    q, k, v = (x.double().unflatten(0, (heads, -1)) for x in (query, key, value))
    weights = torch.softmax(torch.einsum("hdbi,hdbj->hbij", q, k) * scale, dim=-1)
    return torch.einsum("hbij,hdbj->hdbi", weights, v).flatten(0, 1).float()


# With size 8 the scores reach hundreds, where 2^score alone would overflow.
@pytest.mark.parametrize(("size", "tolerance"), [(1.0, 1e-5), (8.0, 2e-3)])
@pytest.mark.parametrize(("heads", "scale"), [(1, 1.0), (2, 0.5), (4, 1.0)])
def test_attention_and_its_gradients(heads, scale, size, tolerance):
    inputs = three(size=size)
    upstream = torch.randn(8, 5, 7, generator=torch.Generator().manual_seed(4))
    tap = Tap("head", "query", "key")
    found = attend(*inputs, heads=heads, scale=scale, rate=0.0, tap=tap)
    wanted = plain(*inputs, heads, scale)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    pairs = zip(
        torch.autograd.grad(found, inputs, upstream),
        torch.autograd.grad(wanted, inputs, upstream),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=tolerance * float(theirs.abs().max()))


def test_attention_with_dropout_has_the_gradients_of_its_own_draw():
    inputs = three()
    tap = Tap("head", "query", "key")
    upstream = torch.randn(8, 5, 7, generator=torch.Generator().manual_seed(4))

    def drawn(seed=5):
        torch.manual_seed(seed)
        return attend(*inputs, heads=2, scale=1.0, rate=0.25, tap=tap)

    # The same draw, by hand: the mask is the first thing drawn, over weights (heads, B, N, N).
    torch.manual_seed(5)
    keep = keep_mask(torch.empty(2, 5, 7, 7), 0.25)
    q, k, v = (x.unflatten(0, (2, -1)) for x in inputs)
    weights = torch.softmax(torch.einsum("hdbi,hdbj->hbij", q, k), dim=-1) * keep * keep_scale(0.25)
    wanted = torch.einsum("hbij,hdbj->hdbi", weights, v).flatten(0, 1)
    torch.testing.assert_close(drawn(), wanted, rtol=1e-5, atol=1e-5)
    pairs = zip(
        torch.autograd.grad(drawn(), inputs, upstream),
        torch.autograd.grad(wanted, inputs, upstream),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_norm_and_its_gradients():
    (values, _, _) = three()
    mine = FieldNorm(8)
    with torch.no_grad():
        mine.weight.copy_(torch.linspace(0.5, 2, 8))
        mine.bias.copy_(torch.linspace(-1, 1, 8))
    upstream = torch.randn(8, 5, 7, generator=torch.Generator().manual_seed(4))
    rows = torch.nn.functional.layer_norm(values.permute(1, 2, 0), (8,), mine.weight, mine.bias)
    torch.testing.assert_close(mine(values), rows.permute(2, 0, 1))
    wanted = torch.autograd.grad(rows, [values, mine.weight, mine.bias], upstream.permute(1, 2, 0))
    found = torch.autograd.grad(mine(values), [values, mine.weight, mine.bias], upstream)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("together", [True, False])
def test_grouped_product_is_one_product_a_row(together):
    draw = torch.Generator().manual_seed(6)
    key = torch.randint(0, 3, (90,), generator=draw) * 1000
    groups = group(key, movable=together)
    assert (groups.sizes is not None) == together
    matrices = torch.randn(3, 4, 6, generator=draw, requires_grad=True)
    values = torch.randn(6, 90, 2, generator=draw, requires_grad=True)
    found = grouped_product(matrices, values, groups)
    naive = torch.stack([matrices[key // 1000][row] @ values[:, row] for row in range(90)], dim=1)
    if together:
        naive = torch.stack(
            [matrices[key[groups.sort(torch.arange(90))[row]] // 1000] @ values[:, row] for row in range(90)],
            dim=1,
        )
    torch.testing.assert_close(found, naive, rtol=1e-5, atol=1e-5)
    upstream = torch.randn(4, 90, 2, generator=draw)
    pairs = zip(
        torch.autograd.grad(found, [matrices, values], upstream),
        torch.autograd.grad(naive, [matrices, values], upstream),
        strict=True,
    )
    for mine, theirs in pairs:
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-4)


def test_sorting_and_back_is_nothing_done():
    key = torch.tensor([5, 1] * 20)
    groups = group(key, True)
    values = torch.arange(40.0)
    assert groups.sizes == [20, 20]
    assert torch.equal(key[groups.first], torch.tensor([1, 5]))
    assert torch.equal(groups.unsort(groups.sort(values)), values)


def test_dropout_keeps_the_mean_and_drops_its_share():
    torch.manual_seed(0)
    values = torch.ones(1_000_001)
    dropped = drop(values, 0.1)
    assert float((dropped == 0).float().mean()) == pytest.approx(26 / 256, abs=0.002)
    assert float(dropped.mean()) == pytest.approx(1.0, abs=0.002)
    assert drop(values, 0.001) is values
