"""Batch size and epochs that follow from the rows, where nobody sets them."""

import pytest

from msviz.training.loop import Training
from msviz.training.sizes import sized, told


@pytest.mark.parametrize(
    ("rows", "batch_size", "epochs"),
    [
        (1, 32, 20),  # one step an epoch: no batch is smaller
        (7_000, 32, 19),  # 219 steps; 19 epochs are 4,161
        (12_800, 64, 20),  # 200 steps of 64, but only 100 of 128
        (12_799, 32, 10),
        (152_629, 512, 14),
        (100_000_000, 4096, 5),
    ],
)
def test_numbers_follow_from_the_rows(rows, batch_size, epochs):
    taken = sized(Training(), rows)
    assert (taken.batch_size, taken.epochs) == (batch_size, epochs)


def test_what_is_set_stays_and_what_follows_is_told():
    asked = Training(batch_size=1024)
    taken = sized(asked, 152_629)
    assert taken.batch_size == 1024 and taken.epochs == 20  # 150 steps an epoch
    assert list(told(asked, taken, 152_629)) == [
        "taken for 152,629 training rows: at most 20 epochs (epochs)"
    ]
    both = Training(batch_size=1024, epochs=3)
    assert sized(both, 152_629) == both and not list(told(both, both, 152_629))


def test_auto_is_how_people_say_so():
    assert Training(epochs="auto", batch_size="auto") == Training()
