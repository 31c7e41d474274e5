"""Histories cut and ordered, and the hand-written masked attention against plain torch operations."""

import pytest
import torch
from random_rows import FULL, LAYOUT, past, random_batch, with_past
from torch import nn

from msviz.errors import MsvizError
from msviz.nets import behaviours
from msviz.nets.behaviours import (
    attend,
    by_length,
    cut,
    heads_apart,
    heads_joined,
    histories_of,
    masked_softmax,
    self_attend,
)
from msviz.nets.layers import keep_mask, keep_scale
from msviz.nets.tap import Tap

LENGTHS = [0, 3, 7, 1, 7]  # of 5 rows with 7 places: an empty history, full ones, and some between


class Watchable(nn.Module):
    def __init__(self):
        super().__init__()
        self.shown_tap = Tap("behaviour")


def tap():
    return Tap("head", "query", "key")


def mask_of(lengths, width=7):
    return torch.arange(width) >= width - torch.tensor(lengths)[:, None]


def three(queries=7, heads=4, width=2, size=1.0, rows=5):
    draw = torch.Generator().manual_seed(3)
    shapes = [(rows, queries, heads * width), (rows, 7, heads * width), (rows, 7, heads * width)]
    # As nets have them: heads side by side in memory, seen apart.
    leaves = [(torch.randn(*shape, generator=draw) * size).requires_grad_() for shape in shapes]
    return leaves, [heads_apart(leaf, heads) for leaf in leaves]


def plain(query, key, value, mask, scale, keep=None):
    """Return attention of one row and head after the other, in double precision."""
    out = torch.zeros(*query.shape[:3], value.shape[3], dtype=torch.float64)
    for row in range(len(query)):
        there = mask[row].nonzero().squeeze(1)
        if not len(there):
            continue
        for head in range(query.shape[1]):
            q, k, v = query[row, head].double(), key[row, head].double(), value[row, head].double()
            weights = torch.softmax(q @ k[there].T * scale, dim=-1)
            if keep is not None:
                weights = weights * keep[head, row][:, there]
            out[row, head] = weights @ v[there]
    return out.float()


def same_slopes(found, wanted, leaves, tolerance):
    upstream = torch.randn(wanted.shape, generator=torch.Generator().manual_seed(4))
    mine = torch.autograd.grad(found, leaves, upstream, retain_graph=True)
    theirs = torch.autograd.grad(wanted, leaves, upstream)
    for one, other in zip(mine, theirs, strict=True):
        assert float(other.abs().max()) > 0.01
        torch.testing.assert_close(one, other, rtol=tolerance, atol=tolerance * float(other.abs().max()))


# With size 8 scores reach hundreds, where 2^score alone would overflow or vanish.
@pytest.mark.parametrize(("size", "tolerance"), [(1.0, 1e-5), (8.0, 3e-3)])
@pytest.mark.parametrize("weights", [2**18, 200, 1])  # all rows at a time, two, one
@pytest.mark.parametrize(("queries", "heads", "scale"), [(7, 1, 1.0), (7, 4, 0.5), (1, 2, 1.0), (3, 4, 2.0)])
def test_attention_and_its_gradients(queries, heads, scale, weights, size, tolerance, monkeypatch):
    monkeypatch.setattr(behaviours, "WEIGHTS", weights)
    leaves, parts = three(queries, heads, size=size)
    mask = mask_of(LENGTHS)
    found = attend(*parts, mask, scale=scale, tap=tap())
    wanted = plain(*parts, mask, scale)
    torch.testing.assert_close(found, wanted, rtol=tolerance, atol=tolerance)
    assert torch.equal(found[0], torch.zeros_like(found[0]))
    same_slopes(found, wanted, leaves, tolerance)


@pytest.mark.parametrize("size", [1.0, 8.0])
@pytest.mark.parametrize("lengths", [LENGTHS, [7] * 5, [0] * 5])
def test_queries_keys_and_values_may_lie_side_by_side(lengths, size):
    mask = mask_of(lengths)
    draw = torch.Generator().manual_seed(3)
    packed = (torch.randn(5, 7, 24, generator=draw) * size).requires_grad_()
    found = self_attend(packed, mask, heads=4, scale=0.7, tap=tap())
    apart = [heads_apart(part, 4) for part in packed.chunk(3, dim=2)]
    wanted = heads_joined(plain(*apart, mask, 0.7))
    torch.testing.assert_close(found, wanted, rtol=3e-3, atol=3e-3 * size)
    if any(lengths):
        same_slopes(found, wanted, [packed], 3e-3)
    else:
        assert torch.equal(found, torch.zeros_like(found))
        (slope,) = torch.autograd.grad(found.sum(), packed)
        assert torch.equal(slope, torch.zeros_like(slope))


def test_padding_may_hold_anything():
    _, parts = three()
    mask = mask_of(LENGTHS)
    wanted = attend(*parts, mask, scale=1.0, tap=tap())
    with torch.no_grad():
        # Its scores would outweigh all others by far if they were looked at before the mask is.
        noisy = [part + 300 * ~mask[:, None, :, None] for part in parts]
        found = attend(parts[0], noisy[1], noisy[2], mask, scale=1.0, tap=tap())
        packed = torch.cat([heads_joined(part) for part in (parts[0], *noisy[1:])], dim=2)
        joined = self_attend(packed, mask, heads=4, scale=1.0, tap=tap())
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(joined, heads_joined(wanted), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("together", [True, False])
def test_dropout_has_the_gradients_of_its_own_draw(together):
    leaves, parts = three()
    mask = mask_of(LENGTHS)
    packed = torch.cat([heads_joined(part) for part in parts], dim=2)
    torch.manual_seed(5)
    if together:
        found = heads_apart(self_attend(packed, mask, heads=4, scale=0.5, tap=tap(), rate=0.25), 4)
    else:
        found = attend(*parts, mask, scale=0.5, tap=tap(), rate=0.25)
    torch.manual_seed(5)
    keep = keep_mask(torch.empty(4, 5, 7, 7), 0.25)
    wanted = plain(*parts, mask, 0.5, keep * keep_scale(0.25))
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    same_slopes(found, wanted, leaves, 1e-4)


@pytest.mark.parametrize("grad", [True, False])
def test_who_watches_sees_weights_that_sum_to_one_where_there_is_a_history(grad):
    _, parts = three()
    mask = mask_of(LENGTHS)
    watched, shown = tap(), []
    watched.register_forward_hook(lambda module, given, values: shown.append(values))
    with torch.set_grad_enabled(grad):
        found = attend(*parts, mask, scale=1.0, tap=watched)
    wanted = attend(*parts, mask, scale=1.0, tap=tap())
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    (weights,) = shown
    assert weights.shape == (5, 4, 7, 7)
    present = mask.any(1).float()[:, None, None]
    torch.testing.assert_close(weights.sum(-1), present.expand(5, 4, 7))
    assert not weights.masked_select(~mask[:, None, None, :]).any()
    torch.testing.assert_close(weights @ parts[2], wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("grad", [True, False])
def test_who_watches_sees_nothing_of_padded_queries(grad):
    _, parts = three()
    mask = mask_of(LENGTHS)
    packed = torch.cat([heads_joined(part) for part in parts], dim=2)
    watched, shown = tap(), []
    watched.register_forward_hook(lambda module, given, values: shown.append(values))
    with torch.set_grad_enabled(grad):
        found = self_attend(packed, mask, heads=4, scale=1.0, tap=watched)
        apart = attend(*parts, mask, scale=1.0, tap=watched, asking=mask)
    wanted = heads_joined(attend(*parts, mask, scale=1.0, tap=tap()))
    torch.testing.assert_close(found[mask], wanted[mask], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(heads_joined(apart)[mask], wanted[mask], rtol=1e-5, atol=1e-6)
    for weights in shown:
        torch.testing.assert_close(weights.sum(-1), mask.float()[:, None].expand(5, 4, 7))


@pytest.mark.parametrize("grad", [True, False])
def test_what_is_put_in_for_the_weights_is_what_is_mixed(grad):
    _, parts = three()
    other = torch.rand(5, 4, 7, 7, generator=torch.Generator().manual_seed(8))
    watched = tap()
    watched.register_forward_hook(lambda module, given, values: other)
    packed = torch.cat([heads_joined(part) for part in parts], dim=2)
    with torch.set_grad_enabled(grad):
        found = attend(*parts, mask_of(LENGTHS), scale=1.0, tap=watched)
        joined = self_attend(packed, mask_of(LENGTHS), heads=4, scale=1.0, tap=watched)
    torch.testing.assert_close(found, other @ parts[2], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(joined, heads_joined(other @ parts[2]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_other_devices_and_formats_have_the_same_answer(rate):
    # Double precision takes the way that a GPU takes.
    leaves, parts = three()
    mask = mask_of(LENGTHS)
    torch.manual_seed(5)
    found = attend(*(part.double() for part in parts), mask, scale=0.5, tap=tap(), rate=rate).float()
    torch.manual_seed(5)
    keep = None if rate == 0 else keep_mask(torch.empty(5, 4, 7, 7), rate).transpose(0, 1) * keep_scale(rate)
    wanted = plain(*parts, mask, 0.5, keep)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)
    same_slopes(found, wanted, leaves, 1e-4)
    packed = torch.cat([heads_joined(part) for part in parts], dim=2)
    torch.manual_seed(5)
    joined = self_attend(packed.double(), mask, heads=4, scale=0.5, tap=tap(), rate=rate).float()
    torch.testing.assert_close(joined, heads_joined(wanted), rtol=1e-5, atol=1e-6)


def test_masked_softmax_in_numbers():
    scores = torch.tensor([[0.0, 99.0, 0.0], [5.0, 1.0, 2.0]]).requires_grad_()
    mask = torch.tensor([[True, False, True], [False, False, False]])
    found = masked_softmax(scores, mask)
    assert found.tolist() == [[0.5, 0.0, 0.5], [0.0, 0.0, 0.0]]
    (slope,) = torch.autograd.grad(found[:, 0].sum(), scores)
    assert slope.tolist() == [[0.25, 0.0, -0.25], [0.0, 0.0, 0.0]]


def test_columns_that_are_padding_everywhere_are_cut():
    histories = past(random_batch(30, layout=FULL, longest=6))
    mask = mask_of([2] * 29 + [4], 6)
    found = cut(histories.replace(mask=mask), Watchable())
    assert torch.equal(found.mask, mask[:, 2:])
    for name in ("ids", "scenario", "age"):
        assert torch.equal(getattr(found, name), getattr(histories, name)[:, 2:])
    full = histories.replace(mask=torch.ones(30, 6, dtype=torch.bool))
    assert cut(full, Watchable()) is full


def test_one_column_is_left_where_nobody_has_a_history():
    histories = past(random_batch(30, layout=FULL, longest=6))
    found = cut(histories.replace(mask=torch.zeros(30, 6, dtype=torch.bool)), Watchable())
    assert found.mask.shape == (30, 1)
    assert found.ids.shape == (30, 1, 2)
    assert not found.mask.any()


def test_who_watches_sees_the_width_that_was_fed():
    net = Watchable()
    short = past(random_batch(30, layout=FULL, longest=6)).replace(mask=mask_of([2] * 30, 6))
    handle = net.shown_tap.register_forward_hook(lambda module, given, values: None)
    assert cut(short, net) is short
    handle.remove()
    assert cut(short, net).mask.shape == (30, 2)


def test_a_batch_without_histories_is_refused():
    with pytest.raises(MsvizError, match="batch: it has no behaviours, which this model reads"):
        histories_of(random_batch(3, layout=LAYOUT))


def test_rows_are_ordered_by_the_length_of_their_histories():
    batch = with_past(random_batch(5, layout=FULL, longest=7), mask=mask_of(LENGTHS))
    assert by_length(batch).tolist() == [0, 3, 1, 2, 4]
    assert by_length(batch.replace(histories=None)) is None


def test_heads_apart_and_joined():
    values = torch.arange(2.0 * 3 * 6).view(2, 3, 6)
    apart = heads_apart(values, 3)
    assert apart.shape == (2, 3, 3, 2)
    assert apart[1, 2, 0].tolist() == [22.0, 23.0]
    assert torch.equal(heads_joined(apart), values)
