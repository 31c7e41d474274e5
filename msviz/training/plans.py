"""The plan of a training: settings that are changed, checked, told in words, and made a command line."""

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from msviz.errors import MsvizError, invalid, one_of
from msviz.nets.base import InputSpec, net_class, parse_config, require
from msviz.run import Run
from msviz.run_folder import LONGEST, check_name, with_end
from msviz.same_training import ASIDE, EARLIER, deciding, same
from msviz.schema import Schema
from msviz.training import problems
from msviz.training.loop import DEVICES, Training
from msviz.training.settings import ROWS, SettingInfo, Settings, by_name, describe_settings, said

__all__ = ["Plan", "SettingInfo", "describe_settings", "fast", "grid", "names", "parameters", "variants"]
MOST = 200  # trainings of one sweep
QUICK = 30_000  # rows of a fast look: some 5 s of training at 6,000 rows a second
COPIES = 3  # a weight and the optimiser's two numbers of it


@dataclass(frozen=True)
class Plan:
    """What will be trained on which data; settings that are not named are at their defaults."""

    model: str
    data: Path
    settings: dict[str, Any] = field(default_factory=dict)
    seed: int = 0
    device: str = "auto"
    parent: Path | None = None

    @classmethod
    def of(cls, run: Run, data: Path | str | None = None) -> "Plan":
        """Return the plan that trains a run again, on its own data unless another is named."""
        folder = Path(data) if data is not None else run.path / run.card.data.path
        settings = {**EARLIER, **run.card.config, **run.card.training}
        return cls(run.card.model, folder, settings, run.card.seed, "auto", run.path)

    @cached_property
    def full(self) -> Settings:
        """Return every setting with its value, in the order of the configs; unknown ones last."""
        described = by_name(self.model)
        values = {name: info.default for name, info in described.items()} | self.settings
        return {
            name: described[name].typed(value) if name in described else value
            for name, value in values.items()
        }

    def changed(self, **settings: Any) -> "Plan":
        """Return the plan with other values of these settings."""
        return replace(self, settings={**self.settings, **settings})

    def differences(self, parent: "Plan") -> dict[str, str]:
        """Return in words what differs from another plan, by setting: 'experts 3 instead of 2'."""
        words = {}
        if self.model != parent.model:
            words["model"] = f"model {self.model} instead of {parent.model}"
            parent = Plan(self.model, parent.data, {}, parent.seed)
        own, theirs = self.full, parent.full
        words |= {
            name: words_of(name, value, theirs.get(name))
            for name, value in own.items()
            if value != theirs.get(name)
        }
        if self.seed != parent.seed:
            words["seed"] = f"seed {self.seed} instead of {parent.seed}"
        if self.data.resolve().name != parent.data.resolve().name:
            words["data"] = f"data {self.data.name} instead of {parent.data.name}"
        return words

    def arguments(self, out: Path | str, frames: int = 24) -> list[str]:
        """Return the command line behind `msviz`; only settings that are not the defaults stand in it."""
        described = by_name(self.model)
        words = ["train", self.model, "--data", str(self.data), "--out", str(out)]
        for name, value in self.full.items():
            if name not in described or value != described[name].default:
                text = str(value).lower() if isinstance(value, bool) else str(value)
                words += ["--set", f"{name}={text}"]
        words += ["--seed", str(self.seed), "--device", self.device]
        words += ["--frames", str(frames)] if frames else []
        return words if self.parent is None else [*words, "--parent", str(self.parent)]

    def problems(self, schema: Schema, memory: int | None = None) -> dict[str, str]:
        """Return why this cannot be trained: a sentence for each setting that is wrong, "" for the whole.

        All of them at once. `schema` is the data's as this training sees it (`training.rows`), `memory` the
        machine's in bytes, what this one has by default.
        """
        own, training = self._split()
        wrong = dict.fromkeys(self._unknown(), f"it is no setting of {self.model}")
        wanted = {name: info.wanted for name, info in by_name(self.model).items()}
        wrong |= problems.found(net_class(self.model).Config, own, wanted)
        wrong |= problems.found(Training, training, wanted)
        if self.device not in DEVICES:
            wrong["device"] = one_of(DEVICES)
        elif self.device == "cuda" and not torch.cuda.is_available():
            wrong["device"] = "this machine shows no CUDA device"
        if not 0 <= self.seed < 2**63:
            wrong["seed"] = "wanted: a whole number from 0"
        try:
            require(self.model, InputSpec.of(schema))
        except MsvizError as error:
            return {"model": problems.sentence(error)} | wrong
        return wrong or self._too_large(schema, memory)

    def trained(self, fingerprint: str, runs: Sequence[Run]) -> Run | None:
        """Return the run that this would give again: same model, settings, seed and data; None where none."""
        near = (run for run in runs if run.card.data.fingerprint == fingerprint)
        return next((run for run in near if self.alike(Plan.of(run))), None)

    def alike(self, other: "Plan") -> bool:
        """Tell whether the two give the same run, whatever data they name."""
        like = (self.model, self.seed) == (other.model, other.seed)
        return like and same(self.full, other.full)

    def _unknown(self) -> list[str]:
        return [name for name in self.settings if name not in by_name(self.model)]

    def _split(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the settings of the model and those of training."""
        fields = Training.model_fields
        settings = {name: value for name, value in self.full.items() if name not in self._unknown()}
        own = {name: value for name, value in settings.items() if name not in fields}
        return own, {name: value for name, value in settings.items() if name in fields}

    def _too_large(self, schema: Schema, memory: int | None) -> dict[str, str]:
        """Return what the layers say to their sizes, and whether the weights fit the memory."""
        try:
            count = parameters(self, schema)
        except MsvizError as error:
            return {"": problems.sentence(error)}
        except (RuntimeError, ValueError, ZeroDivisionError) as error:
            return {"": f"the layers do not fit together: {' '.join(str(error).split())}"}
        have = memory or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        need = count * 4 * COPIES
        if need <= have:
            return {}
        return {
            "": f"it has {count:,} parameters: training takes {need / 2**30:,.1f} GiB at least, "
            f"the machine has {have / 2**30:,.1f} GiB"
        }


def parameters(plan: Plan, schema: Schema) -> int:
    """Return how many numbers the net of a valid plan has, for a schema as the plan sees it.

    Nothing is drawn or stored: the net is laid out without weights.
    """
    own, _ = plan._split()
    config = parse_config(plan.model, own)
    with torch.device("meta"):
        net = net_class(plan.model)(config, InputSpec.of(schema))
    return sum(weight.numel() for weight in net.parameters())


def costs(plan: Plan, schema: Schema, names: Sequence[str] | None = None) -> dict[str, str]:
    """Return what the next value of each setting of the model (or of those named) would cost, counted.

    Settings that change nothing in the number of parameters are left out.
    """
    now = parameters(plan, schema)
    sentences = {}
    for info in describe_settings(plan.model):
        if info.group != "model" or (names is not None and info.name not in names):
            continue
        counts = []
        for value in _next(info, plan.full[info.name]):
            try:
                count = parameters(plan.changed(**{info.name: value}), schema)
            except (MsvizError, RuntimeError, ValueError):
                continue
            if count != now:
                counts.append(f"{count:,} at {said(value)}")
                if info.kind != "choice":
                    break
        if counts:
            sentences[info.name] = f"parameters {now:,} now, {', '.join(counts)}"
    return sentences


def _next(info: SettingInfo, value: Any) -> list[Any]:
    """Return values beside the present one, those to look at first in front."""
    if info.kind == "bool":
        return [not value]
    if info.kind == "choice":
        return [choice for choice in info.choices if choice != value]
    if info.kind == "int":
        steps = [value + 1, value * 2] if (info.high or 0) <= 64 else [value * 2]
        fitting = [step for step in steps if info.high is None or step <= info.high]
        return fitting or ([value // 2] if value > 1 else [])
    if info.kind == "widths" and value:
        return [",".join(str(int(part) * 2) for part in value.split(","))]
    return []


def fast(rows: int) -> Settings:
    """Return the settings of a first look at a log of so many training rows: few of them, once."""
    share = min(1.0, max(0.001, float(f"{QUICK / max(rows, 1):.1g}")))
    return {"epochs": 1, "train_share": share}


def grid(plan: Plan, values: Mapping[str, Sequence[Any]], seeds: Sequence[int] = ()) -> list[Plan]:
    """Return a plan for each combination of values and each seed, the plan's own where none is named.

    Raises MsvizError for a setting that the model does not have, for no values, and for too many trainings.
    """
    for name, listed in values.items():
        if name not in by_name(plan.model):
            raise invalid("setting", name, one_of(by_name(plan.model)))
        if not listed:
            raise MsvizError(f"{name}: no values are given")
    every = itertools.product(*values.values())
    return variants(plan, [dict(zip(values, each, strict=True)) for each in every], seeds)


def variants(plan: Plan, changes: Sequence[Settings], seeds: Sequence[int] = ()) -> list[Plan]:
    """Return a plan for each of the changes and each seed, none twice; MsvizError for too many."""
    count = len(changes) * len(seeds or (plan.seed,))
    if count > MOST:
        raise invalid("sweep", f"{count:,} trainings", f"at most {MOST}")
    plans: dict[str, Plan] = {}
    for change in changes:
        for seed in seeds or (plan.seed,):
            variant = replace(plan.changed(**change), seed=seed)
            plans.setdefault(repr((seed, deciding(variant.full))), variant)
    return list(plans.values())


def names(plans: Sequence[Plan], base: Plan, stem: str, taken: Sequence[str] = ()) -> list[str]:
    """Return a name for each plan's run: what it differs in from `base` behind `stem`, none of `taken`.

    Letters, digits, dots and dashes only, as many as a run's name may have.
    """
    used = {name.casefold() for name in taken}
    out = []
    for plan in plans:
        name = start = _name(plan, base, stem)
        number = 2
        while name.casefold() in used:
            name, number = with_end(start, f"-{number}"), number + 1
        used.add(name.casefold())
        out.append(name)
    return out


def name_trouble(name: str, taken: Sequence[str]) -> str:
    """Return why a run cannot be called so, or ""."""
    try:
        check_name(name, taken)
    except MsvizError as error:
        return str(error)
    return ""


def words_of(name: str, value: Any, before: Any) -> str:
    """Return 'experts 3 instead of 2', and settings of the rows as a reader would say them."""
    if name in ROWS:
        texts = [_of_rows(name, setting) for setting in (value, before)]
        return f"{texts[0]} instead of {texts[1].removeprefix('scenario by ')}"
    return f"{name} {said(value)} instead of {said(before)}"


def _of_rows(name: str, value: Any) -> str:
    if name == "train_where":
        return f"rows where {value}" if value else "all rows"
    if name == "train_share":
        return "all rows" if value in (1, None) else f"{100 * value:.3g} % of the rows"
    return f"scenario by {str(value).replace(',', ' and ') if value else 'the data'}"


def _name(plan: Plan, base: Plan, stem: str) -> str:
    """Return stem-experts-3: a change of what the stem ends with takes its place."""
    own, theirs = plan.full, base.full
    changed = [name for name in plan.differences(base) if name in own and name not in ASIDE]
    name = stem
    for key in changed:
        old = _slug(f"-{key}-{said(theirs.get(key))}")
        name = name.removesuffix(old) if name.endswith(old) and name != old else name
    for key in changed:
        name += "-" + _slug(f"{key}-{said(own[key])}" if key not in ROWS else f"{key}-{own[key]}")[:40]
    name = _slug(name).lstrip("-.")[:LONGEST] or "run"
    if plan.seed != base.seed:
        name = with_end(re.sub(rf"-seed-{base.seed}$", "", name), f"-seed-{plan.seed}")
    unchanged = not changed and plan.seed == base.seed
    return with_end(name, "-again") if unchanged and base.parent is not None else name


def _slug(text: str) -> str:
    """Return `text` with all but letters, digits, dots and dashes turned into single dashes."""
    return re.sub(r"-+", "-", re.sub(r"[^A-Za-z0-9.-]+", "-", text.replace("_", "-").replace(",", "-")))
