"""HierRec (Gao 2024): layers whose weights the scenario makes, then layers whose weights the row makes."""

from collections.abc import Iterator
from itertools import pairwise

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import invalid
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.batchnorm import BatchNorm
from msviz.nets.hierarchical import fresh, implicit, oriented, split, with_one
from msviz.nets.layers import FusedEmbedding, Widths, drop, widths_of
from msviz.nets.scenario import group, radix
from msviz.nets.tap import Tap


class HierRecConfig(NetConfig):
    """HierRec's settings; the form is the paper's, sizes are those of its published code."""

    heads: int = Setting(4, ge=1, le=16, description="heads G: implicit layers side by side (1 is -MI)")
    explicit: bool = Setting(True, description="layer whose weights the scenario makes (off is -E)")
    implicit: bool = Setting(True, description="layers whose weights the row makes (off is -I)")
    width: int = Setting(16, ge=1, le=256, description="embedding width d")
    units: int = Setting(64, ge=1, le=512, description="units U of the shared FC and after every layer")
    bottleneck: int = Setting(16, ge=1, le=128, description="units n between a layer's two linear maps")
    condition: Widths = Setting(
        "64", description="hidden layers between scenario and explicit condition; empty for a linear map"
    )
    dropout: float = Setting(
        0.2, ge=0, le=0.9, description="share of the FC layers' units dropped, steps of 1/256"
    )
    initial_deviation: float = Setting(0.1, gt=0, le=10, description="standard deviation of first embeddings")
    unseen_rate: float = Setting(
        0.01, ge=0, le=0.5, description="share of training rows whose scenario is hidden"
    )
    generator_deviation: float = Setting(
        0.1,
        gt=0,
        le=10,
        description="largest standard deviation of what first makes weights of a scenario or row",
    )
    heads_rate: float = Setting(
        30.0, gt=0, le=1000, description="learning rate of the heads' field weights, times learning_rate"
    )

    @model_validator(mode="after")
    def _fits(self) -> "HierRecConfig":
        if not (self.explicit or self.implicit):
            raise ValueError("explicit and implicit cannot both be off: nothing would read the scenario")
        return self


class Fc(nn.Module):
    """One FC layer, Eq. 5: ReLU(dropout(batch norm(W h))); the norm's shift is its bias."""

    def __init__(self, inputs: int, units: int, dropout: float) -> None:
        """Draw the weights as a ReLU wants them."""
        super().__init__()
        self.linear = nn.Linear(inputs, units, bias=False)
        self.norm = BatchNorm(units)
        self.dropout = dropout

    def forward(self, values: Tensor, counts: Tensor | None = None) -> Tensor:
        """Return (R, units) of (R, inputs); `counts` (R,) says how many rows each stands for."""
        normed = self.norm(self.linear(values), counts)
        return drop(normed, self.dropout if self.training else 0.0).relu()


class HierRec(Net):
    """Shared FC, explicit layer, G implicit layers side by side, and one linear map to the logit.

    `common` are the I features (columns of Batch.fields) that the `field` axis of the weights runs over.
    """

    Config = HierRecConfig
    piece = None  # batch norm; what would not fit the cache is cut inside `hierarchical.implicit`
    needs = ("scenario",)
    config: HierRecConfig

    def __init__(self, config: HierRecConfig, layout: InputSpec) -> None:
        """Build the layers; raise MsvizError where a layout has no common field or no scenario field."""
        super().__init__(config, layout)
        sizes, chosen = layout.sizes, layout.scenario_columns
        self.common = tuple(column for column in range(len(sizes)) if column not in chosen)
        if not chosen or not self.common:
            raise invalid("hierrec fields", len(sizes), "it wants scenario fields and others beside them")
        self.factors = radix(layout)
        deviation, flat = config.initial_deviation, len(self.common) * config.width
        self.embedding = FusedEmbedding([sizes[column] for column in self.common], config.width, deviation)
        self.scenario = FusedEmbedding([sizes[column] for column in chosen], config.width, deviation)
        self.shared = Fc(flat, config.units, config.dropout)
        inputs = config.width * len(chosen)
        if config.explicit:
            self._build_explicit(inputs)
        if config.implicit:
            self._build_implicit(inputs)
        self.output = nn.Linear(config.units * (config.heads if config.implicit else 1), 1)

    def _build_explicit(self, inputs: int) -> None:
        config = self.config
        hidden = widths_of(config.condition)
        widths = [inputs, *hidden]
        self.condition = nn.ModuleList(Fc(a, b, config.dropout) for a, b in pairwise(widths))
        # Half of a normed unit's square passes the ReLU.
        energy = hidden[-1] / 2 if hidden else inputs * config.initial_deviation**2
        maps = fresh(config.units, config.bottleneck, widths[-1], energy, config.generator_deviation)
        self.explicit = nn.Parameter(torch.cat([part.flatten(0, 1) for part in maps]))
        self.explicit_tap = Tap("unit")

    def _build_implicit(self, inputs: int) -> None:
        config, fields = self.config, len(self.common)
        self.attend = nn.Linear(inputs, config.heads * fields)
        # Weights of about 1 / I each leave d / I of the embeddings' variance.
        energy = config.width * config.initial_deviation**2 / fields
        narrow, wide = fresh(
            config.units, config.bottleneck, fields * config.width, energy, config.generator_deviation
        )
        # As the products want them: (U + 1, n, K + 1), what the layer reads comes first.
        self.narrow = nn.Parameter(narrow.transpose(0, 1).contiguous())
        self.wide = nn.Parameter(wide)
        self.weights_tap = Tap("head", "field")
        self.implicit_tap = Tap("head", "unit")

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the layer that makes the heads' field weights with its factor."""
        if self.config.implicit:
            for parameter in self.attend.parameters():
                yield parameter, self.config.heads_rate

    def columns(self, tap: str) -> tuple[int, ...]:
        """Return the common features, which the weights run over."""
        return self.common

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,); in evaluation a row's answer does not depend on the rows beside it."""
        ids = batch.fields[:, list(self.layout.scenario_columns)]
        if self.training and self.config.unseen_rate:
            ids = ids * (torch.rand(len(batch), 1, device=ids.device) >= self.config.unseen_rate)
        groups = group((ids * torch.tensor(self.factors, device=ids.device)).sum(1), movable=False)
        common = self.embedding(batch.fields[:, list(self.common)])
        scenario = self.scenario(ids[groups.first]).flatten(1)
        values = self.shared(common.flatten(1))
        if self.config.explicit:
            values = self._explicit(values, scenario, groups.index)
        if self.config.implicit:
            return self._implicit(values, common, scenario, groups.index)
        logits: Tensor = self.output(values).squeeze(1)
        return logits

    def _explicit(self, values: Tensor, scenario: Tensor, index: Tensor) -> Tensor:
        """Return O_explicit (B, U) of O_global (B, U) and e_s (S, M d) of the batch's scenarios (Eq. 4-5)."""
        counts = torch.bincount(index, minlength=len(scenario))
        for layer in self.condition:
            scenario = layer(scenario, counts)
        condition = with_one(scenario) @ self.explicit.t()
        if self.explicit_tap.watched:
            # Whoever exchanges conditions may do so row by row, so each row then has its own.
            condition = self.explicit_tap(condition[index])
            index = torch.arange(len(values), device=index.device)
        return oriented(condition, values, self.config.bottleneck, index)

    def _implicit(self, values: Tensor, common: Tensor, scenario: Tensor, index: Tensor) -> Tensor:
        """Return the logits (B,) of O_explicit (B, U), common embeddings and e_s of scenarios (Eq. 6-9)."""
        weights = self.attend(scenario).unflatten(1, (self.config.heads, -1)).softmax(2)
        weights = self.weights_tap(weights.index_select(0, index))
        if self.implicit_tap.watched:
            return self._one_by_one(values, common, weights)
        # The wide maps and the output layer are linear maps in a row.
        output = self.output.weight.view(self.config.heads, -1)
        wide = torch.einsum("gi,ink->gnk", output, self.wide)
        return implicit(values, common, weights, self.narrow, wide) + self.output.bias

    def _one_by_one(self, values: Tensor, common: Tensor, weights: Tensor) -> Tensor:
        """Return the same with SC_implicit (B, G, C) made and shown."""
        u = with_one((weights[..., None] * common[:, None]).flatten(2))
        conditions = [
            torch.einsum("ink,bgk->bgni", self.narrow, u),
            torch.einsum("ink,bgk->bgin", self.wide, u),
        ]
        condition = self.implicit_tap(torch.cat([part.flatten(2) for part in conditions], dim=2))
        narrow, wide = split(condition, self.config.units, self.config.bottleneck)
        hidden = narrow @ with_one(values)[:, None, :, None]
        out = wide @ with_one(hidden.squeeze(3))[..., None]
        logits: Tensor = self.output(out.flatten(1)).squeeze(1)
        return logits


MODEL = HierRec
