"""What a training needs in order to go on as if it had never stopped, kept in OUT/checkpoint.

    settings.json            what was asked for; a resumed training must ask for the same
    state.safetensors        weights, optimisers, random numbers; as metadata the progress and history
    best-<check>.safetensors weights and scores of a validation that may be the one to keep

`state` is one file that is renamed into place, so a process killed at any moment leaves a whole one.
History lives inside it: what was logged after the checkpoint goes with what was trained after it.
"""

import fcntl
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.optim import Optimizer

from msviz.dataset import Array
from msviz.errors import MsvizError, invalid
from msviz.nets.base import Net
from msviz.run_folder import CHECKPOINT, LOCK, SETTINGS
from msviz.training.bundle import packed, read_tensors, write_whole


@dataclass
class State:
    """How far a training is; everything in it survives JSON unchanged."""

    epoch: int = 0
    step: int = 0  # steps done in this epoch
    checks: int = 0  # validations done in all
    stale: int = 0  # validations in a row that were better than those before in neither AUC nor logloss
    # Validations that may still turn out to be the ones to keep, the best first: number, AUC, logloss.
    kept: list[tuple[int, float | None, float | None]] = field(default_factory=list)
    loss: float = 0.0  # sum over the rows since the last validation
    loss_rows: int = 0
    rows: int = 0  # rows trained on in all
    seconds: float = 0.0  # spent in training steps in all
    threads: int = 0  # a resumed training uses as many, so that sums come out the same
    history: list[dict[str, Any]] = field(default_factory=list)
    # Where somebody watches: sums over the rows since the last point of the curve, and since the last mark.
    curve_loss: float = 0.0
    curve_rows: int = 0
    curve_seconds: float = 0.0  # `seconds` at the last point
    mark_loss: float = 0.0
    mark_rows: int = 0


class Checkpoint:
    """The folder OUT/checkpoint, held by one training at a time."""

    def __init__(self, out: Path) -> None:
        """Name the folder; nothing is touched before it is entered."""
        self.folder = out / CHECKPOINT

    def __enter__(self) -> "Checkpoint":
        """Lock the folder for this process; raise MsvizError when another training writes here."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock = (self.folder / LOCK).open("w")
        try:
            # The kernel lets go of it when the process dies, however it dies.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise invalid("out", str(self.folder.parent), "another training writes there now") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of the folder."""
        self._lock.close()

    def begin(self, settings: dict[str, Any]) -> None:
        """Write down what was asked for."""
        text = json.dumps(settings, ensure_ascii=False, indent=1)
        write_whole(self.folder / SETTINGS, lambda path: path.write_text(text + "\n", "utf-8"))

    def compare(self, settings: dict[str, Any], defaults: dict[str, Any]) -> None:
        """Raise MsvizError naming the first setting in which this training differs from the stopped one.

        A setting that was not there yet when it began had its default.
        """
        try:
            before = json.loads((self.folder / SETTINGS).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise invalid("resume", str(self.folder.parent), "there is no training to resume") from error
        for name, value in settings.items():
            had = before.get(name, defaults.get(name))
            if had != json.loads(json.dumps(value)):
                raise invalid(f"resume: {name}", value, f"the stopped training had {had!r}; wanted: the same")

    def save(self, state: State, net: Net, optimisers: list[Optimizer]) -> None:
        """Write the state of a training between two steps."""
        tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
        plain: dict[str, Any] = {}
        for number, optimiser in enumerate(optimisers):
            for index, values in optimiser.state_dict()["state"].items():
                for name, value in values.items():
                    key = f"optimiser.{number}.{index}.{name}"
                    if isinstance(value, Tensor):
                        tensors[key] = value
                    else:
                        plain[key] = value
        tensors["random.cpu"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        words = {"state": json.dumps(asdict(state)), "optimisers": json.dumps(plain)}
        write_whole(
            self.folder / "state.safetensors", lambda path: save_file(packed(tensors), path, metadata=words)
        )
        for file in self.folder.glob("best-*.safetensors"):
            if file not in {self._best(number) for number, *_ in state.kept}:
                file.unlink()

    def restore(self, net: Net, optimisers: list[Optimizer]) -> State | None:
        """Put net, optimisers and random numbers back and return the state; None before the first save."""
        file = self.folder / "state.safetensors"
        if not file.is_file():
            return None
        tensors = read_tensors(file, CHECKPOINT)
        try:
            with safe_open(file, framework="pt") as opened:
                words = opened.metadata()
            state = State(**json.loads(words["state"]))
            plain = json.loads(words["optimisers"])
            net.load_state_dict(_under("net.", tensors))
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise MsvizError(f"checkpoint: {file.name} does not fit this training: {reason}") from error
        for number, optimiser in enumerate(optimisers):
            values: dict[int, dict[str, Any]] = {}
            for key, value in _under(f"optimiser.{number}.", {**tensors, **plain}).items():
                index, name = key.split(".", 1)
                values.setdefault(int(index), {})[name] = value
            # Groups hold settings only, and those are the same: `compare` saw to it.
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": values, "param_groups": groups})
        torch.set_rng_state(tensors["random.cpu"])
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(tensors["random.cuda"])
        return state

    def keep(self, check: int, net: Net, score: Array) -> None:
        """Write the weights at a validation and its scores (rows,); `save` drops those no longer kept."""
        tensors = {f"net.{name}": value for name, value in net.state_dict().items()}
        tensors["score"] = torch.from_numpy(score)
        write_whole(self._best(check), lambda path: save_file(packed(tensors), path))

    def weights(self, check: int) -> dict[str, Tensor]:
        """Return the weights that `keep` wrote."""
        return _under("net.", read_tensors(self._best(check), CHECKPOINT))

    def score(self, check: int) -> Array:
        """Return the scores (rows,) that `keep` wrote."""
        return read_tensors(self._best(check), CHECKPOINT)["score"].numpy()

    def _best(self, check: int) -> Path:
        return self.folder / f"best-{check}.safetensors"


def _under(prefix: str, values: dict[str, Any]) -> dict[str, Any]:
    return {k.removeprefix(prefix): v for k, v in values.items() if k.startswith(prefix)}
