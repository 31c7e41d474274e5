"""The net as a training starts from it: weights drawn from the seed, answers at the rows' click rates."""

from typing import Any

import numpy as np
import torch

from msviz.dataset import Array, Dataset, Rows
from msviz.nets.base import Net, build
from msviz.run import Run
from msviz.schema import Schema

PSEUDO = 20  # rows with the overall click rate that every scenario is given beside its own


def fresh_net(model: str, config: dict[str, Any], schema: Schema, seed: int, train: Rows) -> Net:
    """Return the untrained net whose answers start at the click rates of the training rows.

    Raises MsvizError for a setting that will not do and for a schema that lacks what the model needs.
    """
    net = build(model, config, schema, seed)
    net.start_at(torch.from_numpy(log_odds(train)))
    return net


def untrained_net(run: Run, dataset: Dataset, device: str | torch.device = "cpu") -> Net:
    """Return a run's net as its training started it, in evaluation mode; its seed draws the same weights.

    `dataset` is the data that it was trained on, with the scenarios that the run knows.
    """
    from msviz.training.loop import parse_training
    from msviz.training.rows import used

    card = run.card
    rows = used(dataset, parse_training(card.training))
    return fresh_net(card.model, card.config, run.schema, card.seed, rows.train).to(device).eval()


def log_odds(part: Rows) -> Array:
    """Return the log odds (S + 1,) of a click: of all rows at 0, then in each scenario 1..S.

    Half a click and half a row without one are added to all rows, PSEUDO rows of the overall rate to each
    scenario's: a scenario of few rows, or without a click, starts near the overall rate.
    """
    label, scenario = np.asarray(part.label, np.float64), np.asarray(part.scenario)
    overall = (label.sum() + 0.5) / (len(label) + 1)
    rows = np.bincount(scenario, minlength=len(part.schema.scenarios) + 1)
    clicks = np.bincount(scenario, label, minlength=len(rows))
    rate = (clicks + PSEUDO * overall) / (rows + PSEUDO)
    rate[0] = overall
    odds: Array = np.log(rate / (1 - rate)).astype(np.float32)
    return odds
