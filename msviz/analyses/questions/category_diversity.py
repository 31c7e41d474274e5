"""How many categories people clicked, and how many a model would show them, scenario by scenario."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr
from pydantic import Field as Setting

from msviz.analyses.question import Question, QuestionOptions
from msviz.analyses.shared import ranking
from msviz.analyses.shared.behaviours import side
from msviz.errors import MsvizError, invalid
from msviz.finding import Finding, Provenance
from msviz.lazy import LazyModule
from msviz.run import Run
from msviz.statistics.comparison import adjust_p_values, student_p
from msviz.statistics.intervals import mean_interval, standard_error

if TYPE_CHECKING:
    from msviz.analyses.shared.behaviours import Array
    from msviz.probing.study import Study

special = LazyModule("scipy.special")

TITLE = "How varied is what the model would show, against what people click?"
ALL = "All scenarios"
CLICKED, CHANCE = "Clicked before", "Shown at random"
DAY = 86_400
LEVEL = 0.05


class CategoryDiversityOptions(QuestionOptions):
    """Of which field, for how many users, out of how many items, and against which other run."""

    field: str = Setting(
        "", description="field that past clicks carry; the first besides the item by default"
    )
    users: int = Setting(100, ge=2, le=5_000, description="users of each scenario")
    candidates: int = Setting(200, ge=2, le=10_000, description="items that can be shown, the same for all")
    top: int = Setting(10, ge=1, le=1_000, description="items that are shown, the best of the candidates")
    days: int = Setting(30, ge=1, le=3_650, description="past clicks of so many days are counted")
    requests: int = Setting(
        1, ge=1, le=20, description="each user's latest impressions, whose shown items are counted together"
    )
    other: str | None = Setting(None, description="path of a run to compare with, trained on the same data")
    most: int = Setting(12, ge=1, le=300, description="the largest scenarios, up to so many")


def analyse(study: Study, options: CategoryDiversityOptions) -> Finding:
    """Return how many different values of a field people clicked, and are shown by each model.

    `value`, `low`, `high` (scenario, who) over users, 95 %; `clicks` (scenario) the past clicks counted;
    `users` (scenario), `shown` (scenario) their requests on average, at most `requests`; `difference`
    (scenario) of the first run less the other, paired, with `p`, `q`. Who: the users' own clicks, the run,
    the other run, and what as many candidates drawn at random would give.
    Raises MsvizError where the log has no histories or the field is none that they carry.
    """
    title, click_field, column = _field(study, options.field)
    setting = ranking.Setting.of(study, options.users, options.candidates, options.most, options.requests)
    if len(setting.items) < options.top:
        raise invalid("top", options.top, f"at most the {len(setting.items)} candidates")
    other = _other(study, options.other)
    category = setting.items[:, column]
    ranked = {
        _name(study): _count_recommended(study, setting, category, options.top, (0.0, 0.5 if other else 1.0))
    }
    if other:
        name = _name(other)
        ranked[name if name not in ranked else f"{name} (2)"] = _count_recommended(
            other, setting, category, options.top, (0.5, 1.0)
        )
    clicked, clicks = _count_clicked(study, setting, click_field, options.days)
    counts = {CLICKED: clicked, **ranked}
    groups = [np.arange(len(setting.rows))] + [
        np.flatnonzero(setting.scenario == number) for number in range(len(setting.names))
    ]
    value, low, high = (np.full((len(groups), len(counts) + 1), np.nan) for _ in range(3))
    for number, distinct in enumerate(counts.values()):
        for place_of, members in enumerate(groups):
            bounds = mean_interval(distinct[members])
            value[place_of, number], low[place_of, number], high[place_of, number] = bounds
    list_size = (setting.requests >= 0).sum(1)
    chance = np.array(
        [diversity_at_random(category, options.top, number) for number in range(1, options.requests + 1)]
    )
    for place_of, members in enumerate(groups):
        value[place_of, -1] = low[place_of, -1] = high[place_of, -1] = chance[list_size[members] - 1].mean()
    data = xr.Dataset(
        {
            "value": (("scenario", "who"), value),
            "low": (("scenario", "who"), low),
            "high": (("scenario", "who"), high),
            "clicks": (("scenario",), np.array([clicks[members].mean() for members in groups])),
            "users": (("scenario",), np.array([len(members) for members in groups])),
            "shown": (("scenario",), np.array([list_size[members].mean() for members in groups])),
        },
        {"scenario": [ALL, *setting.names], "who": [*counts, CHANCE]},
        {
            "field": title, "top": options.top, "days": options.days, "candidates": len(setting.items),
            "requests": options.requests, "run": next(iter(ranked)),
            "other": list(ranked)[1] if other else "",
        },
    )  # fmt: skip
    if other:
        first, second = ranked.values()
        data = _compare(data, first, second, groups)
    return Finding(
        analysis="category_diversity",
        question=TITLE,
        takeaway=_words(data, ALL),
        data=data,
        provenance=Provenance(rows=len(setting.rows)),
        takeaways={name: _words(data, name) for name in setting.names},
    )


def _name(study: Study) -> str:
    return study.run.name if study.run else "this model"


def _field(study: Study, name: str) -> tuple[str, int, int]:
    """Return title, place among a click's fields, and column of the field that is counted."""
    columns = study.schema.behaviour_columns
    if not columns:
        raise MsvizError("category_diversity: this log has no past clicks")
    if not name and len(columns) < 2:
        raise MsvizError(
            "category_diversity: past clicks carry nothing but the item: name a field (field=...)"
        )
    click_field, column = side(study, name) if name else (1, columns[1])
    return study.schema.features[column].label, click_field, column


def _other(study: Study, path: str | None) -> Study | None:
    """Return the other run on the same rows; raise MsvizError where it does not fit."""
    if path is None:
        return None
    run = Run.peek(path)
    if run.card.data.fingerprint != study.dataset.fingerprint:
        raise invalid("other", run.name, f"it was not trained on {study.dataset.name}")
    return study.beside(run)


def _count_recommended(
    study: Study, setting: ranking.Setting, category: Array, top: int, share: tuple[float, float]
) -> Array:
    """Return how many different values (R,) the best candidates of each user's requests have together."""
    there = setting.requests >= 0
    best = ranking.best(study, setting, setting.requests[there], top, _name(study), share)
    owner = np.nonzero(there)[0]
    return np.array(
        [len(np.unique(category[best[owner == user]])) for user in range(len(setting.rows))], np.float64
    )


def _count_clicked(
    study: Study, setting: ranking.Setting, click_field: int, days: int
) -> tuple[Array, Array]:
    """Return how many different values (R,) each row's past clicks have in some days, and the clicks (R,)."""
    distinct, clicks = np.zeros(len(setting.rows)), np.zeros(len(setting.rows))
    for start in range(0, len(setting.rows), 4_096):
        histories = study.part.batch(setting.rows[start : start + 4_096], behaviours=True).histories
        assert histories is not None
        there = (histories.mask & (histories.age <= days * DAY)).numpy()
        values = histories.ids[:, :, click_field].numpy()
        for number in range(len(values)):
            distinct[start + number] = len(np.unique(values[number][there[number]]))
        clicks[start : start + len(values)] = there.sum(1)
    return distinct, clicks


def diversity_at_random(category: Array, top: int, requests: int = 1) -> float:
    """Return how many different values `top` candidates, drawn at random for each request, have on average.

    Σ over values of 1 - (C(N - n, top) / C(N, top)) ** requests, where n of N candidates have the value.
    """
    total, counts = len(category), np.unique(category, return_counts=True)[1]
    left = total - counts
    with np.errstate(invalid="ignore"):
        log = (
            special.gammaln(left + 1)
            - special.gammaln(left - top + 1)
            - special.gammaln(total + 1)
            + special.gammaln(total - top + 1)
        )
    return float((1 - np.where(left >= top, np.exp(log), 0.0) ** requests).sum())


def _compare(data: xr.Dataset, first: Array, second: Array, groups: list[Array]) -> xr.Dataset:
    """Add the difference of the two runs, paired by user, tested and corrected over scenarios."""
    columns: dict[str, list[float]] = {
        name: [] for name in ("difference", "difference_low", "difference_high", "p")
    }
    for members in groups:
        apart = (first - second)[members]
        mean, low, high = mean_interval(apart)
        error = standard_error(low, high)
        with np.errstate(divide="ignore", invalid="ignore"):
            # Student's t over users; two models that show everyone alike do not differ.
            p = student_p(mean / error, max(len(apart) - 1, 1)) if mean or error else 1.0
        for name, number in zip(columns, (mean, low, high, float(p)), strict=True):
            columns[name].append(number)
    arrays: dict[str, Any] = {name: (("scenario",), np.array(values)) for name, values in columns.items()}
    q = np.concatenate([columns["p"][:1], adjust_p_values(np.array(columns["p"][1:]))])
    return data.assign(**arrays, q=(("scenario",), q))


def _requests(here: xr.Dataset) -> str:
    """Return '' for one request, else how many of a user's are counted together."""
    if int(here.attrs["requests"]) == 1:
        return ""
    return f" for the latest {float(here['shown']):.1f} requests together"


def _words(data: xr.Dataset, scenario: str) -> str:
    """Tell what is clicked, what is shown, and how that compares with chance and with the other run."""
    here, about = data.sel(scenario=scenario), data.attrs
    what = about["field"].lower()

    def state(who: str) -> str:
        cell = here.sel(who=who)
        return f"{float(cell['value']):.1f} (95 %: {float(cell['low']):.1f}–{float(cell['high']):.1f})"

    words = (
        f"{'Over all scenarios' if scenario == ALL else f'In {scenario}'}, {int(here['users']):,} users "
        f"clicked "
        f"{state(CLICKED)} different values of {what} in {about['days']} days ({float(here['clicks']):.1f} "
        f"clicks "
        f"each). {about['run']} would show {state(about['run'])} among its best {about['top']} of "
        f"{about['candidates']} items{_requests(here)}; {about['top']} at random have "
        f"{float(here.sel(who=CHANCE)['value']):.1f}."
    )
    if not about["other"]:
        return words
    apart, sure = float(here["difference"]), float(here["q"]) <= LEVEL
    clear = f"{abs(apart):.1f} {'more' if apart > 0 else 'fewer'} than" if sure else "not clearly other than"
    return f"{words} That is {clear} {about['other']} ({state(about['other'])})."


QUESTION = Question(
    title=TITLE,
    options=CategoryDiversityOptions,
    analyse=analyse,
    version=2,
    needs=("prediction",),
)
