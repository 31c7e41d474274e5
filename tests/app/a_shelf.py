"""A small shelf for the app's tests: one planted world, two trained runs, and the answers pages read."""

from pathlib import Path

from msviz.analyses import analyse
from msviz.data._dataset import Dataset
from msviz.training.loop import Training, train

KEPT = ("performance", "attention_by_scenario", "impressions")


def build(folder: Path, world: Dataset) -> Path:
    """Train both models for one short epoch and keep their answers; return the models' folder."""
    models = folder / "models"
    small = {"satrans": {"layers": 2, "heads": 2}, "autoint": {"layers": 2, "heads": 2}}
    for model, values in small.items():
        run = train(
            model,
            world,
            models / f"tiny-{model}",
            values=values,
            training=Training(epochs=1, batch_size=1024, threads=1),
            report=lambda *told: None,
        )
        for name in KEPT:
            analyse(name, run, world)
    analyse("data_overview", None, world)
    small_fields = (f for f in world.schema.features if 4 <= f.size <= 32 and f.role != "scenario")
    analyse("data_overview", None, world, field=next(small_fields).name)
    return models
