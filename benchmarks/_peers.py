r"""Peers as they come from PyPI, in a folder of their own: never part of the project's environment.

pip install --target build/peers --no-deps deepctr-torch==0.3.0 \
        requests urllib3 idna certifi charset-normalizer
"""

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

FOLDER = Path(__file__).parents[1] / "build" / "peers"
INSTALL = " ".join((__doc__ or "").partition("\n\n")[2].replace("\\", "").split())


def deepctr_autoint(sizes: list[int], width: int = 16, folder: Path = FOLDER) -> "DeepCtr":
    """Return DeepCTR-Torch's AutoInt with its defaults (3 layers, 2 heads, MLP 256-128, l2 1e-5, Adam)."""
    models, inputs = load(folder)
    columns = [inputs.SparseFeat(f"f{n}", size, embedding_dim=width) for n, size in enumerate(sizes)]
    model = models.AutoInt(columns, columns, device="cpu")
    model.compile("adam", "binary_crossentropy")
    return DeepCtr(model)


class DeepCtr:
    """A DeepCTR-Torch model, stepped as its own `fit` and `predict` do it."""

    def __init__(self, model: Any) -> None:
        self.model = model

    def train(self, fields: Tensor, label: Tensor) -> None:
        """Take one training step on ids (B, N), as floats (the library wants them so), and labels (B,)."""
        model = self.model.train()
        predicted = model(fields).squeeze()
        model.optim.zero_grad()
        loss = model.loss_func(predicted, label.squeeze(), reduction="sum")
        total = loss + model.get_regularization_loss() + model.aux_loss
        loss.item()
        total.backward()
        model.optim.step()

    def infer(self, fields: Tensor) -> None:
        """Predict ids (B, N)."""
        model = self.model.eval()
        with torch.no_grad():
            model(fields).cpu().data.numpy()


def load(folder: Path) -> tuple[Any, Any]:
    """Return DeepCTR-Torch's `models` and `inputs` without letting it ask for a newer version."""
    if not (folder / "deepctr_torch").is_dir():
        raise SystemExit(f"no DeepCTR-Torch in {folder}; install it with: {INSTALL}")
    sys.path.append(str(folder))
    import requests

    def offline(*given: object, **named: object) -> None:
        raise requests.exceptions.ConnectionError("benchmarks ask nobody for a newer version")

    # The library looks for a newer version of itself when it is imported.
    requests.get = offline
    from deepctr_torch import inputs, models

    return models, inputs
