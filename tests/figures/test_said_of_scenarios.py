"""Pictures of scenarios, rows and users say what their findings hold, and findings what the log holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reading import heatmap, holds, hover, kind_of_scale, says, whiskers
from scipy.stats import binom

from msviz.dataset import SPLITS, Dataset
from msviz.figures import theme
from msviz.figures.pictures import category_diversity, data_overview, performance, sankey, scenario_similarity
from msviz.finding import Finding

Ask = Callable[..., Finding]
ALL = theme.ALL
Z = 1.959964


def wilson(low: float, high: float, clicks: float, rows: float) -> None:
    """Assert that bounds are Wilson's: where the rate lies Z of the bound's own standard errors away."""
    rate = clicks / rows
    for bound, side in ((low, -1), (high, 1)):
        assert side * (bound - rate) == pytest.approx(Z * (bound * (1 - bound) / rows) ** 0.5, abs=1e-5)


def columns(world: Dataset, split: str, *names: str) -> list[np.ndarray[Any, Any]]:
    """Return scenario, label and the values' names of fields of a split, or of all rows ("all")."""
    parts = [world.split(one) for one in (SPLITS if split == "all" else (split,))]
    found = [np.concatenate([getattr(part, name) for part in parts]) for name in ("scenario", "label")]
    for name in names:
        field, ids = world.schema.field(name), np.concatenate([part.column(name) for part in parts])
        found.append(np.array([field.value_name(number) for number in range(field.size)])[ids])
    return found


@pytest.mark.parametrize("field", [None, "price_band"])
def test_rows_and_click_rates(asked: Ask, tiny_world: Dataset, field: str | None) -> None:
    finding = asked("data_overview", field=field) if field else asked("data_overview")
    chosen = "Search" if field else None
    bars, dots = finding.figure(scenario=chosen).data
    split = finding.provenance.split
    scenario, label, *value = columns(tiny_world, split or "all", *([field] if field else []))
    low, high = whiskers(dots)
    number = tiny_world.schema.scenario_names.index("Search")
    for place, name in enumerate(bars.y):
        mine = (
            (scenario == number) & (value[0] == name)
            if field
            else scenario == tiny_world.schema.scenario_names.index(name)
        )
        rows, clicks = int(mine.sum()), int(label[mine].sum())
        says(hover(bars, place), f"{name}\n{rows:,} rows")
        if not rows:
            continue
        wilson(low[place], high[place], clicks, rows)
        bounds = f"95 %: {low[place]:.2%} to {high[place]:.2%}"
        says(hover(dots, place), f"{name}\n{clicks / rows:.2%} clicked\n{bounds}")
    every = label[scenario == number] if field else label
    assert finding.figure(scenario=chosen).layout.shapes[0].x0 == pytest.approx(every.mean())


@pytest.mark.parametrize("metric", ["auc", "logloss", "gauc", "bias"])
def test_metrics_of_one_run_beside_another(asked: Ask, metric: str) -> None:
    one, two = (asked("performance", name) for name in ("satrans", "autoint-4-1"))
    figure = one.figure(metric=metric, other=two)
    form = "+.1%" if metric == "bias" else ".3f"
    scopes = list(figure.layout.yaxis.ticktext)
    for finding, dots in zip((one, two), figure.data, strict=False):
        here = finding.data.sel(metric=metric)
        low, high = whiskers(dots)
        for place, scope in enumerate(dots.text):
            value, *ends, rows = (float(here[n].sel(scope=scope)) for n in ("value", "low", "high", "rows"))
            assert round(dots.y[place]) == scopes.index(scope)
            told = f"{value:{form}}\n95 %: {ends[0]:{form}} to {ends[1]:{form}}\n{rows:,.0f} rows"
            if np.isfinite([value, *ends]).all():
                says(hover(dots, place), f"{scope}, {finding.provenance.run}\n{told}")
                assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
                assert ends[0] <= value <= ends[1]
    best = one.data["best"].sel(metric=metric)
    marks = [trace for trace in figure.data if trace.name.startswith("best")]
    assert len(marks) == bool(np.isfinite(best).any())
    for trace in marks:
        for place, value in enumerate(best.values):
            if np.isfinite(value):
                says(hover(trace, place), f"best reachable {value:{form}}")


def test_how_alike_scenarios_are(asked: Ask) -> None:
    finding = asked("scenario_similarity", "satrans", rows=100)
    kinds = set()
    for measure in finding.data["measure"].values:
        for part in ("everything", "position 2"):
            here = finding.data.sel(measure=measure, part=part)
            if here["value"].isnull().all():
                continue
            trace = heatmap(finding.figure(measure=str(measure), part=part))
            assert list(trace.x) == list(trace.y)
            order = [list(here["scenario"].values).index(name) for name in trace.y]
            assert order == here["leaf"].values.tolist()
            for i, row in enumerate(trace.y):
                for j, column in enumerate(trace.x):
                    if i == j:
                        continue
                    value, low, high = (float(here[n].sel(scenario=row, other=column)) for n in
                                        ("value", "low", "high"))  # fmt: skip
                    said = hover(trace, i, j)
                    digits = len(said.split("\n")[1].split(" ")[0].partition(".")[2])
                    told = f"{value:.{digits}f} (95 %: {low:.{digits}f} to {high:.{digits}f})"
                    says(said, f"{row} and {column}\n{told}")
            z = np.asarray(trace.z)
            signed = bool(np.nanmin(z) < 0)
            holds(trace, middle=0 if signed else None)
            kinds.add((signed, kind_of_scale(trace)))
    assert {kind for _, kind in kinds} == {"diverging", "sequential"}


@pytest.mark.parametrize("run", ["optmsm", "same"])
def test_how_far_apart_vectors_lie(asked: Ask, run: str) -> None:
    finding = asked("representation", run, rows=200)
    data = finding.data
    for matrix in [name for name in ("cosine", "reaction") if name in data]:
        trace = heatmap(finding.figure(matrix=matrix))
        assert (trace.zmin, trace.zmax) == (0, 1)
        holds(trace)
        for i, row in enumerate(trace.y):
            for j, column in enumerate(trace.x):
                value, low, high = (float(data[f"{matrix}{end}"].sel(group=row, other=column)) for end in
                                    ("", "_low", "_high"))  # fmt: skip
                says(hover(trace, i, j), f"{row} and {column}\n{value:.2f}\n95 %: {low:.2f} to {high:.2f}")
    for measure, form in (("cosine", ".2f"), ("silhouette", ".2f"), ("probe", ".0%")):
        figure = finding.figure(view="numbers", measure=measure)
        dots, here = figure.data[0], data.sel(measure=measure)
        low, high = whiskers(dots)
        for place, group in enumerate(dots.text):
            names = ("number", "low", "high") if place == 0 else ("by_group", "by_group_low", "by_group_high")
            value, *ends = (float(here[n] if place == 0 else here[n].sel(group=group)) for n in names)
            assert (group == "All") == (place == 0)
            says(hover(dots, place), f"{group}\n{value:{form}}\n95 %: {ends[0]:{form}} to {ends[1]:{form}}")
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
            assert figure.layout.xaxis.range[0] <= low[place] and high[place] <= figure.layout.xaxis.range[1]
        lines = [shape.x0 for shape in figure.layout.shapes]
        wanted = {"silhouette": [0.0], "probe": [1 / data.sizes["group"]]}.get(measure, [])
        assert lines == pytest.approx(wanted)


def test_scenarios_side_by_side(asked: Ask) -> None:
    finding = asked("scenario_comparison", "satrans")
    data = finding.data
    figure = finding.figure()
    form = {"count": ",.0f", "percent": ".1%"}
    groups = list(dict.fromkeys(data["group"].values.tolist()))
    lines = [line for group in groups for line in np.flatnonzero(data["group"].values == group)]
    places: dict[tuple[int, int], list[tuple[float, float]]] = {}
    for column, name in enumerate(data["scenario"].values):
        usual, dots, written = (figure.data[3 * column + k] for k in range(3))
        ends = whiskers(dots)
        for place, line in enumerate(lines):
            part = data.isel(aspect=line)
            value, low, high = (float(part[n].sel(scenario=name)) for n in ("value", "low", "high"))
            kind = str(part["form"].item())

            def told(number: float, kind: str = kind) -> str:
                return f"{number:{form.get(kind, '.3f')}}".replace("%", " %")

            if not np.isfinite(value):
                assert written.text[place] == "–"
                continue
            wanted = f"{name}\n{part['aspect'].item()}: {told(value)}"
            wanted += f"\n95 %: {told(low)} to {told(high)}" if np.isfinite(low) else ""
            every = float(part["usual"])
            wanted += f"\nover all rows {told(every)}" if np.isfinite(every) else ""
            says(str(hover_text(dots, place, str(name))), wanted)
            says(written.text[place], told(value))
            # Inside a line all columns have one scale.
            points = [(value, dots.x[place]), (every, usual.x[place])]
            points += [(low, ends[0][place]), (high, ends[1][place])] if np.isfinite(low) else []
            places.setdefault((line, 0), []).extend(
                (number, float(x) - column) for number, x in points if np.isfinite(number)
            )
    for found in places.values():
        numbers, x = np.array(found).T
        assert (x > 0.1).all() and (x < 0.9).all()
        if np.ptp(numbers) > 0:
            slope, start = np.polyfit(numbers, x, 1)
            assert slope > 0
            np.testing.assert_allclose(slope * numbers + start, x, atol=2e-4)


def hover_text(dots: Any, place: int, name: str) -> str:
    """Return what is said at a dot of the comparison."""
    from reading import plain

    return plain(dots.hovertemplate.replace("%{text}", dots.text[place]))


def test_flows_hold_the_logs_rows_clicks_and_intervals(asked: Ask, tiny_world: Dataset) -> None:
    finding = asked("sankey", fields="gender,price_band")
    chosen = ["Search", "Flash sale"]
    scenario, label, gender, band = columns(tiny_world, "all", "gender", "price_band")
    number = {name: tiny_world.schema.scenario_names.index(name) for name in chosen}
    widths = {}
    for width in sankey.WIDTHS:
        flow, bar = finding.figure(scenarios=chosen, width=width).data
        link = flow.link
        rates = []
        for place, value in enumerate(link.value):
            source, target = (flow.node.customdata[side[place]] for side in (link.source, link.target))
            if source in chosen:
                mine = (scenario == number[source]) & (gender == target)
            else:
                mine = np.isin(scenario, list(number.values())) & (gender == source) & (band == target)
            rows, clicks = int(mine.sum()), int(label[mine].sum())
            low, high = link.customdata[place][3:]
            wilson(low, high, clicks, rows)
            said = f"{source} → {target}\n{clicks / rows:.1%} clicked (95 %: {low:.1%} to {high:.1%})"
            says(hover(flow, place), f"{said}\n{clicks:,} of {rows:,} rows")
            assert value == pytest.approx(
                {"rows": rows, "clicks": clicks, "click rate": clicks / rows}[width]
            )
            rates.append((clicks / rows, sum(map(int, link.color[place][5:].split(",")[:3]))))
        widths[width] = link.value
        # The darker, the more clicks, between the ends that the bar has.
        inside = sorted(rate for rate in rates if bar.marker.cmin <= rate[0] <= bar.marker.cmax)
        assert (np.diff([dark for _, dark in inside]) <= 0).all() and inside[0][1] > inside[-1][1]
        assert len(inside) >= 0.7 * len(rates)
        assert [tone for _, tone in bar.marker.colorscale] == list(sankey.SHADES)
    assert len({tuple(values) for values in widths.values()}) == 3


def test_answers_to_a_third_field(asked: Ask, tiny_world: Dataset) -> None:
    finding = asked("sub_scenarios", fields="gender,city_tier", on="price_band")
    for scenario in ("Search", "Home feed"):
        here = finding.data.sel(scenario=scenario)
        figure = finding.figure(scenario=scenario)
        trace = heatmap(figure)
        told = 0
        for i, first in enumerate(trace.y):
            for j, second in enumerate(trace.x):
                cell = here.sel(first=first, second=second)
                value, low, high = (100 * float(cell[n]) for n in ("answer", "low", "high"))
                if not np.isfinite(value):
                    continue
                bounds = f"(95 %: {low:+.1f} to {high:+.1f})"
                said = f"{first}, {second}\n{value:+.1f} points {bounds}\n{float(cell['rows']):,.0f} rows"
                says(hover(trace, i, j), said)
                told += 1
        assert told > 3
        holds(trace, beyond=0.05, middle=0)
        more, less = (
            ", ".join(here["third"].values[here["more"].values == side].tolist()) for side in (1, -1)
        )
        words = figure.layout.xaxis.title.text.replace("<br>", " ")
        assert f"More: Price band {more}" in words and f"Less: Price band {less}" in words
        assert "Home feed" in str(trace.colorbar.title.text) or scenario == "Search"


@pytest.mark.parametrize("view", ["dots", "bars"])
def test_categories_clicked_and_shown(asked: Ask, view: str) -> None:
    other = asked.run("autoint-4-1")  # type: ignore[attr-defined]
    finding = asked("category_diversity", "satrans", users=20, candidates=40, top=6, other=str(other.path))
    figure = finding.figure(view=view)
    names = list(figure.layout.yaxis.ticktext)
    assert [trace.name for trace in figure.data] == [
        "Clicked before",
        "satrans",
        "autoint-4-1",
        "Shown at random",
    ]
    for trace in figure.data[:-1]:
        here = finding.data.sel(who=trace.name)
        low, high = whiskers(trace)
        for place, scenario in enumerate(here["scenario"].values):
            value, *ends = (float(here[n].sel(scenario=scenario)) for n in ("value", "low", "high"))
            assert names[round(trace.y[place])] == scenario
            says(hover(trace, place), f"{trace.name}\n{value:.2f}")
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
    chance = figure.data[-1]
    for place, value in enumerate(finding.data["value"].sel(who="Shown at random").values):
        says(hover(chance, 3 * place), f"Shown at random: {value:.2f}")
        assert (chance.y[3 * place], chance.y[3 * place + 1]) == (place - 0.5, place + 0.5)


@pytest.mark.parametrize("by", ["period", "scenario"])
def test_how_users_click_rates_are_spread(asked: Ask, by: str) -> None:
    finding = asked("rate_distribution", draws=4, by=by)
    data = finding.data
    figure = finding.figure()
    for trace, group, line in zip(figure.data, data["group"].values, figure.layout.shapes, strict=True):
        here = data.sel(group=group)
        users = int(here["users"])
        assert trace.name == f"{group} ({users:,})"
        assert line.x0 == line.x1 == pytest.approx(float(here["mean"]))
        assert (here["share"] * here["rate"]).sum() == pytest.approx(float(here["mean"]), abs=1e-6)
        chance = binom.pmf(np.arange(5), 4, float(here["mean"]))
        for place, rate in enumerate(data["rate"].values):
            share, low, high = (float(here[n][place]) for n in ("share", "low", "high"))
            wilson(low, high, share * users, users)
            said = f"{group}: {share:.1%} of users click {rate:.0%}\n95 %: {low:.1%} to {high:.1%}"
            says(hover(trace, place), f"{said}\nby chance alone {chance[place]:.1%}")


@pytest.mark.parametrize("scenario", [None, "Search"])
def test_predictions_of_the_clicked_and_the_others(asked: Ask, scenario: str | None) -> None:
    finding = asked("impressions", "satrans", sample=2_000)
    data = finding.data
    inside = data["scenario"].values == scenario if scenario else np.ones(2_000, bool)
    for trace, name, label in zip(
        finding.figure(scenario=scenario).data, ("not clicked", "clicked"), (0, 1), strict=True
    ):
        mine = data["prediction"].values[inside & (data["label"].values == label)].astype(float)
        assert trace.name == f"{name} ({len(mine):,})"
        half = (trace.x[1] - trace.x[0]) / 2
        for place, middle in enumerate(trace.x):
            last = place == len(trace.x) - 1
            share = np.mean((mine >= middle - half) & ((mine < middle + half) | last))
            says(hover(trace, place), f"predicted {middle:.1%}\n{trace.y[place]:.1%} of those {name}")
            assert trace.y[place] == pytest.approx(share, abs=3 / len(mine)), "but for rounding at an edge"


LARGEST: dict[str, tuple[Any, str, str | None, dict[str, Any]]] = {
    "overview": (data_overview, "data_overview", None, {}),
    "performance": (performance, "performance", "satrans", {}),
    "similarity": (scenario_similarity, "scenario_similarity", "satrans", {"rows": 100}),
    "diversity": (
        category_diversity,
        "category_diversity",
        "satrans",
        {"users": 20, "candidates": 40, "top": 6},
    ),
}


@pytest.mark.parametrize("name", LARGEST)
def test_of_many_scenarios_the_largest_are_drawn(
    asked: Ask, tiny_world: Dataset, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, question, run, options = LARGEST[name]
    whole = asked(question, run, **options)
    split = whole.provenance.split or "all"
    count = np.bincount(columns(tiny_world, split)[0], minlength=6)[1:]
    if name == "diversity":
        count = whole.data["users"].values[1:]  # of each scenario as many users, where it has them
    held = {"performance": 3, "diversity": 3}.get(name, 2)  # with all scenarios together
    monkeypatch.setattr(module, "LIMIT", held)
    figure = whole.figure()
    drawn = list(figure.layout.yaxis.ticktext)
    names = tiny_world.schema.scenario_names[1:]
    order = np.argsort(-count, kind="stable")
    assert set(drawn) - {ALL} == {names[place] for place in order[:2]}
    assert f"{held} of" in figure.layout.xaxis.title.text.replace("<br>", " ")
