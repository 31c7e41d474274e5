"""What the nets' tests share: a batch of random rows and the maker of nets."""

from collections.abc import Callable

import pytest
from random_rows import make, random_batch

from msviz.batch import Batch
from msviz.nets.base import Net


@pytest.fixture
def batch() -> Batch:
    return random_batch(64)


@pytest.fixture
def net_of() -> Callable[..., Net]:
    return make
