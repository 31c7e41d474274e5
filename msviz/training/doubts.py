"""What speaks against using a run, told at the end of its training and wherever runs are listed."""

from collections.abc import Iterator
from math import log
from typing import Any

LARGE_BIAS = 0.2  # of predicted clicks over clicks


def doubts(measures: dict[str, Any], rate: float, split: str) -> Iterator[str]:
    """Yield a sentence for each doubt about a run from the measures of all rows of a split (see `metrics`).

    `rate` is the click rate of the training rows: who always predicts it has some logloss too. Intervals are
    95 %, so that a small split raises no doubt by chance alone.
    """
    auc, logloss, bias = (measures[name] for name in ("auc", "logloss", "bias"))
    if auc["value"] is not None and auc["low"] is not None and auc["low"] <= 0.5:
        words = f"{auc['value']:.3f} (95 %: {auc['low']:.3f} to {auc['high']:.3f})"
        yield f"it ranks the rows of {split} no better than chance: AUC {words}"
    if logloss["value"] is not None and 0 < rate < 1:
        own = measures["clicks"] / measures["rows"]
        constant = -own * log(rate) - (1 - own) * log(1 - rate)
        if logloss["value"] >= constant:
            yield (
                f"it predicts {split} no better than the click rate of training alone: logloss "
                f"{logloss['value']:.4f} against {constant:.4f}"
            )
    if bias["value"] is not None and abs(bias["value"]) > LARGE_BIAS:
        sure = bias["low"] is None or bias["low"] > 0 or bias["high"] < 0
        if sure:
            more = "more" if bias["value"] > 0 else "fewer"
            yield f"it predicts {abs(bias['value']):.0%} {more} clicks than {split} had"
