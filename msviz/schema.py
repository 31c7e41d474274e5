"""Schema describes: the fields of a log, their roles, and what each encoded integer means."""

import json
import math
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic import Field as Setting

from msviz.errors import MsvizError, invalid, one_of

# Every vocabulary starts with these two ids; the field's own values follow from FIRST on.
UNKNOWN, MISSING, FIRST = 0, 1, 2
UNSEEN = 0  # the scenario id of a combination that the training data never held

Kind = Literal["categorical", "numeric", "sequence"]
Role = Literal[
    "label", "scenario", "user", "item", "context", "cross", "behaviour", "signal", "time", "row_id"
]
LEARNED = {"vocabulary", "edges", "mean", "deviation"}  # written by the encoder, not by a user
FEATURE_ROLES = ("scenario", "user", "item", "context", "cross")


class Field(BaseModel):
    """One column of a log: what it is called, what it is for, and what its ids stand for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Setting(min_length=1, description="column name in the log")
    role: Role = "context"
    kind: Kind = "categorical"
    title: str | None = Setting(None, description="name for people; the column name by default")
    names: dict[str, str] = Setting({}, description="raw value -> name for people")
    min_count: int = Setting(1, ge=1, description="rarer values share the unknown id")
    bins: int = Setting(16, ge=2, le=1000, description="quantile bins of a numeric field")
    unit: str | None = Setting(None, description="unit of a numeric field; s, ms, us or date of a time")
    utc_offset: float = Setting(0.0, ge=-14, le=14, description="hours added to a time to make it local")
    specific: bool = Setting(False, description="scenario-specific (OptMSM) rather than shared")
    of: str | None = Setting(None, description="sequence: the field whose vocabulary its items use")
    sides: dict[str, str] = Setting(
        {}, description="sequence: further fields of its items -> columns that hold them"
    )
    scenario: str | None = Setting(None, description="sequence: column of the behaviours' scenarios")
    time: str | None = Setting(None, description="sequence: column of the behaviours' times")
    max: int = Setting(50, ge=1, description="sequence: latest behaviours kept")
    vocabulary: list[str] = Setting([], description="written by the encoder: values of ids 2, 3, ...")
    edges: list[float] = Setting([], description="written by the encoder: inner edges of the bins")
    mean: float = Setting(0.0, description="signal, written by the encoder: mean of log(1 + x) in training")
    deviation: float = Setting(
        1.0, gt=0, description="signal, written by the encoder: standard deviation of log(1 + x) in training"
    )

    @property
    def size(self) -> int:
        """Return the number of ids: unknown, missing and the values themselves."""
        return FIRST + len(self.vocabulary)

    @property
    def label(self) -> str:
        """Return the name that people read."""
        return self.title or self.name

    def value_name(self, index: int) -> str:
        """Return the readable name of one id; raise MsvizError for an id outside 0..size-1."""
        if not 0 <= index < self.size:
            raise invalid(f"id of {self.name}", index, f"ids run from 0 to {self.size - 1}")
        if index < FIRST:
            return ("rare or unknown", "missing")[index]
        raw = self.vocabulary[index - FIRST]
        return self.names.get(raw, raw)


class Split(BaseModel):
    """How rows are divided into train, valid and test."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: Literal["time", "random", "given"] = "random"
    test: float = Setting(0.2, ge=0, lt=1, description="share of rows held out for the last word")
    valid: float = Setting(0.1, ge=0, lt=1, description="share of rows that early stopping watches")
    valid_from: str | None = Setting(None, description="by time: first local day (YYYY-MM-DD) of valid")
    test_from: str | None = Setting(None, description="by time: first local day (YYYY-MM-DD) of test")
    column: str | None = Setting(None, description="given: column that says train, valid or test")
    seed: int = Setting(0, ge=0, description="random: seed of the draw")

    @model_validator(mode="after")
    def _fits(self) -> "Split":
        if self.test + self.valid >= 1:
            raise ValueError("split: test + valid must leave rows for training")
        if self.by == "given" and not self.column:
            raise ValueError("split by given needs column")
        if (self.valid_from is None) != (self.test_from is None):
            raise ValueError("split by time needs both valid_from and test_from, or neither")
        return self


class Schema(BaseModel):
    """All fields of a log in order, the split, and the scenarios that the encoder found.

    `scenarios[s - 1]` holds the ids of the scenario fields that make scenario s; scenario 0 is any
    combination that was not among them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: Literal[1] = 1
    fields: list[Field]
    split: Split = Split()
    scenarios: list[list[int]] = []

    @model_validator(mode="after")
    def _consistent(self) -> "Schema":
        names: set[str] = set()
        for field in self.fields:
            if field.name in names:
                raise ValueError(f"fields: column {field.name!r} is named twice")
            names.add(field.name)
        for field in self.fields:
            # Findings name their axes by title, so a title must point at one field.
            if field.title and (field.title in names - {field.name}):
                raise ValueError(f"fields: title {field.title!r} of {field.name!r} is taken by another field")
            names.add(field.label)
        for role in ("label", "time", "row_id", "user"):
            # A user may have attributes of the same role; only a first categorical one is the id.
            if role != "user" and sum(field.role == role for field in self.fields) > 1:
                raise ValueError(f"fields: role {role!r} stands at more than one column")
        for field in self.fields:
            if field.kind == "sequence" and field.role != "behaviour":
                raise ValueError(f"fields: {field.name!r} is a sequence, so its role must be behaviour")
            if field.role == "behaviour" and field.kind != "sequence":
                raise ValueError(f"fields: {field.name!r} is a behaviour, so its kind must be sequence")
        return self

    @cached_property
    def features(self) -> list[Field]:
        """Return the N fields that models read, in column order (scenario fields included)."""
        return [field for field in self.fields if field.role in FEATURE_ROLES]

    @cached_property
    def scenario_fields(self) -> list[Field]:
        """Return the M fields whose combination is the scenario."""
        return [field for field in self.fields if field.role == "scenario"]

    @property
    def scenario_columns(self) -> list[int]:
        """Return the positions of the scenario fields among the N features."""
        return [self.index(field.name) for field in self.scenario_fields]

    @property
    def sequences(self) -> list[Field]:
        """Return the behaviour sequences."""
        return [field for field in self.fields if field.kind == "sequence"]

    @property
    def behaviour_columns(self) -> list[int]:
        """Return which of the N features a behaviour holds: the items' field first, then its sides."""
        if not self.sequences:
            return []
        sequence = self.sequences[0]
        return [self.index(name) for name in (str(sequence.of), *sequence.sides)]

    @property
    def signals(self) -> list[Field]:
        """Return the scenario signals (numeric, not binned)."""
        return [field for field in self.fields if field.role == "signal"]

    def role(self, role: Role) -> Field | None:
        """Return the first field with this role, or None."""
        return next((field for field in self.fields if field.role == role), None)

    def field(self, name: str) -> Field:
        """Return the field called `name` (column name or title); raise MsvizError naming the choices."""
        for field in self.fields:
            if name in (field.name, field.title):
                return field
        raise invalid("field", name, one_of(field.name for field in self.fields))

    def index(self, name: str) -> int:
        """Return the column of feature `name` in Batch.fields; raise MsvizError when it is none."""
        for position, field in enumerate(self.features):
            if name in (field.name, field.title):
                return position
        raise invalid("feature", name, one_of(field.name for field in self.features))

    @property
    def sizes(self) -> list[int]:
        """Return the N vocabulary sizes of the features."""
        return [field.size for field in self.features]

    @cached_property
    def scenario_names(self) -> list[str]:
        """Return the S + 1 names of the scenarios; index 0 is 'unseen combination'."""
        names = {"unseen combination": None}  # a dict, for its order and its quick look-up
        for ids in self.scenarios:
            parts = zip(self.scenario_fields, ids, strict=True)
            name = " · ".join(field.value_name(index) for field, index in parts)
            # Two raw values may carry one human name; findings need to tell the scenarios apart.
            names[name if name not in names else f"{name} (scenario {len(names)})"] = None
        return list(names)

    def scenario(self, name: str | int) -> int:
        """Return the id of a scenario given by name or id; raise MsvizError naming the choices."""
        text = str(name)
        if text in self.scenario_names:
            return self.scenario_names.index(text)
        if text.isdigit() and int(text) <= len(self.scenarios):
            return int(text)
        raise invalid("scenario", name, one_of(self.scenario_names[1:21]))

    def scenario_ids(self, columns: "np.ndarray[Any, Any]") -> "np.ndarray[Any, Any]":
        """Return the scenario id (B,) of rows given the ids (B, M) of their scenario fields."""
        sizes = [field.size for field in self.scenario_fields]
        combinations = mixed_radix(np.asarray(self.scenarios, np.int64).reshape(-1, len(sizes)), sizes)
        order = np.argsort(combinations)
        keys = mixed_radix(np.asarray(columns, np.int64), sizes)
        if not len(combinations):
            return np.zeros(len(keys), np.int32)
        index = np.minimum(np.searchsorted(combinations[order], keys), len(combinations) - 1)
        return np.where(combinations[order][index] == keys, order[index] + 1, UNSEEN).astype(np.int32)

    def save(self, path: Path) -> None:
        """Write the schema with its vocabularies as JSON."""
        text = self.model_dump_json(exclude_defaults=True)
        # Version stands in every file, also while it is the default.
        path.write_text(json.dumps({"version": 1, **json.loads(text)}, ensure_ascii=False) + "\n", "utf-8")

    @classmethod
    def load(cls, path: Path) -> "Schema":
        """Read a schema from JSON (a bundle's, a dataset's) or YAML (a user's); raise MsvizError."""
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise MsvizError(f"schema: cannot read {path.name}: {error}") from error
        try:
            content = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
            return cls.model_validate(content)
        except (json.JSONDecodeError, yaml.YAMLError) as error:
            line = " ".join(str(error).split())
            raise MsvizError(f"schema: {path.name} is not readable: {line}") from error
        except ValidationError as error:
            raise MsvizError(f"schema: {path.name}: {first_problem(error)}") from error

    def to_yaml(self) -> str:
        """Return the user's part of the schema (no vocabularies) as YAML, one field a line."""
        lines = ["fields:"]
        for field in self.fields:
            content = field.model_dump(exclude_defaults=True, exclude=LEARNED)
            # Role and kind are what a user comes to change, so they stand also where they are defaults.
            content = {"name": field.name, "role": field.role, "kind": field.kind, **content}
            if field.role in ("label", "time", "row_id", "signal"):
                content.pop("kind")
            flow = yaml.safe_dump(content, default_flow_style=True, sort_keys=False, width=10_000)
            lines.append(f"  - {flow.strip()}")
        split = {"by": self.split.by, **self.split.model_dump(exclude_defaults=True)}
        flow = yaml.safe_dump(split, default_flow_style=True, sort_keys=False, width=10_000)
        return "\n".join([*lines, f"split: {flow.strip()}"]) + "\n"


def first_problem(error: ValidationError) -> str:
    """Return pydantic's first complaint as one line: where, the value and what was wanted."""
    problem = error.errors()[0]
    where = ".".join(str(part) for part in problem["loc"]) or "value"
    message = problem["msg"].removeprefix("Value error, ")
    if not problem["loc"]:
        return message
    if problem["type"] == "missing":
        return f"{where}: it is missing"
    return str(invalid(where, problem["input"], message))


def mixed_radix(columns: "np.ndarray[Any, Any]", sizes: list[int]) -> "np.ndarray[Any, Any]":
    """Return one integer key (B,) for each row of ids (B, M); raise MsvizError when 64 bits are too few."""
    if math.prod(sizes) > 2**63 - 1:
        raise invalid("scenario fields: vocabulary sizes", sizes, "their product must stay below 2**63")
    key = np.zeros(len(columns), np.int64)
    for position, size in enumerate(sizes):
        key = key * size + columns[:, position]
    return key
