"""A batch and its histories: what is moved, chosen and refused together."""

import pytest
import torch

from msviz.batch import Batch, Histories


def batch(rows: int = 3) -> Batch:
    whole = torch.arange(rows)
    histories = Histories(
        ids=torch.arange(rows * 4).view(rows, 2, 2),
        scenario=torch.arange(rows * 2).view(rows, 2),
        age=10 * torch.arange(rows * 2).view(rows, 2),
        mask=torch.tensor([[False, True]] * rows),
    )
    return Batch(
        whole[:, None], whole, whole.float(), whole, whole, histories, signals=whole[:, None].float()
    )


def test_chosen_rows_take_their_histories_along() -> None:
    some = batch().take(torch.tensor([2, 0]))
    assert some.row.tolist() == [2, 0] and some.signals is not None and some.signals.tolist() == [[2], [0]]
    assert some.histories is not None and len(some.histories) == 2
    assert some.histories.ids.tolist() == [[[8, 9], [10, 11]], [[0, 1], [2, 3]]]
    assert some.histories.scenario.tolist() == [[4, 5], [0, 1]]
    assert some.histories.age.tolist() == [[40, 50], [0, 10]]
    assert some.histories.mask.tolist() == [[False, True]] * 2
    last = batch().take(slice(2, 3)).histories
    assert last is not None and last.scenario.tolist() == [[4, 5]]


def test_some_behaviours_of_every_row() -> None:
    histories = batch().histories
    assert histories is not None
    latest = histories.columns(slice(-1, None))
    assert latest.ids.tolist() == [[[2, 3]], [[6, 7]], [[10, 11]]]
    assert latest.mask.tolist() == [[True]] * 3 and latest.age.tolist() == [[10], [30], [50]]


def test_a_batch_without_histories_stays_without() -> None:
    plain = batch().replace(histories=None, signals=None)
    assert plain.take(slice(0, 2)).histories is None and plain.to("meta").histories is None


def test_all_of_a_batch_moves_to_a_device() -> None:
    moved = batch().to("meta")
    assert moved.fields.device.type == moved.label.device.type == "meta"
    assert moved.histories is not None
    assert {part.device.type for part in vars(moved.histories).values()} == {"meta"}


def test_parts_that_speak_of_other_rows_are_refused() -> None:
    with pytest.raises(ValueError, match=r"Batch\.histories has 2 rows, fields have 3"):
        batch().replace(histories=batch(2).histories)
    histories = batch().histories
    assert histories is not None
    with pytest.raises(ValueError, match=r"Histories\.age is \(3, 1\), mask is \(3, 2\)"):
        histories.replace(age=histories.age[:, :1])
