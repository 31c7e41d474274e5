"""SAME: Scenario Adaptive Mixture-of-Experts for Promotion-Aware Click-Through Rate Prediction."""

from msviz.papers._study import DEMO, Study
from msviz.papers._tile import EXPERIMENT, SHELF, Tile, Wants

# What the paper trains with.
TRAINING = {"optimiser": "adagrad", "learning_rate": 0.01, "batch_size": 256}
BASE = {**DEMO, "width": 32, "item_width": 16, "main_net": "64,32,16", "bias_net": "32,16,8"}
STUDIES = (
    Study(
        "Table IV", "AUC against the number of experts", "same", BASE, {"experts": (2, 3, 4, 5)}, show="Curve"
    ),
    Study(
        "Table II",
        "One expert (OSE), and one without LayerNorm on queries and keys (OSE-NoLN)",
        "same",
        BASE,
        variants=({}, {"experts": 1}, {"experts": 1, "norm": False}),
    ),
)


def _same(experts: int, norm: bool = True) -> Wants:
    return Wants("same", {"experts": experts, "norm": norm})


TILES = (
    Tile(
        "Figure 1",
        "Click rate by period",
        "rates_over_time",
        "gates",
        {"gates": "Rates"},
        run=_same(2),
        command=SHELF,
    ),
    Tile(
        "Table II",
        "AUC on promotion days and on normal days",
        "rates_over_time",
        "gates",
        {"gates": "Rates", "rates": "AUC by period"},
        choices={"view": "periods", "metric": "auc"},
        run=_same(2),
        command=SHELF,
        note="One run; give several seeds to the comparison of runs for their deviation.",
    ),
    Tile(
        "Table I",
        "Rows and click rate of every scenario",
        "data_overview",
        "overview",
        run=_same(2),
        command=SHELF,
    ),
    Tile(
        "Figure 3 (a)",
        "Weights of the gate, day by day",
        "gates_over_time",
        "gates",
        run=_same(2),
        command=SHELF,
    ),
    Tile(
        "Figure 3 (b)",
        "What two experts put out",
        "projection",
        "representations",
        {"layout": "t-SNE"},
        {"tap": "output", "method": "tsne"},
        run=_same(2),
        command=SHELF,
    ),
    *(
        Tile(
            f"Figure 4, {count} experts",
            f"What {count} experts put out",
            "projection",
            "representations",
            {"layout": "t-SNE"},
            {"tap": "output", "method": "tsne"},
            run=_same(count),
            command=SHELF,
        )
        for count in (3, 4, 5)
    ),
    Tile(
        "Table IV",
        "AUC against the number of experts",
        "runs_compared",
        "performance",
        {"performance_view": "Runs", "runs": "{runs}", "runs_show": "Curve"},
        {"runs": "{runs}"},
        {"view": "curve", "setting": "experts"},
        several=tuple(_same(count) for count in (2, 3, 4, 5)),
        command=SHELF,
        study="Table IV",
    ),
    Tile(
        "Figure 5 (a)",
        "Eight heads over one history, without LayerNorm on queries and keys",
        "behaviour_attention",
        "behaviours",
        {"row": "{row}", "other": "{other}"},
        {"row": "{row}"},
        run=_same(2, norm=False),
        other=_same(2),
        command=SHELF,
    ),
    Tile(
        "Figure 5 (b)",
        "Eight heads over the same history, with it",
        "behaviour_attention",
        "behaviours",
        {"row": "{row}", "other": "{other}"},
        {"row": "{row}"},
        run=_same(2),
        other=_same(2, norm=False),
        command=SHELF,
    ),
    Tile(
        "Table III",
        "Online lift by period",
        "online_lift",
        "experiments",
        {"lift-view": "Periods"},
        {"log": "{log}"},
        {"view": "periods"},
        command=EXPERIMENT,
    ),
)
