"""HierRec: Scenario-Aware Hierarchical Dynamic Network for Multi-Scenario Recommendations."""

from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy
from msviz.papers.tile import EXPERIMENT, SHELF, Tile, Wants, of_study

HIERREC = Wants("hierrec")
# What the paper (batch, Adam) and its published code (learning rate, weight decay) train with.
TRAINING = {"batch_size": 2000, "optimiser": "adam", "learning_rate": 1e-3, "l2": 1e-6}
PARTS = PaperStudy(
    "Figure 4",
    "One head (-MI), without implicit layers (-I), without explicit layers (-E)",
    "hierrec",
    "demo-hierrec",
    variants=({}, {"heads": 1}, {"implicit": False}, {"explicit": False}),
)
STUDIES = (PARTS,)

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
    of_study(PARTS, title="What heads, implicit and explicit layers are worth"),
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

PAPER = Paper(name="HierRec", tiles=TILES, studies=STUDIES, training=TRAINING, place=4)
