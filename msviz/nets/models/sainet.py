"""SAINet (Huang 2024): histories read with the scenarios they happened in, tailored to the row's own."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch, Histories
from msviz.nets.base import InputSpec, Need, Net, NetConfig
from msviz.nets.behaviours import by_length, cut, histories_of, masked_softmax, self_attend
from msviz.nets.layers import FusedEmbedding, Widths, drop, widths_of
from msviz.nets.tap import Tap

TOWER_DEVIATION = 0.05  # "a Gaussian distribution (μ = 0 and σ = 0.05)" (section 5.1)


class SAINetConfig(NetConfig):
    """SAINet's settings; the defaults are what the paper found best, where it says."""

    blocks: int = Setting(2, ge=1, le=8, description="scenario-adaptive blocks L")
    heads: int = Setting(4, ge=1, le=16, description="attention heads h of each block")
    gamma: float = Setting(2.0, gt=0, le=10, description="largest factor γ of a tailoring gate")
    width: int = Setting(
        16,
        ge=1,
        le=256,
        description="embedding width of a field; a behaviour is as wide as its fields together",
    )
    extract: bool = Setting(True, description="self-attention with the behaviours' scenarios (SIE)")
    tailor: bool = Setting(True, description="gates that tailor behaviours to the row's scenario (STM)")
    fusion: bool = Setting(
        True, description="attention of item and scenario over behaviours (TIF), else mean"
    )
    tower: bool = Setting(True, description="tower whose units the scenario scales (SDT), else a plain one")
    hidden: Widths = Setting("512,256,128,64", description="widths of the tower's layers")
    history: int = Setting(50, ge=1, le=1000, description="latest behaviours that are read")
    dropout: float = Setting(
        0.0, ge=0, le=0.9, description="share of attention weights and tower units dropped, steps of 1/256"
    )
    initial_deviation: float = Setting(
        0.05, gt=0, le=10, description="standard deviation of first embeddings, of fields and of scenarios"
    )
    unseen_rate: float = Setting(
        0.01, ge=0, le=0.5, description="share of scenarios hidden in training: of rows and of behaviours"
    )
    attention_rate: float = Setting(
        1.0, gt=0, le=1000, description="learning rate of attention and gates, times learning_rate"
    )

    @model_validator(mode="after")
    def _fits(self) -> "SAINetConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among heads {self.heads}")
        if not self.hidden:
            raise ValueError("hidden: wanted one layer at least, such as 512,256,128,64")
        return self


@dataclass(frozen=True)
class Scenarios:
    """The distinct scenarios of rows or of behaviours, so that each is projected once."""

    embedded: Tensor  # (G, d)
    place: Tensor  # rows' (B,) or behaviours' (B, T): which of the G

    def spread(self, of_scenario: Tensor) -> Tensor:
        """Return every place's own row of `of_scenario` (G, ·)."""
        # Its gradient is summed three times as fast as that of `embedding`.
        return of_scenario.index_select(0, self.place.flatten()).view(*self.place.shape, -1)

    def added(self, of_scenario: Tensor, values: Tensor, matrix: Tensor) -> Tensor:
        """Return W x of every vector of `values` (·, k), and `spread` of `of_scenario` added to it."""
        sums = of_scenario.index_select(0, self.place.flatten())
        if sums.dtype == values.dtype == matrix.dtype:
            sums.addmm_(values.flatten(0, -2), matrix.t())
        else:
            sums = torch.addmm(sums, values.flatten(0, -2), matrix.t())  # mixed precision sees to the formats
        return sums.view(*self.place.shape, -1)


class Block(nn.Module):
    """One scenario-adaptive block (Eq. 2-5): behaviours (B, T, d) become (B, T, d)."""

    def __init__(self, config: SAINetConfig, width: int) -> None:
        """Draw d × d matrices that keep a vector's size."""
        super().__init__()
        self.config = config
        self.project = self.scenario = self.aggregate = self.gate = None
        if config.extract:
            inner = width // config.heads
            # W_Q, W_K and W_V one under another, each of all heads; W_S of Q, K and V, which heads share.
            self.project = nn.Parameter(_drawn(3 * width, width))
            self.scenario = nn.Parameter(_drawn(3 * inner, width))
            self.aggregate = nn.Parameter(_drawn(width, width))
            self.self_attention_tap = Tap("head", "behaviour", "behaviour")
        if config.tailor:
            self.gate = nn.Parameter(_drawn(width, width))
            self.gate_of_scenario = nn.Linear(width, width)
            self.tailoring_tap = Tap("behaviour", "unit")

    def forward(self, values: Tensor, mask: Tensor, behaviour: "Scenarios", target: "Scenarios") -> Tensor:
        """Return the next representations of the behaviours; padded ones hold numbers that mean nothing."""
        mixed = values if self.project is None else self._extract(values, mask, behaviour)
        # x̂ = W_O mixed and its part of the gate W_G x̂ in one product.
        matrices: list[Tensor] = [] if self.aggregate is None else [self.aggregate]
        if self.gate is not None:
            matrices.append(self.gate if self.aggregate is None else self.gate @ self.aggregate)
        mapped = nn.functional.linear(mixed, torch.cat(matrices)) if matrices else mixed
        if self.gate is None:
            return mapped
        extracted, opened = (values, mapped) if self.aggregate is None else mapped.chunk(2, dim=2)
        opened = opened + target.spread(self.gate_of_scenario(target.embedded))[:, None]
        factors = self.config.gamma * opened.sigmoid()
        if self.tailoring_tap.watched:
            factors = self.tailoring_tap(factors * mask[:, :, None])
        return extracted * factors

    def _extract(self, values: Tensor, mask: Tensor, behaviour: "Scenarios") -> Tensor:
        """Return the heads' mixed values (B, T, d), before W_O (Eq. 2-3)."""
        assert self.project is not None
        assert self.scenario is not None
        heads = self.config.heads
        of_scenario = nn.functional.linear(behaviour.embedded, self.scenario)
        of_heads = of_scenario.view(len(of_scenario), 3, 1, -1).expand(-1, -1, heads, -1).flatten(1)
        packed = behaviour.added(of_heads, values, self.project)
        inner = values.shape[2] // heads
        rate = self.config.dropout if self.training else 0.0
        return self_attend(
            packed, mask, heads=heads, scale=inner**-0.5, tap=self.self_attention_tap, rate=rate
        )


class Fusion(nn.Module):
    """Target-aware interest fusion (Eq. 7-8): behaviours (B, T, d) become V_t (B, d)."""

    def __init__(self, width: int) -> None:
        """Draw W_Q, its part for the item and its part for the scenario, W_K and W_V."""
        super().__init__()
        self.query = nn.Parameter(_drawn(width, width))
        self.query_of_scenario = nn.Parameter(_drawn(width, width))
        self.key = nn.Parameter(_drawn(width, width))
        self.value = nn.Parameter(_drawn(width, width))
        self.fusion_tap = Tap("behaviour")

    def forward(self, values: Tensor, mask: Tensor, item: Tensor, target: "Scenarios") -> Tensor:
        """Return Σ μ_j W_V x_j, 0 for a row without behaviours; `item` is e_it (B, d)."""
        linear = nn.functional.linear
        query = linear(item, self.query) + target.spread(linear(target.embedded, self.query_of_scenario))
        # W_Q z · W_K x = (W_Kᵀ W_Q z) · x, and Σ μ W_V x = W_V Σ μ x: rows are fewer than behaviours.
        scores = torch.bmm(values, (query @ self.key)[:, :, None]).squeeze(2)
        weights = self.fusion_tap(masked_softmax(scores, mask))
        interest: Tensor = linear(torch.bmm(weights[:, None], values).squeeze(1), self.value)
        return interest


class Tower(nn.Module):
    """The scenario-aware tower (Eq. 9-11): (B, inputs) becomes logits (B,)."""

    def __init__(self, config: SAINetConfig, inputs: int, scenario_width: int) -> None:
        """Draw weights from N(0, 0.05²), as the paper does; biases are 0."""
        super().__init__()
        self.config = config
        widths = [inputs, *widths_of(config.hidden)]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))
        self.output = nn.Linear(widths[-1], 1)
        # The map from [H ; e] back to H's width, the part of H and the part of e with its bias.
        scaled = widths[:-1] if config.tower else []
        self.scales = nn.ParameterList(torch.empty(width, width) for width in scaled)
        self.scales_of_scenario = nn.ModuleList(nn.Linear(scenario_width, width) for width in scaled)
        self.taps = [f"scale_{number + 1}_tap" for number in range(len(scaled))]
        for name in self.taps:
            self.add_module(name, Tap("unit"))
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=TOWER_DEVIATION if parameter.dim() > 1 else 0.0)

    def forward(self, values: Tensor, target: "Scenarios") -> Tensor:
        """Return the logits; before each layer the units are scaled by σ of a map of [H ; e_target]."""
        for number, layer in enumerate(self.layers):
            if self.config.tower:
                of_scenario = self.scales_of_scenario[number](target.embedded)
                scale = target.added(of_scenario, values, self.scales[number]).sigmoid()
                values = values * self.get_submodule(self.taps[number])(scale)
            values = drop(layer(values).relu(), self.config.dropout if self.training else 0.0)
        logits: Tensor = self.output(values).squeeze(1)
        return logits


class SAINet(Net):
    """Scenario-adaptive blocks over the history, fused for the item, and a tower that the scenario scales.

    A behaviour is its item and the item's sides, side by side; the target item likewise. Scenarios have one
    table of their own, for the rows' and the behaviours' alike; its row 0 serves unseen ones.
    """

    Config = SAINetConfig
    config: SAINetConfig
    piece = 256
    needs: ClassVar[tuple[Need, ...]] = ("scenario", "item", "behaviours", "behaviour scenarios")

    def __init__(self, config: SAINetConfig, layout: InputSpec) -> None:
        """Build the blocks for the fields that a layout's behaviours hold."""
        super().__init__(config, layout)
        width = config.width * len(layout.behaviours)
        self.embedding = FusedEmbedding(layout.sizes, config.width, config.initial_deviation)
        self.scenarios: nn.Embedding | None = None
        if config.extract or config.tailor or config.fusion or config.tower:
            self.scenarios = nn.Embedding(layout.scenarios + 1, width, sparse=True)
            nn.init.normal_(self.scenarios.weight, std=config.initial_deviation)
        self.blocks = nn.ModuleList(Block(config, width) for _ in range(config.blocks))
        self.fusion = Fusion(width) if config.fusion else None
        self.tower = Tower(config, width + len(layout.sizes) * config.width, width)

    def start_at(self, odds: Tensor) -> None:
        """Set the tower's last bias to the log odds of all rows, the first of (S + 1,)."""
        nn.init.constant_(self.tower.output.bias, float(odds[0]))

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the weights of the scenario-adaptive blocks and of the fusion with their factor."""
        for module in (self.blocks, self.fusion):
            if module is not None:
                for parameter in module.parameters():
                    yield parameter, self.config.attention_rate

    def order(self, batch: Batch) -> Tensor | None:
        """Return the rows' order (B,) that puts histories of like length next to one another."""
        return by_length(batch)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,); raise MsvizError for a batch without behaviours."""
        histories = cut(self._latest(histories_of(batch)), self)
        mask = histories.mask
        columns = list(self.layout.behaviours)
        fields = self.embedding(batch.fields)
        ids = histories.ids + self.embedding.offsets[columns]
        values = nn.functional.embedding(ids, self.embedding.weight, sparse=True).flatten(2)
        target, behaviour = self._look_up(batch.scenario), self._look_up(histories.scenario)
        for block in self.blocks:
            values = block(values, mask, behaviour, target)
        if self.fusion is None:
            count = mask.sum(1, keepdim=True).clamp(min=1)
            interest = (values * mask[:, :, None]).sum(1) / count
        else:
            interest = self.fusion(values, mask, fields[:, columns].flatten(1), target)
        logits: Tensor = self.tower(torch.cat([interest, fields.flatten(1)], dim=1), target)
        return logits

    def _latest(self, histories: Histories) -> Histories:
        """Return the histories with all but the latest behaviours masked."""
        if histories.mask.shape[1] <= self.config.history:
            return histories
        mask = histories.mask.clone()
        mask[:, : -self.config.history] = False
        return histories.replace(mask=mask)

    def _look_up(self, ids: Tensor) -> Scenarios:
        """Return the distinct scenarios among `ids`, of which training hides some."""
        if self.scenarios is None:
            return Scenarios(torch.empty(0), ids)
        if self.training and self.config.unseen_rate:
            ids = ids * (torch.rand(ids.shape, device=ids.device) >= self.config.unseen_rate)
        # Marking the ids that occur is several times as fast as sorting them.
        used = torch.zeros(len(self.scenarios.weight), dtype=torch.bool, device=ids.device)
        distinct = used.index_fill_(0, ids.flatten(), True).nonzero().squeeze(1)
        index = (used.cumsum(0) - 1).index_select(0, ids.flatten()).view_as(ids)
        return Scenarios(self.scenarios(distinct), index)


def _drawn(outputs: int, inputs: int) -> Tensor:
    """Return a matrix from N(0, 1 / inputs)."""
    return torch.randn(outputs, inputs) / math.sqrt(inputs)


MODEL = SAINet
