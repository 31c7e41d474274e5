"""Real findings for the pictures: each question asked once, of tiny runs on the tiny planted world."""

from pathlib import Path
from typing import Any

import pytest

from msviz.analyses.run import analyse
from msviz.analyses.snapshots import SnapshotMaker
from msviz.dataset import Dataset
from msviz.finding import Finding
from msviz.run import Run
from msviz.training.loop import Training, train

AUTOINT: dict[str, object] = {"layers": 1, "heads": 1, "width": 4, "hidden": ""}
# Name of a run: its model, its settings and its seed.
RUNS: dict[str, tuple[str, dict[str, object], int]] = {
    "satrans": ("satrans", {"layers": 2, "heads": 2, "width": 8, "scenario_width": 4}, 0),
    "satrans-seed-1": ("satrans", {"layers": 2, "heads": 2, "width": 8, "scenario_width": 4}, 1),
    "optmsm": ("optmsm", {"width": 4, "hidden": "16,8", "tower": "8"}, 0),
    "optmsm-free": ("optmsm", {"width": 4, "hidden": "16,8", "tower": "8", "constraint": False}, 0),
    "hierrec": ("hierrec", {"width": 4, "heads": 2, "bottleneck": 4}, 0),
    "sainet": ("sainet", {"width": 4, "blocks": 1, "heads": 2, "hidden": "8"}, 0),
    "same": (
        "same",
        {"width": 8, "item_width": 4, "heads": 2, "main_net": "8,4", "bias_net": "8,4", "experts": 3},
        0,
    ),
    **{
        f"autoint-{width}-{layers}": ("autoint", {**AUTOINT, "width": width, "layers": layers}, 0)
        for width in (4, 8)
        for layers in (1, 2)
    },
    "autoint-seed-1": ("autoint", AUTOINT | {"width": 4}, 1),
}
WATCHED = "autoint-4-1"


class Asked:
    """Answers to questions, and the runs that they are asked of, each made when it is first wanted."""

    def __init__(self, world: Dataset, shelf: Path) -> None:
        self.world, self.shelf = world, shelf
        self._answers: dict[str, Finding] = {}

    def run(self, name: str) -> Run:
        """Return a run by name, trained for one short epoch."""
        if not (self.shelf / name / "run.json").is_file():
            model, values, seed = RUNS[name]
            train(
                model, self.world, self.shelf / name, values=values, device="cpu",
                training=Training(epochs=1, batch_size=1024, threads=1), seed=seed,
                watch=SnapshotMaker(3) if name == WATCHED else None, report=lambda *told: None,
            )  # fmt: skip
        return Run.open(self.shelf / name)

    def __call__(self, question: str, run: str | None = None, /, **options: Any) -> Finding:
        """Return the answer to a question of a run, or of the log without one; do not change it."""
        key = repr((question, run, sorted(options.items())))
        if key not in self._answers:
            self._answers[key] = analyse(
                question,
                None if run is None else self.run(run),
                None if "log" in options else self.world,
                keep=False,
                **options,
            )
        return self._answers[key]

    def row(self, most: int = 12) -> int:
        """Return the number of a test row with a history of up to `most` clicks."""
        part = self.world.split("test")
        length = part.history_spans[1].astype(int)
        return int(part.row[int((length * (length <= most)).argmax())])


@pytest.fixture(scope="session")
def asked(tiny_world: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Asked:
    return Asked(tiny_world, tmp_path_factory.mktemp("drawn"))
