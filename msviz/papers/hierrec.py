"""HierRec: Scenario-Aware Hierarchical Dynamic Network for Multi-Scenario Recommendations."""

from msviz.papers._study import DEMO, Study
from msviz.papers._tile import EXPERIMENT, SHELF, Tile, Wants, commands

HIERREC = Wants("hierrec")
# What the paper (batch, Adam) and its published code (learning rate, weight decay) train with.
TRAINING = {"batch_size": 2000, "optimiser": "adam", "learning_rate": 1e-3, "l2": 1e-6}
STUDIES = (
    Study(
        "Figure 4",
        "One head (-MI), without implicit layers (-I), without explicit layers (-E)",
        "hierrec",
        {**DEMO, "width": 8, "bottleneck": 8},
        variants=({}, {"heads": 1}, {"implicit": False}, {"explicit": False}),
    ),
)


def _train(**runs: str) -> str:
    """Return commands that train the demo's HierRec with settings changed."""
    return commands("hierrec --epochs 4 --set width=8 --set bottleneck=8", runs)


TILES = (
    Tile(
        "Table 1",
        "Rows and click rate of every scenario",
        "data_overview",
        "overview",
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Figure 2",
        "Rows and click rate inside a scenario, field by field",
        "sankey",
        "weights",
        {"weights": "Flow of rows"},
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Table 2",
        "AUC and logloss in every scenario and overall, with RelaImpr",
        "runs_compared",
        "performance",
        {"performance_view": "Runs"},
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Figure 4",
        "What heads, implicit and explicit layers are worth",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=(
            Wants("hierrec", {"heads": 4, "implicit": True, "explicit": True}),
            Wants("hierrec", {"heads": 1}),
            Wants("hierrec", {"implicit": False}),
            Wants("hierrec", {"explicit": False}),
        ),
        command=_train(
            one_head="heads=1", without_implicit="implicit=false", without_explicit="explicit=false"
        ),
        study="Figure 4",
    ),
    Tile(
        "Table 3",
        "Inference time over the whole test set",
        "model_cost",
        "performance",
        {"performance_view": "Cost", "cost": "Test set"},
        choices={"view": "test set"},
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Figure 6",
        "Weights of every head over the common fields",
        "feature_weights",
        "weights",
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Prediction bias",
        "Mean prediction over click rate, minus one, in every scenario",
        "performance",
        "performance",
        {"metric": "Bias"},
        choices={"metric": "bias"},
        run=HIERREC,
        command=SHELF,
    ),
    Tile(
        "Table 4 and Figure 5",
        "Online gains, by scenario",
        "online_lift",
        "experiments",
        {"lift-view": "Scenarios"},
        {"log": "{log}"},
        command=EXPERIMENT,
    ),
)
