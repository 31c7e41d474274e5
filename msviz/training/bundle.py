"""Write a trained run to its folder, and build its net back from there. Nothing is ever unpickled."""

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from msviz.errors import MsvizError
from msviz.nets.base import Net, build
from msviz.run import Card, Run, file_digest
from msviz.run_folder import CARD, FILES, HISTORY, METRICS, SCHEMA, WEIGHTS
from msviz.schema import Schema


def save_bundle(
    out: Path,
    *,
    card: Card,
    weights: dict[str, Tensor],
    schema: Schema,
    history: pd.DataFrame,
    metrics: dict[str, Any],
) -> Run:
    """Write the files of a run, run.json last and sealed over the digests of the others."""
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / WEIGHTS, lambda path: save_file(packed(weights), path))
    write_whole(out / SCHEMA, schema.save)
    write_whole(out / HISTORY, lambda path: history.to_parquet(path, index=False))
    # NaN is no JSON: a metric that does not exist is null, and a slip here must not reach the disk.
    text = json.dumps(metrics, ensure_ascii=False, allow_nan=False, indent=1)
    write_whole(out / METRICS, lambda path: _write_text(path, text))
    digests = {file: file_digest(out / file) for file in FILES}
    sealed = card.model_copy(update={"digests": digests}).sealed()
    text = sealed.model_dump_json(indent=1)
    write_whole(out / CARD, lambda path: _write_text(path, text))
    return Run(out, sealed)


def load_net(run: Run | Path | str, device: str | torch.device = "cpu") -> Net:
    """Return a run's net in evaluation mode; raise MsvizError when the weights do not fit its config."""
    run = run if isinstance(run, Run) else Run.open(run)
    net = build(run.card.model, run.card.config, run.schema, seed=run.card.seed)
    wanted = net.state_dict()
    weights = read_tensors(run.path / WEIGHTS, f"run {run.name}")
    for name in wanted.keys() | weights.keys():
        if name not in weights:
            raise MsvizError(f"run {run.name}: weights do not fit the config: {name} is missing")
        if name not in wanted:
            raise MsvizError(f"run {run.name}: weights do not fit the config: {name} is not in the net")
        if weights[name].shape != wanted[name].shape or weights[name].dtype != wanted[name].dtype:
            raise MsvizError(
                f"run {run.name}: weights do not fit the config: {name} is {_kind(weights[name])}, "
                f"wanted {_kind(wanted[name])}"
            )
    net.load_state_dict(weights)
    return net.to(device).eval()


def read_tensors(path: Path, owner: str) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file on the CPU; raise MsvizError when it is none."""
    try:
        with safe_open(path, framework="pt") as opened:
            return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise MsvizError(f"{owner}: {path.name} cannot be read: {reason}") from error


def packed(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors as a file wants them: on the CPU and contiguous."""
    return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a file beside `path` and move it there once it is on the disk: all or nothing.

    Raises OSError naming `path` when it cannot be written, and where no space is left on the disk.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        write(partial)
        with partial.open("rb") as stream:
            os.fsync(stream.fileno())
        partial.replace(path)
    except SafetensorError as error:
        # It tells the system's error in words alone.
        full = "os error 28" in str(error) or "StorageFull" in str(error)
        number = errno.ENOSPC if full else errno.EIO
        raise OSError(number, os.strerror(number), str(path)) from error
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        partial.unlink(missing_ok=True)


def _write_text(path: Path, text: str) -> None:
    path.write_text(text + "\n", encoding="utf-8")


def _kind(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
