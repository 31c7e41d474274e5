"""AutoInt (Song 2019): self-attention between the fields, the same for every scenario."""

from collections.abc import Iterator
from typing import Any

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from msviz.batch import Batch
from msviz.nets.attention import Mixed, attend, gradients, is_fast, mix
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.layers import FusedEmbedding, Mlp, Widths, product, rows_first, units_first
from msviz.nets.tap import Tap


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
    initial_deviation: float = Setting(
        0.3,
        gt=0,
        le=10,
        description="standard deviation of first embeddings; small ones look all alike to attention",
    )
    attention_deviation: float = Setting(
        0.05, gt=0, le=10, description="standard deviation of the interacting layers' first matrices"
    )
    attention_rate: float = Setting(
        1.0, gt=0, le=1000, description="learning rate of the interacting layers, times learning_rate"
    )

    @model_validator(mode="after")
    def _fits(self) -> "AutoIntConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among heads {self.heads}")
        return self


class InteractingLayer(nn.Module):
    """ReLU(attention over the fields + W_res h), paper's Eq. 5-9: (d, B, N) becomes (d, B, N)."""

    def __init__(self, config: AutoIntConfig) -> None:
        """Draw the d × d matrices of query, key, value and residual from N(0, attention_deviation²)."""
        super().__init__()
        self.config = config
        # One product for all four, one under another.
        self.project = nn.Parameter(torch.randn(4 * config.width, config.width) * config.attention_deviation)
        self.attention_tap = Tap("head", "query", "key")

    def forward(self, values: Tensor) -> Tensor:
        """Return the fields' next representations."""
        config, tap = self.config, self.attention_tap
        scale = (config.width // config.heads) ** -0.5 if config.scale else 1.0
        rate = config.dropout if self.training else 0.0
        if is_fast(values, tap):
            out: Tensor = _Layer.apply(  # type: ignore[no-untyped-call]
                values, self.project, config.heads, scale, rate, tap
            )
            return out
        query, key, value, residual = product(self.project, values).view(4, *values.shape).unbind()
        mixed = attend(query, key, value, heads=config.heads, scale=scale, rate=rate, tap=tap)
        return torch.relu(mixed + residual)


class _Layer(torch.autograd.Function):
    """The same on a CPU in one piece, so that gradients are written once and where they are needed."""

    @staticmethod
    def forward(
        ctx: Any, values: Tensor, project: Tensor, heads: int, scale: float, rate: float, tap: Tap
    ) -> Tensor:
        projected = product(project, values).view(4, heads, len(values) // heads, *values.shape[1:])
        mixed = mix(projected[0], projected[1], projected[2], scale, rate, tap)
        out = (mixed.values + projected[3]).clamp_min_(0).view_as(values)
        ctx.save_for_backward(values, project, projected, out, *mixed.tensors())
        ctx.settings = scale, rate
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        values, project, projected, out, *saved = ctx.saved_tensors
        query, key, value, _ = projected.unbind()
        of_projected = torch.empty_like(projected)
        torch.ops.aten.threshold_backward.grad_input(
            gradient, out, 0.0, grad_input=of_projected[3].view_as(out)
        )
        gradients(of_projected[3], Mixed(*saved), query, key, value, of_projected[:3], *ctx.settings)
        flat = of_projected.view(len(project), -1)
        of_values = torch.mm(project.t(), flat).view_as(values)
        return of_values, torch.mm(flat, values.flatten(1).t()), None, None, None, None


class AutoInt(Net):
    """Interacting layers over the field embeddings, an MLP beside them, one linear map to the logit."""

    Config = AutoIntConfig
    piece = 1024  # its rows are narrow
    config: AutoIntConfig

    def __init__(self, config: AutoIntConfig, layout: InputSpec) -> None:
        """Build the layers for the fields of a layout."""
        super().__init__(config, layout)
        self.embedding = FusedEmbedding(layout.sizes, config.width, config.initial_deviation)
        self.blocks = nn.ModuleList(InteractingLayer(config) for _ in range(config.layers))
        flat = len(layout.sizes) * config.width
        self.mlp = Mlp(flat, config.hidden, config.dropout) if config.hidden else None
        self.output = nn.Linear(flat + (self.mlp.outputs if self.mlp else 0), 1)
        self.first_order = FusedEmbedding(layout.sizes, 1, 1e-4) if config.linear else None

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the interacting layers' matrices with their factor."""
        for parameter in self.blocks.parameters():
            yield parameter, self.config.attention_rate

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
