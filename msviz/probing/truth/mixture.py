"""How well a gate's daily weights follow the planted mixture of own taste and what is hot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from msviz.probing.truth import Score

Array = np.ndarray[Any, Any]
BLOCK = 7  # days drawn together, so that a resampled series keeps a week's memory
DRAWS = 500
APART = 7  # a shift by fewer days leaves most of a series where it was
EARLY = 3  # days before a promotion from which on a gate may notice it
OVERALL, UNSEEN = "All days", "Days held out"


def scores(
    days: Sequence[str], mean: Array, experts: Sequence[str], split: Sequence[str], time: Mapping[str, Any]
) -> list[Score]:
    """Return the scores of daily weights mean (D, E) of `experts` against the truth's `time`.

    Experts have no order and a weight may fall as well as rise, so the expert that follows best is taken,
    and chance is what the best one reaches when the days are shifted against each other. On held-out
    days the expert and its sign are those chosen on training days, so that chance is zero.
    """
    planted = dict(zip(time["days"], time["hot_share"], strict=True))
    hot = np.array([planted.get(day, np.nan) for day in days])
    defined = np.isfinite(hot) & np.isfinite(mean).all(1)
    if defined.sum() < 2 * APART or mean.shape[1] < 2:
        return []
    results = [_overall(mean[defined], hot[defined], experts)]
    results += _held_out(mean[defined], hot[defined], experts, np.array(split)[defined])
    best, sign = chosen(mean[defined], hot[defined])
    series = np.where(defined, sign * mean[:, best], np.nan)
    phase = dict(zip(time["days"], time["phase"], strict=True))
    normal = np.array([phase.get(day) == "normal" for day in days])
    results += [
        lag_score(days, series, normal, promotion, f"{experts[best]}", sign)
        for promotion in time["promotions"]
        if promotion["start"] in days and promotion["end"] in days
    ]
    return results


def correlations(mean: Array, hot: Array) -> Array:
    """Return the correlation of every expert's weight (D, E) with the share (D,); 0 where it stands still."""
    a, b = mean - mean.mean(0), hot - hot.mean()
    below = np.sqrt((a**2).sum(0) * (b**2).sum())
    return np.asarray(np.divide(b @ a, below, out=np.zeros(mean.shape[1]), where=below > 1e-12))


def chosen(mean: Array, hot: Array) -> tuple[int, float]:
    """Return the expert whose weight follows the share best, and whether it rises (1) or falls (-1)."""
    correlation = correlations(mean, hot)
    best = int(np.abs(correlation).argmax())
    return best, 1.0 if correlation[best] >= 0 else -1.0


def shifted(mean: Array, hot: Array) -> Array:
    """Return what the best expert reaches when days are shifted in a circle by a week or more (shifts,)."""
    shifts = range(APART, len(hot) - APART + 1)
    return np.array([np.abs(correlations(np.roll(mean, shift, 0), hot)).max() for shift in shifts])


def bootstrap(mean: Array, hot: Array, block: int = BLOCK) -> tuple[float, float]:
    """Return 95 % bounds of the best expert's correlation, from weeks drawn with replacement.

    Moving blocks (Künsch 1989), the expert chosen anew in every draw as it was in the data; 0 repeats.
    """
    draw = np.random.default_rng(0)
    block = min(block, max(2, len(hot) // 3))
    starts = draw.integers(0, len(hot) - block + 1, (DRAWS, -(-len(hot) // block)))
    days = (starts[..., None] + np.arange(block)).reshape(DRAWS, -1)[:, : len(hot)]
    strongest = [np.abs(correlations(mean[days_drawn], hot[days_drawn])).max() for days_drawn in days]
    low, high = np.quantile(strongest, (0.025, 0.975))
    return float(low), float(high)


def cross_lag(series: Array, hot: Array, most: int = APART) -> int:
    """Return by how many days a series (D,) comes after the share: the shift at which they agree best."""
    by_lag = {}
    for lag in range(-most, most + 1):
        later = series[lag:] if lag > 0 else series[: len(series) + lag]
        earlier = hot[: len(hot) - lag] if lag > 0 else hot[-lag:]
        by_lag[lag] = float(correlations(later[:, None], earlier)[0])
    # Of shifts that agree equally well, the smallest.
    return max(by_lag, key=lambda lag: (round(by_lag[lag], 9), -abs(lag)))


def notice(series: Array, normal: Array, start: int, end: int) -> int | None:
    """Return the days from a promotion's start to the first at which a series has moved half its way.

    series (D,), oriented so that it rises; `normal` (D,) marks the days it starts from; `start` and `end`
    (both included) are positions. The way goes from the median of the normal days to what a quarter of the
    promotion's days reach: a gate that comes late moves on the last days only, and is still moved on some
    normal ones. Negative where it moves early, None where the way is within three deviations of normal days.
    """
    usual = series[normal & np.isfinite(series)]
    base = np.median(usual)
    spread = 1.4826 * np.median(np.abs(usual - base))  # of a normal distribution, its deviation
    plateau = np.nanquantile(series[start : end + 1], 0.75)
    if not plateau - base > 3 * spread:
        return None
    first = max(0, start - EARLY)
    over = np.flatnonzero(series[first : end + 1] >= (base + plateau) / 2)
    return int(over[0]) + first - start


def _overall(mean: Array, hot: Array, experts: Sequence[str]) -> Score:
    best, sign = chosen(mean, hot)
    value = float(np.abs(correlations(mean, hot)).max())
    low, high = bootstrap(mean, hot)
    chance = float(np.median(shifted(mean, hot)))
    lag = cross_lag(sign * mean[:, best], hot)
    when = (
        "on the same day"
        if lag == 0
        else f"{abs(lag)} day{'s' * (abs(lag) > 1)} {'after' if lag > 0 else 'before'} it"
    )
    words = (
        f"The weight of {experts[best]}, the one of {len(experts)} that follows best, "
        f"{'rises' if sign > 0 else 'falls'} with the planted share of what is hot: correlation {value:.2f} "
        f"over {len(hot)} days (95 %: {low:.2f}–{high:.2f}), in step best {when}; the best expert reaches "
        f"{chance:.2f} by chance, when days are shifted."
    )
    return Score(OVERALL, value, low, high, chance, words, "correlation")


def _held_out(mean: Array, hot: Array, experts: Sequence[str], split: Array) -> list[Score]:
    """Return the score on days that training never saw; none where these or the others are few."""
    training = split == "train"
    if training.sum() < 2 * APART or (~training).sum() < 8:
        return []
    best, sign = chosen(mean[training], hot[training])
    there, share = sign * mean[~training, best, None], hot[~training]
    value = float(correlations(there, share)[0])
    draw = np.random.default_rng(0)
    block = 3
    starts = draw.integers(0, len(share) - block + 1, (DRAWS, -(-len(share) // block)))
    days = (starts[..., None] + np.arange(block)).reshape(DRAWS, -1)[:, : len(share)]
    low, high = np.quantile([correlations(there[drawn], share[drawn])[0] for drawn in days], (0.025, 0.975))
    words = (
        f"On {len(share)} days that training never saw, {experts[best]}, chosen on the other days, follows "
        f"the planted share with correlation {value:.2f} (95 %: {low:.2f}–{high:.2f}; 0 by chance)."
    )
    return [Score(UNSEEN, value, float(low), float(high), 0.0, words, "correlation")]


def lag_score(
    days: Sequence[str], series: Array, normal: Array, promotion: Mapping[str, Any], expert: str, sign: float
) -> Score:
    """Return after how many days the gate notices a promotion; NaN where it does not.

    Chance is the promotion's length: a gate that knows nothing notices nothing while it lasts.
    """
    number_of = {day: number for number, day in enumerate(days)}
    start, end = number_of[promotion["start"]], number_of[promotion["end"]]
    lag = notice(series, normal, start, end)
    name, length = str(promotion["name"]), end - start + 1
    if lag is None:
        words = f"{name}: in its {length} days the weight of {expert} stays within what normal days show."
        return Score(name, np.nan, np.nan, np.nan, float(length), words, "days")
    when = (
        "on its first day" if lag == 0
        else f"{abs(lag)} day{'s' * (abs(lag) > 1)} {'after its start' if lag > 0 else 'early'}"
    )  # fmt: skip
    way = "up" if sign > 0 else "down"
    words = f"{name}: {expert} has moved half its way {way} {when}."
    return Score(name, float(lag), np.nan, np.nan, float(length), words, "days")
