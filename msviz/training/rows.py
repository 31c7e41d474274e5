"""Which rows a training uses, and what is the scenario to it: the settings that choose data."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from msviz.data.regroup import regroup
from msviz.data.slices import rows
from msviz.dataset import Array, Dataset, Rows
from msviz.errors import MsvizError, invalid
from msviz.nets.base import InputSpec, net_class, require

if TYPE_CHECKING:
    from msviz.training.loop import Training


@dataclass(frozen=True)
class Used:
    """The data as a training knows them: scenarios, rows of its steps, rows that early stopping watches."""

    dataset: Dataset
    train: Rows
    valid: Rows
    words: tuple[str, ...] = ()  # what a reader should know of the choice


def sees(dataset: Dataset, training: "Training") -> Dataset:
    """Return the dataset with the scenarios of `scenario_fields`, itself where it has them or none are named.

    Raises MsvizError naming the setting.
    """
    names = [name.strip() for name in training.scenario_fields.split(",") if name.strip()]
    return dataset if not names or names == list(dataset.scenario_of) else regroup(dataset, names)


def fits(model: str, dataset: Dataset) -> None:
    """Raise MsvizError naming what a model needs and the dataset lacks, and where its scenarios are why."""
    try:
        require(model, InputSpec.of(dataset.schema))
    except MsvizError as lacking:
        if not dataset.scenario_of:
            raise
        try:
            require(model, InputSpec.of(dataset.logged.schema))
        except MsvizError:
            raise lacking from None
        wanted = f"not for {model}, which needs what the data has with its own scenarios only"
        if dataset.schema.sequences and "behaviour scenarios" in net_class(model).needs:
            wanted = f"not for {model}, which reads in which of the data's own scenarios past clicks happened"
        raise invalid("scenario_fields", ",".join(dataset.scenario_of), wanted) from lacking


def used(dataset: Dataset, training: "Training") -> Used:
    """Return the data as `scenario_fields`, `train_where` and `train_share` choose them.

    Names in `train_where` are as in a slice; 'scenario' is what the model knows as such. The share is drawn
    alike for every seed, and a smaller one is part of a larger. Where no row of valid is left (of days of
    training, say), all of them are watched. Raises MsvizError naming the setting that will not do.
    """
    dataset = sees(dataset, training)
    train, valid, words = dataset.split("train"), dataset.split("valid"), []
    if not train.rows:
        raise invalid("data", dataset.name, "its train split has no rows")
    if where := training.train_where.strip():
        whole = train.rows
        train, watched = (part.only(_holding(part, where)) for part in (train, valid))
        if not train.rows:
            raise invalid("train_where", where, f"it holds for none of the {whole:,} rows of train")
        words.append(f"only where {where}: {train.rows:,} of {whole:,} rows of train")
        if watched.rows:
            valid = watched
        elif valid.rows:
            words.append("that leaves no row of valid: early stopping watches all of them")
    if training.train_share < 1:
        whole = train.rows
        train = train.only(_drawn(whole, training.train_share))
        words.append(f"a share of {training.train_share:g}: {train.rows:,} of {whole:,} rows")
    return Used(dataset, train, valid, tuple(words))


def _holding(part: Rows, where: str) -> Array:
    try:
        return rows(part, where)
    except MsvizError as error:
        raise MsvizError(f"train_where: {error}") from error


def _drawn(count: int, share: float) -> Array:
    """Return round(share * count) of the positions 0..count-1, at least one, rising."""
    size = max(1, round(share * count))
    # The smallest of random keys: 8 bytes a row, and a share of 0.1 is part of a share of 0.2.
    keys = np.random.default_rng(0).random(count)
    return np.flatnonzero(keys <= np.partition(keys, size - 1)[size - 1])[:size]
