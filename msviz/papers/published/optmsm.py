"""OptMSM: Optimizing Multi-Scenario Modeling for Click-Through Rate Prediction (ECML PKDD 2023)."""

from msviz.papers.paper import Paper
from msviz.papers.study import PaperStudy, without
from msviz.papers.tile import EXPERIMENT, SHELF, Tile, Wants, of_study

PARTS = ("priors", "constraint", "hypernetwork")
PLAIN = dict.fromkeys(PARTS, False)
# What the paper trains with; it tries learning rates from 0.01 to 0.00001.
TRAINING = {"batch_size": 2048, "optimiser": "adam", "learning_rate": 1e-3}
START = "demo-optmsm"
PRODUCTS = PaperStudy(
    "Table 5",
    "Over products of weights (fcn): without priors, constraint or hypernetwork",
    "optmsm",
    START,
    variants=without(*PARTS),
)
EXPERTS = PaperStudy(
    "Table 6",
    "Over shared and own experts (cgc): without priors, constraint or hypernetwork",
    "optmsm",
    START,
    base={"transfer": "cgc"},
    variants=without(*PARTS),
)
TRANSFERS = PaperStudy(
    "Figure 4",
    "Three ways to share, with the three parts and without any of them",
    "optmsm",
    START,
    variants=tuple({"transfer": kind, **parts} for kind in ("fcn", "moe", "cgc") for parts in ({}, PLAIN)),
    show="With and without",
)
STUDIES = (PRODUCTS, EXPERTS, TRANSFERS)
OPTMSM, FREE = Wants("optmsm", {"constraint": True}), Wants("optmsm", {"constraint": False})


TILES = (
    Tile(
        "Table 2",
        "Impressions, clicks and click rate of every scenario",
        "data_overview",
        "overview",
        run=OPTMSM,
        command=SHELF,
    ),
    Tile(
        "Table 3",
        "AUC and logloss of the models in every scenario",
        "runs_compared",
        "performance",
        {"performance_view": "Runs"},
        run=OPTMSM,
        command=SHELF,
    ),
    of_study(
        TRANSFERS,
        {"view": "pairs"},
        title="AUC with the three parts and without, over products, experts, shared and own experts",
        link={"performance_view": "Runs", "runs": "{runs}", "runs_show": "With and without"},
    ),
    of_study(
        TRANSFERS,
        {"view": "with and without"},
        label="Table 4",
        title="What the three parts add to the time of training, over the same three ways to share",
        analysis="model_cost",
        link={"performance_view": "Cost", "cost": "With and without"},
        note="Seconds of one pass over the rows, which early stopping does not change.",
    ),
    of_study(PRODUCTS),
    of_study(EXPERTS),
    Tile(
        "Figure 5",
        "Representations by scenario, with the orthogonal constraint and without, side by side",
        "projection",
        "representations",
        {"other": "{other}", "layout": "t-SNE"},
        {"method": "tsne", "other": "{other}"},
        run=OPTMSM,
        other=FREE,
        command=SHELF,
    ),
    Tile(
        "Figure 5, in numbers",
        "How far apart the scenarios' representations are",
        "representation",
        "representations",
        run=OPTMSM,
        command=SHELF,
    ),
    Tile(
        "Equation 5",
        "Which fields the gate lets through in every scenario",
        "feature_weights",
        "weights",
        {"weights": "Scenarios and fields"},
        choices={"view": "scenarios"},
        run=OPTMSM,
        command=SHELF,
    ),
    Tile(
        "Figure 7",
        "Daily relative lift in every scenario, over four weeks",
        "online_lift",
        "experiments",
        {"lift-view": "Days"},
        {"log": "{log}"},
        {"view": "days"},
        command=EXPERIMENT,
    ),
)

PAPER = Paper(name="OptMSM", tiles=TILES, studies=STUDIES, training=TRAINING, place=2)
