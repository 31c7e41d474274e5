"""A small shelf for the app: one planted world, a tiny run of every model, and the answers pages read."""

from pathlib import Path

from small_settings import small_settings

from msviz.analyses.run import analyse
from msviz.analyses.snapshots import SnapshotMaker
from msviz.dataset import Dataset
from msviz.registry import MODELS
from msviz.run import Run
from msviz.training.loop import Training, train

KEPT = ("performance", "attention_by_scenario", "impressions")
# Only these have findings kept; the newest, tiny-satrans, is the one that pages open with.
KEPT_OF = ("tiny-autoint", "tiny-satrans")
# Only these were looked at while they were trained, so many times after the first.
WATCHED, FRAMES = ("tiny-same", "tiny-satrans"), 3
# In the order in which they are trained; models that are not named here come before.
SMALL: dict[str, dict[str, object]] = {
    "tiny-optmsm": {"width": 4, "hidden": "8,4"},
    "tiny-hierrec": {"width": 4, "heads": 2, "bottleneck": 4},
    "tiny-sainet": {"width": 4, "blocks": 1, "heads": 2, "hidden": "8"},
    "tiny-same": {
        "width": 8,
        "item_width": 4,
        "heads": 2,
        "main_net": "8,4",
        "bias_net": "8,4",
        "experts": 2,
    },
    "tiny-autoint": {"layers": 2, "heads": 2},
    "tiny-satrans": {"layers": 2, "heads": 2},
}


def build(folder: Path, world: Dataset) -> Path:
    """Train each model for one short epoch and keep the first pages' answers; return the models' folder."""
    models = folder / "models"
    others = [model for model in MODELS.names() if f"tiny-{model}" not in SMALL]
    for name in (*(f"tiny-{model}" for model in others), *SMALL):
        run = _trained(name, world, models)
        if name in KEPT_OF:
            for question in KEPT:
                analyse(question, run, world)
    analyse("data_overview", None, world)
    small_fields = (f for f in world.schema.features if 4 <= f.size <= 32 and f.role != "scenario")
    analyse("data_overview", None, world, field=next(small_fields).name)
    return models


def _trained(name: str, world: Dataset, models: Path) -> Run:
    model = name.removeprefix("tiny-")
    return train(
        model,
        world,
        models / name,
        values=SMALL.get(name) or small_settings(model),
        training=Training(epochs=1, batch_size=1024, threads=1),
        report=lambda *told: None,
        watch=SnapshotMaker(FRAMES) if name in WATCHED else None,
    )
