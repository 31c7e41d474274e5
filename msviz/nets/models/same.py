"""SAME (Pan 2022): experts with attention over behaviours, mixed by what the day's signals say."""

from collections.abc import Iterator

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import MsvizError
from msviz.nets.base import InputSpec, Net, NetConfig
from msviz.nets.behaviours import by_length, cut, histories_of
from msviz.nets.experts import Spau, StackedMlp
from msviz.nets.layers import FusedEmbedding, Mlp, Widths
from msviz.nets.tap import Tap

GROUPS = (("user",), ("item",), ("cross",), ("context", "scenario"))


class SameConfig(NetConfig):
    """SAME's settings; the defaults are the paper's where it tells them."""

    experts: int = Setting(
        2, ge=1, le=5, description="experts N; 1 is SAME-OSE: no gate, signals are binned features"
    )
    norm: bool = Setting(True, description="LayerNorm on queries and keys (LN-QK); off is SAME-OSE-NoLN")
    heads: int = Setting(8, ge=1, le=16, description="heads of each of the three attentions")
    width: int = Setting(128, ge=1, le=512, description="width of each attention, shared out among the heads")
    item_width: int = Setting(
        32, ge=1, le=256, description="embedding width of the fields that behaviours hold: item, category, …"
    )
    other_width: int = Setting(8, ge=1, le=256, description="embedding width of every other field")
    main_net: Widths = Setting("256,128,64", description="widths of the Main Net's layers")
    bias_net: Widths = Setting("128,64,32", description="widths of the Bias Net's layers")
    gate_net: Widths = Setting("64,32,16", description="widths of the layers that make p of the signals")
    gate_units: int = Setting(
        32, ge=1, le=512, description="hidden units of f, which rates an expert's output given p"
    )
    prediction: Widths = Setting("64", description="widths of the last MLP's hidden layers; empty for none")
    dropout: float = Setting(
        0.0, ge=0, le=0.9, description="share of the MLPs' units dropped, steps of 1/256"
    )
    # Adam moves small embeddings far at each step.
    initial_deviation: float = Setting(
        0.3,
        gt=0,
        le=10,
        description="standard deviation of first embeddings; small ones learn rare ids by heart",
    )
    history: int = Setting(50, ge=1, le=1000, description="latest behaviours read")
    signal_bins: int = Setting(
        16, ge=2, le=256, description="one expert only: bins of a signal, even under a normal distribution"
    )
    gate_rate: float = Setting(
        10.0, gt=0, le=1000, description="learning rate of the gate, times learning_rate"
    )
    attention_rate: float = Setting(
        1.0, gt=0, le=1000, description="learning rate of the experts' attention, times learning_rate"
    )

    @model_validator(mode="after")
    def _fits(self) -> "SameConfig":
        if self.width % self.heads:
            raise ValueError(f"width {self.width} cannot be shared out among heads {self.heads}")
        for name in ("main_net", "bias_net", "gate_net"):
            if not getattr(self, name):
                raise ValueError(f"{name} needs at least one layer, such as 64")
        return self


class Gate(nn.Module):
    """The feature gated network: α = softmax over experts of f(p, o_i), p an MLP of the signals (Eq. 6)."""

    def __init__(self, config: SameConfig, signals: int, units: int) -> None:
        """Give f a hidden layer: in a linear one p would add the same to every expert, and cancel."""
        super().__init__()
        self.mlp = Mlp(signals, config.gate_net, config.dropout)
        self.hidden = nn.Linear(self.mlp.outputs + units, config.gate_units)
        self.rate = nn.Linear(config.gate_units, 1, bias=False)
        self.scenario_tap = Tap("unit")
        self.gate_tap = Tap("expert")

    def forward(self, signals: Tensor, outputs: Tensor) -> Tensor:
        """Return α (B, E) from standardised signals (B, K) and experts' outputs (B, E, units)."""
        represented = self.scenario_tap(self.mlp(signals))
        of_scenario, of_output = self.hidden.weight.tensor_split([self.mlp.outputs], dim=1)
        base = torch.addmm(self.hidden.bias, represented, of_scenario.t())
        hidden = (nn.functional.linear(outputs, of_output) + base[:, None]).relu_()
        gate: Tensor = self.gate_tap(torch.softmax(self.rate(hidden).squeeze(2), dim=1))
        return gate


class Same(Net):
    """E experts (SPAU, Main Net, Bias Net) over shared embeddings, a gate, and an MLP on their mixture."""

    Config = SameConfig
    needs = ("user", "item", "behaviours", "signals")
    piece = 128  # rows of 50 behaviours in a cache of some MiB
    config: SameConfig
    mean: Tensor
    deviation: Tensor
    edges: Tensor

    def __init__(self, config: SameConfig, layout: InputSpec) -> None:
        """Build the experts for the fields of a layout."""
        super().__init__(config, layout)
        statistics = torch.tensor(layout.signals, dtype=torch.float32).reshape(-1, 2)
        self.register_buffer("mean", statistics[:, 0].clone(), persistent=False)
        self.register_buffer("deviation", statistics[:, 1].clone(), persistent=False)
        self.wide_columns = list(layout.behaviours)
        self.wide = FusedEmbedding(
            [layout.sizes[c] for c in self.wide_columns], config.item_width, config.initial_deviation
        )
        # Group by group, so that a group's embeddings lie side by side.
        groups = [[c for c in layout.columns(*roles) if c not in layout.behaviours] for roles in GROUPS]
        self.narrow_columns = [column for group in groups for column in group]
        self.narrow = FusedEmbedding(
            [layout.sizes[c] for c in self.narrow_columns], config.other_width, config.initial_deviation
        )
        self.narrow_widths = [len(group) * config.other_width for group in groups]
        self.wide_places = [
            [k for k, column in enumerate(self.wide_columns) if layout.roles[column] in roles]
            for roles in GROUPS
        ]
        user, item, cross, context = (
            narrow + len(places) * config.item_width
            for narrow, places in zip(self.narrow_widths, self.wide_places, strict=True)
        )
        self.signals: FusedEmbedding | None = None
        if config.experts == 1:
            self.signals = self._binned(len(layout.signals))
            context += len(layout.signals) * config.other_width
        behaviour = len(self.wide_columns) * config.item_width
        self.spau = Spau(config.experts, config.heads, config.width, behaviour, user, item, norm=config.norm)
        everything = 2 * config.width + user + item + cross + context
        self.main_net = StackedMlp(config.experts, everything, config.main_net, config.dropout)
        self.bias_net = StackedMlp(config.experts, user + context, config.bias_net, config.dropout)
        self.output_tap = Tap("expert", "unit")
        units = self.main_net.outputs + self.bias_net.outputs
        self.gate = Gate(config, len(layout.signals), units) if config.experts > 1 else None
        self.prediction = Mlp(units, config.prediction, config.dropout) if config.prediction else None
        self.output = nn.Linear(self.prediction.outputs if self.prediction else units, 1)

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the weights of the gate and of the experts' attention with their factors."""
        if self.gate is not None:
            for parameter in self.gate.parameters():
                yield parameter, self.config.gate_rate
        for parameter in self.spau.parameters():
            yield parameter, self.config.attention_rate

    def order(self, batch: Batch) -> Tensor | None:
        """Return the rows' order (B,) that puts histories of like length next to one another."""
        return by_length(batch)

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,); a row's answer does not depend on the rows beside it."""
        signals = self._standardised(batch)
        histories = cut(histories_of(batch).columns(slice(-self.config.history, None)), self)
        user, item, cross, context = self._embedded(batch)
        if self.signals is not None:
            binned = self.signals(torch.bucketize(signals, self.edges)).flatten(1)
            context = torch.cat([context, binned], dim=1)
        attended = self.spau(self.wide(histories.ids).flatten(2), histories.mask, user, item)
        experts = self.config.experts
        everything = torch.cat([item, user, cross, context], dim=1).expand(experts, -1, -1)
        biased = torch.cat([user, context], dim=1).expand(experts, -1, -1)
        parts = [self.main_net(torch.cat([attended, everything], dim=2)), self.bias_net(biased)]
        outputs = self.output_tap(torch.cat(parts, dim=2).transpose(0, 1))
        if self.gate is None:
            mixture = outputs.squeeze(1)
        else:
            mixture = (self.gate(signals, outputs)[:, :, None] * outputs).sum(1)
        if self.prediction is not None:
            mixture = self.prediction(mixture)
        logits: Tensor = self.output(mixture).squeeze(1)
        return logits

    def _binned(self, signals: int) -> FusedEmbedding:
        """Keep the edges of the bins, even under a standard normal, and return the bins' embeddings."""
        bins, config = self.config.signal_bins, self.config
        edges = torch.special.ndtri(torch.arange(1, bins, dtype=torch.float64) / bins)
        self.register_buffer("edges", edges.float(), persistent=False)
        return FusedEmbedding([bins] * signals, config.other_width, config.initial_deviation)

    def _standardised(self, batch: Batch) -> Tensor:
        """Return z (B, K) of Eq. 5: log(1 + x), standardised by the training set's mean and deviation."""
        if batch.signals is None:
            raise MsvizError("batch: it has no signals, which this model reads")
        return (torch.log1p(batch.signals) - self.mean) / self.deviation

    def _embedded(self, batch: Batch) -> list[Tensor]:
        """Return e^u, e^i, e^ui and e^c (Eq. 2), each (B, ·), the fields that behaviours hold first."""
        wide = self.wide(batch.fields[:, self.wide_columns]).unbind(1)
        narrow = self.narrow(batch.fields[:, self.narrow_columns]).flatten(1).split(self.narrow_widths, dim=1)
        return [
            torch.cat([*(wide[column] for column in places), part], dim=1)
            for places, part in zip(self.wide_places, narrow, strict=True)
        ]


MODEL = Same
