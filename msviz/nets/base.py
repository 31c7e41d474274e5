"""What every net is built from and how it is reached: config, layout, forward, loss."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from torch import Tensor, nn

from msviz.batch import Batch
from msviz.errors import MsvizError, invalid, one_of
from msviz.registry import MODELS
from msviz.schema import Schema, first_problem


class NetConfig(BaseModel):
    """Flat and typed; every field has a range, a sentence and the paper's default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class InputSpec:
    """What a net needs to know of the data: sizes, and where the scenario stands."""

    sizes: tuple[int, ...]  # vocabulary size of each of the N features
    scenario_columns: tuple[int, ...]  # the M features that make the scenario
    scenarios: int  # S known scenarios; ids run from 0 (unseen) to S
    roles: tuple[str, ...] = ()  # of each feature: scenario, user, item, context or cross
    specific: tuple[int, ...] = ()  # the features that are scenario-specific (OptMSM's priors)
    behaviours: tuple[int, ...] = ()  # the F features whose ids a behaviour holds, the item's first
    behaviour_scenarios: bool = False  # whether behaviours tell their scenario
    signals: tuple[tuple[float, float], ...] = ()  # mean and deviation of log(1 + x) of each signal

    @classmethod
    def of(cls, schema: Schema) -> "InputSpec":
        """Read the layout off a schema."""
        features = schema.features
        return cls(
            sizes=tuple(schema.sizes),
            scenario_columns=tuple(schema.scenario_columns),
            scenarios=len(schema.scenarios),
            roles=tuple(field.role for field in features),
            specific=tuple(k for k, f in enumerate(features) if f.specific or f.role == "scenario"),
            behaviours=tuple(schema.behaviour_columns),
            behaviour_scenarios=bool(schema.sequences and schema.sequences[0].scenario),
            signals=tuple((field.mean, field.deviation) for field in schema.signals),
        )

    def columns(self, *roles: str) -> list[int]:
        """Return the features of these roles, in column order."""
        return [column for column, role in enumerate(self.roles) if role in roles]


Need = Literal["scenario", "user", "item", "behaviours", "behaviour scenarios", "signals"]
# What to write into the schema where a log lacks what a model needs.
REMEDIES: dict[Need, str] = {
    "scenario": "a field with role: scenario",
    "user": "a field with role: user",
    "item": "a field with role: item",
    "behaviours": "a behaviour sequence (role: behaviour, kind: sequence)",
    "behaviour scenarios": "a behaviour sequence that names the column of its scenarios (scenario: ...)",
    "signals": "scenario signals (fields with role: signal)",
}


class Net(nn.Module):
    """A click-through-rate model: rows in, logits out. It knows no device, optimiser, path or log."""

    Config: ClassVar[type[NetConfig]] = NetConfig
    # Rows that a training step may take at a time on a CPU; gradients of the pieces add up to the
    # batch's. None where statistics of the whole batch matter (batch norm).
    piece: int | None = 512
    needs: ClassVar[tuple[Need, ...]] = ()  # what the log must have; "behaviours" also has them fed

    def __init__(self, config: NetConfig, layout: InputSpec) -> None:
        """Keep config and layout; subclasses add their layers."""
        super().__init__()
        self.config = config
        self.layout = layout

    def order(self, batch: Batch) -> Tensor | None:
        """Return an order of the rows (B,) in which pieces of them are cheapest; None if it is all one."""
        return None

    def start_at(self, odds: Tensor) -> None:
        """Let the untrained net answer with log odds (S + 1,) of a click: of all rows at 0, then by scenario.

        Here the bias of `output`, the last linear map, is set; a net without one, or with one for each
        scenario, has its own way. A net that started at even odds would spend its first steps on that.
        """
        output = getattr(self, "output", None)
        if isinstance(output, nn.Linear) and output.bias is not None:
            nn.init.constant_(output.bias, float(odds[0]))

    def learning_rates(self) -> Iterator[tuple[nn.Parameter, float]]:
        """Yield parameters that learn faster or slower, each with what the learning rate is multiplied by."""
        yield from ()

    def columns(self, tap: str) -> tuple[int, ...]:
        """Return the features (columns of Batch.fields) that the axis `field` of a tap runs over."""
        return tuple(range(len(self.layout.sizes)))

    def forward(self, batch: Batch) -> Tensor:
        """Return the logits (B,) of a click."""
        raise NotImplementedError

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss summed over the batch's rows (cross-entropy; a net may add its own terms)."""
        return nn.functional.binary_cross_entropy_with_logits(self(batch), batch.label, reduction="sum")


def net_class(model: str) -> type[Net]:
    """Return the net class of a model's file (its `MODEL`); raise MsvizError naming the choices."""
    entry = MODELS.load(model, type)
    if not issubclass(entry, Net):
        raise invalid(f"msviz/nets/models/{model}.py: MODEL", entry.__name__, "wanted: a subclass of Net")
    return entry


def parse_config(model: str, values: dict[str, Any]) -> NetConfig:
    """Return a model's typed config; raise MsvizError for an unknown key or a value out of range."""
    kind = net_class(model).Config
    for key in values:
        if key not in kind.model_fields:
            raise invalid(f"{model} setting", key, one_of(kind.model_fields))
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise MsvizError(f"{model}: {first_problem(error)}") from error


def require(model: str, layout: InputSpec) -> None:
    """Raise MsvizError naming all that a model needs and a log of this layout does not have."""
    has: dict[Need, bool] = {
        "scenario": bool(layout.scenario_columns),
        "user": "user" in layout.roles,
        "item": "item" in layout.roles,
        "behaviours": bool(layout.behaviours),
        "behaviour scenarios": layout.behaviour_scenarios,
        "signals": bool(layout.signals),
    }
    lacking = [REMEDIES[need] for need in net_class(model).needs if not has[need]]
    if lacking:
        raise invalid("model", model, "the data lacks what it needs: " + ", and ".join(lacking))


def build(model: str, values: dict[str, Any], schema: Schema, seed: int = 0) -> Net:
    """Return a freshly initialised net for a schema; the same seed gives the same weights.

    Raises MsvizError for a setting that will not do and for a schema that lacks what the model needs.
    """
    config = parse_config(model, values)
    require(model, InputSpec.of(schema))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return net_class(model)(config, InputSpec.of(schema))
