"""What every net is built from and how it is reached: config, layout, forward, loss."""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from msviz import registry
from msviz.batch import Batch
from msviz.errors import MsvizError, one_of, refuse
from msviz.schema import Schema, first_problem


class NetConfig(BaseModel):
    """Flat and typed; every field has a range, a sentence and the paper's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Layout:
    """What a net needs to know of the data: sizes, and where the scenario stands."""

    sizes: tuple[int, ...]  # vocabulary size of each of the N features
    scenario_columns: tuple[int, ...]  # the M features that make the scenario
    scenarios: int  # S known scenarios; ids run from 0 (unseen) to S

    @classmethod
    def of(cls, schema: Schema) -> "Layout":
        """Read the layout off a schema."""
        return cls(tuple(schema.sizes), tuple(schema.scenario_columns), len(schema.scenarios))


class Net(nn.Module):
    """A click-through-rate model: rows in, logits out. It knows no device, optimiser, path or log."""

    Config: ClassVar[type[NetConfig]] = NetConfig
    # Rows that a training step may take at a time on a CPU; gradients of the pieces add up to the
    # batch's. None where statistics of the whole batch matter (batch norm).
    piece: ClassVar[int | None] = 512

    def __init__(self, config: NetConfig, layout: Layout) -> None:
        """Keep config and layout; subclasses add their layers."""
        super().__init__()
        self.config = config
        self.layout = layout

    def order(self, batch: Batch) -> Tensor | None:
        """Return an order of the rows (B,) in which pieces of them are cheapest; None if it is all one."""
        return None

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,) of a click."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss summed over the batch's rows (cross-entropy; a net may add its own terms)."""
        return nn.functional.binary_cross_entropy_with_logits(self(batch), batch.label, reduction="sum")


def net_class(model: str) -> type[Net]:
    """Return the net class of a model's file (its `MODEL`); raise MsvizError naming the choices."""
    if model not in registry.names("nets"):
        raise refuse("model", model, one_of(registry.names("nets")))
    found: type[Net] = registry.load("nets", model).MODEL
    return found


def parse_config(model: str, values: dict[str, Any]) -> NetConfig:
    """Return a model's typed config; raise MsvizError for an unknown key or a value out of range."""
    kind = net_class(model).Config
    for key in values:
        if key not in kind.model_fields:
            raise refuse(f"{model} setting", key, one_of(kind.model_fields))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"{model}: {first_problem(error)}") from error


def build(model: str, values: dict[str, Any], schema: Schema, seed: int = 0) -> Net:
    """Return a freshly initialised net for a schema; the same seed gives the same weights."""
    config = parse_config(model, values)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net_class(model)(config, Layout.of(schema))
