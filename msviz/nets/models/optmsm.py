"""OptMSM (Tang 2023): a representation for every scenario, kept apart, and towers that a network scales."""

from collections.abc import Iterator
from typing import ClassVar, Literal

import torch
from pydantic import Field as Setting
from pydantic import model_validator
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import invalid
from msviz.nets.base import InputSpec, Need, Net, NetConfig
from msviz.nets.layers import FusedEmbedding, Widths, widths_of
from msviz.nets.tap import Tap
from msviz.nets.towers import Blocks, Experts, ScenarioLinear, Towers

PAIRS = 2**14  # rows times scenarios that a training step takes at a time on a CPU
SHOWN = 2**17  # rows times scenarios that watchers are shown at a time


class OptMSMConfig(NetConfig):
    """OptMSM's settings; the defaults are the paper's where it names them."""

    transfer: Literal["fcn", "moe", "cgc"] = Setting(
        "fcn",
        description="how scenarios share: STAR's products, shared experts, or shared and own experts (cgc)",
    )
    priors: bool = Setting(True, description="keep scenario-specific fields apart from the shared ones")
    hypernetwork: bool = Setting(True, description="scale each input of the towers by a network's answer")
    constraint: bool = Setting(True, description="push a row's representations in different scenarios apart")
    orthogonality: float = Setting(
        0.1, gt=0, le=100, description="weight λ of the constraint beside the cross-entropy"
    )
    measure: Literal["signed", "absolute", "squared"] = Setting(
        "squared", description="what of the cosines is made small; signed (Eq. 9 as written) goes below zero"
    )
    contrast: int = Setting(
        16, ge=1, le=256, description="scenarios that a row is represented in beside its own, in training"
    )
    hidden: Widths = Setting(
        "256,128,32", description="layers that make the representation, the last one its width"
    )
    tower: Widths = Setting("64,32", description="hidden layers of each scenario's tower; empty for none")
    hyper_width: int = Setting(64, ge=1, le=1024, description="hidden units of the hypernetwork for a layer")
    experts: int = Setting(8, ge=1, le=64, description="moe: experts shared by all scenarios")
    shared_experts: int = Setting(2, ge=1, le=64, description="cgc: experts shared by all scenarios")
    own_experts: int = Setting(2, ge=1, le=16, description="cgc: experts of each scenario")
    width: int = Setting(16, ge=1, le=256, description="embedding width d")
    dropout: float = Setting(
        0.1, ge=0, le=0.9, description="share of hidden units dropped, in steps of 1/256"
    )
    initial_deviation: float = Setting(0.1, gt=0, le=10, description="standard deviation of first embeddings")
    unseen_rate: float = Setting(
        0.01, ge=0, le=0.5, description="share of training rows whose scenario is hidden"
    )
    gate_rate: float = Setting(
        10.0, gt=0, le=1000, description="learning rate of gates and hypernetwork, times learning_rate"
    )

    @property
    def widths(self) -> list[int]:
        """Return the widths of the layers that make the representation."""
        return widths_of(self.hidden)

    @property
    def tower_widths(self) -> list[int]:
        """Return the widths of a tower's layers, the logit's included."""
        return [*widths_of(self.tower), 1]

    @model_validator(mode="after")
    def _fits(self) -> "OptMSMConfig":
        if not self.hidden:
            raise ValueError("hidden: a representation needs at least one layer")
        return self


class Transfer(nn.Module):
    """What scenarios share, and how: gated fields (P, inputs) become representations r (P, units)."""

    def __init__(self, config: OptMSMConfig, scenarios: int, inputs: int) -> None:
        """Build STAR's layers (Eq. 8), or experts and each scenario's mixture of them (Eq. 6-7)."""
        super().__init__()
        widths, rate = config.widths, config.dropout
        self.centre = self.experts = self.mixer = None
        self.own = nn.ModuleList()
        if config.transfer == "fcn":
            self.centre = Towers(scenarios, inputs, widths, shared=True, dropout=rate)
            return
        if config.transfer == "cgc":
            self.own.extend(
                Towers(scenarios, inputs, widths, dropout=rate) for _ in range(config.own_experts)
            )
        shared = config.shared_experts if config.transfer == "cgc" else config.experts
        self.experts = Experts(shared, inputs, widths, rate)
        self.mixer = ScenarioLinear(scenarios, inputs, shared + len(self.own))

    def mixture(self, values: Tensor, blocks: Blocks) -> Tensor | None:
        """Return how much of each expert, shared ones first, a row takes (P, E); None under fcn."""
        return None if self.mixer is None else self.mixer(values, blocks).softmax(1)

    def forward(self, values: Tensor, blocks: Blocks, mixture: Tensor | None) -> Tensor:
        """Return the representations (P, units)."""
        if self.centre is not None:
            hidden: Tensor = self.centre(values, blocks)
            return hidden
        assert self.experts is not None and mixture is not None
        answers = self.experts(values)
        if self.own:
            answers = torch.cat([answers, torch.stack([tower(values, blocks) for tower in self.own])])
        return torch.einsum("pe,epu->pu", mixture, answers)


class Hypernetwork(nn.Module):
    """A two-layer perceptron for each layer of a tower (Eq. 11), their first layers side by side."""

    def __init__(self, widths: list[int], hidden: int) -> None:
        """Build one for each of the widths; all read a vector of the first one."""
        super().__init__()
        self.first = nn.Linear(widths[0], len(widths) * hidden)
        self.second = nn.ModuleList(nn.Linear(hidden, width) for width in widths)

    def forward(self, values: Tensor) -> list[Tensor]:
        """Return 2 σ(w_1 ReLU(w_0 R_0 + b_0) + b_1), (B, width) for each width, from R_0 (B, first width)."""
        parts = torch.relu(self.first(values)).chunk(len(self.second), dim=1)
        return [2 * torch.sigmoid(layer(part)) for layer, part in zip(self.second, parts, strict=True)]


def _piece(config: OptMSMConfig, scenarios: int) -> int:
    """Return the rows of a piece: small enough for a cache, so large that matrices are not read too often."""
    several = 1 + (min(config.contrast, scenarios) if config.constraint else 0)
    if config.transfer == "moe":
        return max(128, min(1024, PAIRS // (config.experts * several)))
    return max(512, min(4096, PAIRS // several))


class OptMSM(Net):
    """Gated shared fields, a representation for every scenario, and each scenario's scaled tower.

    `shared` and `specific` name the features on either side of the partition (Eq. 4); the axis `field` of
    the tap `gate` runs over `shared`, the axis `scenario` of all taps over the scenarios 1..S.
    """

    Config = OptMSMConfig
    needs: ClassVar[tuple[Need, ...]] = ("scenario",)
    config: OptMSMConfig

    def __init__(self, config: OptMSMConfig, layout: InputSpec) -> None:
        """Build the net for a layout; raise MsvizError where no field is left that scenarios share."""
        super().__init__(config, layout)
        columns = range(len(layout.sizes))
        self.specific = tuple(k for k in columns if config.priors and k in layout.specific)
        self.shared = tuple(k for k in columns if k not in self.specific)
        if not self.shared:
            raise invalid(
                "optmsm priors", config.priors, "every field is scenario-specific; wanted a shared one"
            )
        scenarios, width = layout.scenarios, config.width
        self.piece = _piece(config, scenarios)
        self.embedding = self._table(self.shared)
        self.specific_embedding = self._table(self.specific) if self.specific else None
        self.gate = ScenarioLinear(scenarios, len(self.shared), len(self.shared))
        self.transfer = Transfer(config, scenarios, len(self.shared) * width)
        widths = [config.widths[-1] + len(self.specific) * width, *config.tower_widths]
        self.towers = Towers(scenarios, widths[0], widths[1:], dropout=config.dropout)
        self.gate_tap = Tap("scenario", "field")
        self.representation_tap = Tap("scenario", "unit")
        self.mixture_tap = None if config.transfer == "fcn" else Tap("scenario", "expert")
        self.hyper = None
        if config.hypernetwork:
            self.hyper = Hypernetwork(widths[:-1], config.hyper_width)
            # Layers differ in width, so each has a tap of its own.
            for level in range(1, len(widths)):
                self.add_module(f"scale_{level}_tap", Tap("unit"))

    def start_at(self, odds: Tensor) -> None:
        """Set the bias of every scenario's tower to its log odds (S + 1,), row 0 to those of all rows."""
        last = self.towers.layers[-1]
        assert isinstance(last, ScenarioLinear)
        with torch.no_grad():
            last.biases.weight.copy_(odds[:, None])

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield the weights of the gates and of the hypernetwork with their factor."""
        for module in (self.gate, self.hyper):
            if module is not None:
                for parameter in module.parameters():
                    yield parameter, self.config.gate_rate

    def order(self, batch: Batch) -> Tensor | None:
        """Return the rows' order (B,) that puts rows of one scenario next to one another."""
        return torch.argsort(batch.scenario, stable=True)

    def columns(self, tap: str) -> tuple[int, ...]:
        """Return the features that scenarios share, which the gate runs over."""
        return self.shared

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,) (Eq. 13); unwatched, a row is represented in its own scenario alone."""
        rows = max(1, SHOWN // max(1, self.layout.scenarios)) if self._watched else len(batch)
        starts = range(0, len(batch), rows)
        return torch.cat([self._answer(batch.take(slice(k, k + rows)), [])[0] for k in starts])

    def loss(self, batch: Batch) -> Tensor:
        """Return the sum over rows of cross-entropy + λ · the mean over pairs of scenarios (Eq. 14).

        Which scenarios, where there are more than `contrast`, is drawn anew each time. Evaluation draws
        nothing and has the cross-entropy alone.
        """
        logits, apart = self._answer(batch, self._drawn())
        loss = nn.functional.binary_cross_entropy_with_logits(logits, batch.label, reduction="sum")
        return loss if apart is None else loss + self.config.orthogonality * apart

    @property
    def _watched(self) -> bool:
        """Tell whether somebody looks at what is shown of every scenario."""
        taps = (self.gate_tap, self.mixture_tap, self.representation_tap)
        return any(tap is not None and tap.watched for tap in taps)

    def _drawn(self) -> list[int]:
        """Return the scenarios, rising, in which all rows are represented for the constraint's sake."""
        count = self.layout.scenarios
        if not (self.training and self.config.constraint) or count < 2:
            return []
        if count <= self.config.contrast:
            return list(range(1, count + 1))
        drawn: list[int] = torch.randperm(count)[: self.config.contrast].sort().values.add_(1).tolist()
        return drawn

    def _answer(self, batch: Batch, drawn: list[int]) -> tuple[Tensor, Tensor | None]:
        """Return the logits (B,), and the rows' overlap summed, None where no scenario was drawn."""
        scenario, ids = self._hidden(batch)
        order = torch.argsort(scenario, stable=True)
        scenario, ids = scenario[order], ids[order]
        scenarios = list(range(1, self.layout.scenarios + 1)) if self._watched else drawn
        own, others = self._represented(self.embedding(ids[:, self.shared]), scenario, scenarios, order)
        parts = [own]
        if self.specific_embedding is not None:
            parts.append(self.specific_embedding(ids[:, self.specific]).flatten(1))
        score = self._scored(torch.cat(parts, 1), Blocks.of(scenario), order)
        logits = torch.empty_like(score).index_copy(0, order, score)
        if not drawn:
            return logits, None
        assert others is not None
        missing = torch.ones(self.layout.scenarios + 1, dtype=torch.bool, device=order.device)
        missing[[0, *scenarios]] = False
        return logits, overlap(others, own, missing[scenario], self.config.measure)

    def _table(self, columns: tuple[int, ...]) -> FusedEmbedding:
        sizes = [self.layout.sizes[column] for column in columns]
        return FusedEmbedding(sizes, self.config.width, self.config.initial_deviation)

    def _hidden(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Return scenario (B,) and fields (B, N), in training a share of them as if never seen."""
        scenario, ids = batch.scenario, batch.fields
        if self.training and self.config.unseen_rate:
            keep = torch.rand(len(batch), device=ids.device) >= self.config.unseen_rate
            columns = list(self.layout.scenario_columns)
            scenario, ids = scenario * keep, ids.clone()
            ids[:, columns] = ids[:, columns] * keep[:, None]
        return scenario, ids

    def _represented(
        self, shared: Tensor, scenario: Tensor, scenarios: list[int], order: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Return r of every row's own scenario (B, units) and of `scenarios` (k, B, units), None if k = 0.

        `shared` (B, F, d) and `scenario` (B,) lie by scenario. A row's own representation is that among the
        k where there is one.
        """
        rows = len(shared)
        if not scenarios:
            return self._transferred(shared, Blocks.of(scenario))[0], None
        several = self._transferred(shared, Blocks.each(scenarios, rows), len(scenarios), order)
        index_of = torch.full((self.layout.scenarios + 1,), -1, device=order.device)
        index_of[scenarios] = torch.arange(len(scenarios), device=order.device)
        index = index_of[scenario] * rows + torch.arange(rows, device=order.device)
        candidates = several.flatten(0, 1)
        outside = (index < 0).nonzero().squeeze(1)
        if len(outside):
            index[outside] = torch.arange(len(outside), device=order.device) + len(candidates)
            rest = self._transferred(shared[outside], Blocks.of(scenario[outside]))[0]
            candidates = torch.cat([candidates, rest])
        return candidates.index_select(0, index), several

    def _transferred(
        self, shared: Tensor, blocks: Blocks, times: int = 1, order: Tensor | None = None
    ) -> Tensor:
        """Return representations (k, B, units) of the B rows, k times over as `blocks` says (Eq. 5-8).

        With `order` (B,), computing order -> batch, what is watched passes its tap.
        """
        shape = times, len(shared), -1
        z = self.gate(shared.mean(2).repeat(times, 1), blocks).sigmoid().view(shape)
        z = _by_row(self.gate_tap, z, order)
        gated = (z.unsqueeze(3) * shared).reshape(times * len(shared), -1)
        mixture = self.transfer.mixture(gated, blocks)
        if mixture is not None and self.mixture_tap is not None:
            mixture = _by_row(self.mixture_tap, mixture.view(shape), order).flatten(0, 1)
        representation = self.transfer(gated, blocks, mixture).view(shape)
        return _by_row(self.representation_tap, representation, order)

    def _scored(self, values: Tensor, blocks: Blocks, order: Tensor) -> Tensor:
        """Return the logits (B,) of rows R_0 (B, units and specific fields) by scenario (Eq. 10-13)."""
        scales = []
        if self.hyper is not None:
            taps = (getattr(self, f"scale_{level}_tap") for level in range(1, len(self.towers.layers) + 1))
            scales = [_passed(tap, scale, order) for tap, scale in zip(taps, self.hyper(values), strict=True)]
        score: Tensor = self.towers(values, blocks, scales).squeeze(1)
        return score


def _by_row(tap: Tap, values: Tensor, order: Tensor | None) -> Tensor:
    """Return what the tap makes of values (S, B, n), which it sees as (B, S, n)."""
    if order is None or not tap.watched:
        return values
    return _passed(tap, values.transpose(0, 1), order).transpose(0, 1)


def _passed(tap: Tap, values: Tensor, order: Tensor) -> Tensor:
    """Return what the tap makes of values (B, ...), which it sees in the batch's order."""
    if not tap.watched:
        return values
    tapped: Tensor = tap(torch.empty_like(values).index_copy(0, order, values))
    return tapped.index_select(0, order)


def overlap(several: Tensor, own: Tensor, outside: Tensor, measure: str) -> Tensor:
    """Return the sum over rows of the mean over pairs of cosines between representations (Eq. 9).

    `several` (k, B, units) are compared with one another and, in rows that are `outside` (B,), with `own`
    (B, units) too, which then is none of them. A row with fewer than two representations adds nothing.
    """
    count = len(several) + outside.to(own.dtype)
    if bool(outside.any()):
        # A vector of zeros stands at a right angle to all.
        several = torch.cat([several, (own * outside[:, None])[None]])
    vectors = nn.functional.normalize(several, dim=2).transpose(0, 1)
    cosines = vectors @ vectors.transpose(1, 2)
    if measure != "signed":
        cosines = cosines.abs() if measure == "absolute" else cosines.square()
    both_ways = cosines.sum((1, 2)) - cosines.diagonal(dim1=1, dim2=2).sum(1)
    total: Tensor = (both_ways / (count * (count - 1)).clamp(min=1)).sum()
    return total


MODEL = OptMSM
