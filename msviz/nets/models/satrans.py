"""SATrans (Min 2023): self-attention between the fields, adapted to the scenario."""

from collections.abc import Iterator
from typing import Literal

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import invalid
from msviz.nets.attention import attend
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.layers import FieldNorm, FusedEmbedding, drop, product, rows_first, units_first
from msviz.nets.scenario import ScenarioEncoder, ScenarioGroups, alone, group, grouped_product, radix
from msviz.nets.tap import Tap, watched


class SATransConfig(NetConfig):
    """SATrans' settings; the defaults are what the paper found best."""

    encoder: Literal["ie", "en", "enp"] = Setting(
        "enp", description="scenario vector: own row a combination (ie), network (en), network with position"
    )
    attention: Literal["none", "gate", "bilinear", "meta"] = Setting(
        "meta", description="how the scenario acts on the attention scores"
    )
    meta_on: Literal["q", "k", "v", "qk", "qv", "kv", "qkv"] = Setting(
        "qk", description="which of queries, keys and values the MetaNet transforms"
    )
    layers: int = Setting(3, ge=1, le=8, description="interacting layers L")
    depth: int = Setting(2, ge=1, le=4, description="layers P of the MetaNet")
    width: int = Setting(32, ge=1, le=256, description="embedding width d, shared out among the heads")
    scenario_width: int = Setting(
        32, ge=1, le=256, description="width d_s of the scenario fields' embeddings"
    )
    heads: int = Setting(4, ge=1, le=16, description="attention heads H of each layer")
    scale: bool = Setting(False, description="divide scores by the root of a head's width (not in the paper)")
    dropout: float = Setting(
        0.1, ge=0, le=0.9, description="share of attention weights and layer outputs dropped, steps of 1/256"
    )
    # LayerNorm makes the layers blind to the embeddings' size, so small ones turn fast.
    initial_deviation: float = Setting(
        0.1,
        gt=0,
        le=10,
        description="standard deviation of first embeddings; small ones learn rare ids by heart",
    )
    unseen_rate: float = Setting(
        0.01, ge=0, le=0.5, description="share of training rows whose scenario is hidden from the encoder"
    )
    scenario_rate: float = Setting(
        1.0, gt=0, le=1000, description="learning rate of what makes scenario vectors, times learning_rate"
    )

    @model_validator(mode="after")
    def _fits(self) -> "SATransConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among heads {self.heads}")
        return self

    @property
    def meta_places(self) -> str:
        """Return the places in each layer that take a scenario vector of their own."""
        return {"none": "", "gate": "qk", "bilinear": "q", "meta": self.meta_on}[self.attention]

    @property
    def units(self) -> int:
        """Return how many numbers a scenario vector holds: gate d, bilinear H·d'², meta P·d²."""
        square = self.width**2
        return {"none": 0, "gate": self.width, "bilinear": square // self.heads, "meta": self.depth * square}[
            self.attention
        ]

    @property
    def matrices(self) -> tuple[int, int, int] | None:
        """Return how many matrices of which size a scenario vector holds, None where it holds none."""
        inner = self.width // self.heads
        kinds = {"bilinear": (self.heads, inner, inner), "meta": (self.depth, self.width, self.width)}
        return kinds.get(self.attention)


class SaLayer(nn.Module):
    """One scenario-adaptive interacting layer (Eq. 3-13): (d, B, N) becomes (d, B, N)."""

    def __init__(self, config: SATransConfig) -> None:
        """Draw the d × d matrices; every place of the MetaNet has a LayerNorm of its own."""
        super().__init__()
        self.config = config
        bound = config.width**-0.5
        # W_Q, W_K and W_V one under another.
        self.project = nn.Parameter(torch.empty(3 * config.width, config.width).uniform_(-bound, bound))
        self.aggregate = nn.Parameter(torch.empty(config.width, config.width).uniform_(-bound, bound))
        self.norm = FieldNorm(config.width)
        places = config.meta_places if config.attention == "meta" else ""
        self.meta_norms = nn.ModuleDict({letter: FieldNorm(config.width) for letter in places})
        self.attention_tap = Tap("head", "query", "key")

    def forward(self, values: Tensor, vectors: dict[str, Tensor], groups: ScenarioGroups | None) -> Tensor:
        """Return the fields' next representations; `vectors` holds s (G, units) of each place."""
        config = self.config
        rate = config.dropout if self.training else 0.0
        split = product(self.project, values).view(3, *values.shape).unbind()
        projected = dict(zip("qkv", split, strict=True))
        for letter, vector in vectors.items():
            assert groups is not None
            projected[letter] = self._adapt(letter, projected[letter], vector, groups)
        mixed = attend(
            projected["q"],
            projected["k"],
            projected["v"],
            heads=config.heads,
            scale=(config.width // config.heads) ** -0.5 if config.scale else 1.0,
            rate=rate,
            tap=self.attention_tap,
        )
        normed: Tensor = self.norm(drop(product(self.aggregate, mixed), rate) + values)
        return normed

    def _adapt(self, letter: str, values: Tensor, vector: Tensor, groups: ScenarioGroups) -> Tensor:
        """Let the scenario act on the projected vectors (d, B, N) of one place."""
        config = self.config
        if config.attention == "gate":
            return values * vector.sigmoid().index_select(0, groups.index).t()[:, :, None]
        if config.attention == "bilinear":
            # (W_Q h_i)ᵀ S (W_K h_j) is the inner product of Sᵀ W_Q h_i and W_K h_j, head by head.
            inner = config.width // config.heads
            matrices = vector.view(-1, config.heads, inner, inner).transpose(2, 3).unbind(1)
            parts = zip(matrices, values.chunk(config.heads), strict=True)
            return torch.cat([grouped_product(matrix, part, groups) for matrix, part in parts])
        # W_P acts first, W_1 last (Eq. 10).
        for level, matrix in reversed(list(enumerate(vector.chunk(config.depth, dim=1)))):
            values = grouped_product(matrix.view(-1, config.width, config.width), values, groups)
            values = values.relu() if level else values
        normed: Tensor = self.meta_norms[letter](values)
        return normed


class SATrans(Net):
    """Scenario-adaptive interacting layers over the field embeddings and one linear map to the logit."""

    Config = SATransConfig
    config: SATransConfig

    def __init__(self, config: SATransConfig, layout: InputSpec) -> None:
        """Build the layers for the fields of a layout; raise MsvizError where it has no scenario field."""
        super().__init__(config, layout)
        self.embedding = FusedEmbedding(layout.sizes, config.width, config.initial_deviation)
        self.blocks = nn.ModuleList(SaLayer(config) for _ in range(config.layers))
        self.output = nn.Linear(len(layout.sizes) * config.width, 1)
        self.places = [(layer, letter) for layer in range(config.layers) for letter in config.meta_places]
        self.encoder: ScenarioEncoder | None = None
        if config.attention == "none":
            return
        if not layout.scenario_columns:
            raise invalid("satrans attention", config.attention, "the schema has no scenario field; use none")
        self.scenario_tap = Tap("level", "unit", matrices=config.matrices)
        deviation = {"gate": 1.0, "bilinear": (config.width // config.heads) ** -0.5}.get(
            config.attention, (2 / config.width) ** 0.5
        )
        self.encoder = ScenarioEncoder(
            config.encoder, layout, config.scenario_width, config.units, len(self.places), deviation
        )
        self.factors = radix(layout)

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the scenario encoder's weights with their factor."""
        if self.encoder is not None:
            for parameter in self.encoder.parameters():
                yield parameter, self.config.scenario_rate

    def order(self, batch: Batch) -> Tensor | None:
        """Return the rows' order (B,) that puts rows of one scenario next to one another."""
        if self.encoder is None:
            return None
        return torch.argsort(self._key(batch.scenario, self._scenario_ids(batch)), stable=True)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,); a row's answer does not depend on the rows beside it."""
        vectors, groups = self._encode(batch)
        values = units_first(self.embedding(batch.fields if groups is None else groups.sort(batch.fields)))
        for block, of_layer in zip(self.blocks, vectors, strict=True):
            values = block(values, of_layer, groups)
        logits: Tensor = self.output(rows_first(values)).squeeze(1)
        return logits if groups is None else groups.unsort(logits)

    def _encode(self, batch: Batch) -> tuple[list[dict[str, Tensor]], ScenarioGroups | None]:
        """Return each layer's scenario vectors (G, units) by place, and the groups that share them."""
        vectors: list[dict[str, Tensor]] = [{} for _ in self.blocks]
        if self.encoder is None:
            return vectors, None
        scenario, ids = batch.scenario, self._scenario_ids(batch)
        if self.training and self.config.unseen_rate:
            keep = torch.rand(len(batch), device=ids.device) >= self.config.unseen_rate
            scenario, ids = scenario * keep, ids * keep[:, None]
        # Whoever watches the vectors sees one for each row, so each row is then a group of its own.
        shown_alone = self.scenario_tap.watched
        # Whoever watches attention sees rows in the batch's order, so they are not moved.
        movable = not watched(self)
        groups = alone(len(batch), ids.device) if shown_alone else group(self._key(scenario, ids), movable)
        base, position = self.encoder(scenario[groups.first], ids[groups.first])
        if shown_alone:
            by_position = base[:, None] if position is None else base[:, None] + position
            levels = list(self.scenario_tap(by_position).unbind(1))
        else:
            levels = [base] if position is None else [base + part for part in position.unbind()]
        for index, (layer, letter) in enumerate(self.places):
            vectors[layer][letter] = levels[index % len(levels)]
        return vectors, groups

    def _scenario_ids(self, batch: Batch) -> Tensor:
        return batch.fields[:, list(self.layout.scenario_columns)]

    def _key(self, scenario: Tensor, ids: Tensor) -> Tensor:
        """Return one integer (B,) for everything that the encoder reads of a row."""
        if self.config.encoder == "ie":
            return scenario
        return (ids * torch.tensor(self.factors, device=ids.device)).sum(1)


MODEL = SATrans
