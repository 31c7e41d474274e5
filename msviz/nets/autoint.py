"""AutoInt (Song 2019): self-attention between the fields, the same for every scenario."""

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.nets._attention import attend
from msviz.nets._base import Layout, Net, NetConfig
from msviz.nets._layers import FusedEmbedding, Mlp, Widths, product, rows_first, units_first
from msviz.nets._tap import Tap


class AutoIntConfig(NetConfig):
    """AutoInt's settings; the defaults are DeepCTR-Torch's, width 16."""

    layers: int = Setting(3, ge=1, le=8, description="interacting layers")
    heads: int = Setting(2, ge=1, le=16, description="attention heads of each layer")
    width: int = Setting(16, ge=1, le=512, description="embedding width, shared out among the heads")
    scale: bool = Setting(False, description="divide scores by the root of a head's width (not in the paper)")
    dropout: float = Setting(
        0.0, ge=0, le=0.9, description="share of attention weights and MLP units dropped, steps of 1/256"
    )
    hidden: Widths = Setting("256,128", description="widths of the MLP beside the attention; empty for none")
    linear: bool = Setting(True, description="add one weight per field value to the logit")

    @model_validator(mode="after")
    def _fits(self) -> "AutoIntConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among heads {self.heads}")
        return self


class InteractingLayer(nn.Module):
    """ReLU(attention over the fields + W_res h), paper's Eq. 5-9: (d, B, N) becomes (d, B, N)."""

    def __init__(self, config: AutoIntConfig) -> None:
        """Draw the d × d matrices of query, key, value and residual from N(0, 0.05²)."""
        super().__init__()
        self.config = config
        # One product for all four, one under another.
        self.project = nn.Parameter(torch.randn(4 * config.width, config.width) * 0.05)
        self.attention_tap = Tap("head", "query", "key")

    def forward(self, values: Tensor) -> Tensor:
        """Return the fields' next representations."""
        config = self.config
        query, key, value, residual = product(self.project, values).view(4, *values.shape).unbind()
        mixed = attend(
            query,
            key,
            value,
            heads=config.heads,
            scale=(config.width // config.heads) ** -0.5 if config.scale else 1.0,
            rate=config.dropout if self.training else 0.0,
            tap=self.attention_tap,
        )
        return torch.relu(mixed + residual)


class AutoInt(Net):
    """Interacting layers over the field embeddings, an MLP beside them, one linear map to the logit."""

    Config = AutoIntConfig
    config: AutoIntConfig

    def __init__(self, config: AutoIntConfig, layout: Layout) -> None:
        """Build the layers for the fields of a layout."""
        super().__init__(config, layout)
        self.embedding = FusedEmbedding(layout.sizes, config.width)
        self.blocks = nn.ModuleList(InteractingLayer(config) for _ in range(config.layers))
        flat = len(layout.sizes) * config.width
        self.mlp = Mlp(flat, config.hidden, config.dropout) if config.hidden else None
        self.output = nn.Linear(flat + (self.mlp.outputs if self.mlp else 0), 1)
        self.first_order = FusedEmbedding(layout.sizes, 1, 1e-4) if config.linear else None

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,)."""
        embedded = self.embedding(batch.fields)
        values = units_first(embedded)
        for block in self.blocks:
            values = block(values)
        parts = [rows_first(values)]
        if self.mlp is not None:
            parts.append(self.mlp(embedded.flatten(1)))
        logits: Tensor = self.output(torch.cat(parts, dim=1)).squeeze(1)
        if self.first_order is not None:
            logits = logits + self.first_order(batch.fields).sum(dim=(1, 2))
        return logits


MODEL = AutoInt
