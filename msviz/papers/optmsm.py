"""OptMSM: Optimizing Multi-Scenario Modeling for Click-Through Rate Prediction (ECML PKDD 2023)."""

from msviz.papers._study import DEMO, Study, without
from msviz.papers._tile import EXPERIMENT, SHELF, Tile, Wants, commands

PARTS = ("priors", "constraint", "hypernetwork")
PLAIN = dict.fromkeys(PARTS, False)
# What the paper trains with; it tries learning rates from 0.01 to 0.00001.
TRAINING = {"batch_size": 2048, "optimiser": "adam", "learning_rate": 1e-3}
BASE = {**DEMO, "width": 8, "hidden": "128,64,32"}
STUDIES = (
    Study(
        "Table 5",
        "Over products of weights (fcn): without priors, constraint or hypernetwork",
        "optmsm",
        BASE,
        variants=without(*PARTS),
    ),
    Study(
        "Table 6",
        "Over shared and own experts (cgc): without priors, constraint or hypernetwork",
        "optmsm",
        {**BASE, "transfer": "cgc"},
        variants=without(*PARTS),
    ),
    Study(
        "Figure 4",
        "Three ways to share, with the three parts and without any of them",
        "optmsm",
        BASE,
        variants=tuple(
            {"transfer": kind, **parts} for kind in ("fcn", "moe", "cgc") for parts in ({}, PLAIN)
        ),
    ),
)
OPTMSM, FREE = Wants("optmsm", {"constraint": True}), Wants("optmsm", {"constraint": False})


def _train(**runs: str) -> str:
    """Return commands that train the demo's OptMSM with settings changed."""
    return commands("optmsm --epochs 4 --set width=8 --set hidden=128,64,32", runs)


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
    Tile(
        "Figure 4",
        "OptMSM over three ways to share: products, experts, shared and own experts",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=tuple(
            Wants("optmsm", {"transfer": kind, "constraint": True}) for kind in ("fcn", "moe", "cgc")
        ),
        command=_train(moe="transfer=moe", cgc="transfer=cgc"),
        study="Figure 4",
    ),
    Tile(
        "Table 4",
        "What training costs with and without",
        "model_cost",
        "performance",
        {"performance_view": "Cost", "cost": "Training time"},
        choices={"view": "training time"},
        run=OPTMSM,
        other=FREE,
        command=SHELF,
    ),
    Tile(
        "Tables 5 and 6",
        "What each part is worth: priors, constraint, hypernetwork",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}"},
        {"runs": "{runs}"},
        several=(
            Wants("optmsm", {"priors": True, "constraint": True, "hypernetwork": True}),
            Wants("optmsm", {"priors": False}),
            FREE,
            Wants("optmsm", {"hypernetwork": False}),
        ),
        command=_train(without_priors="priors=false", without_hypernetwork="hypernetwork=false"),
        study="Table 5",
    ),
    Tile(
        "Figure 5, with the constraint",
        "Representations by scenario",
        "projection",
        "representations",
        {"other": "{other}", "layout": "t-SNE"},
        {"method": "tsne"},
        run=OPTMSM,
        other=FREE,
        command=SHELF,
    ),
    Tile(
        "Figure 5, without",
        "Representations by scenario, without the orthogonal constraint",
        "projection",
        "representations",
        {"other": "{other}", "layout": "t-SNE"},
        {"method": "tsne"},
        run=FREE,
        other=OPTMSM,
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
