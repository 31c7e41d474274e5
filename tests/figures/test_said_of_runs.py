"""Pictures of runs_compared, of vectors and of past clicks by scenario say what their findings hold."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from reading import d3, heatmap, holds, hover, kind_of_scale, says, whiskers

from msviz.figures import density, theme
from msviz.figures.pictures import controls, migration, model_cost, projection, runs_compared, tailoring
from msviz.finding import Finding

Ask = Callable[..., Finding]
ALL = theme.ALL
SHELF = ("autoint-4-2", "autoint-8-1", "autoint-8-2", "autoint-seed-1", "satrans", "optmsm", "optmsm-free")
HINTS = {"auc": "higher is better; 0.5 is chance", "logloss": "lower is better",
         "gauc": "higher is better; 0.5 is chance",
         "bias": "0 is right; above 0, clicks are over-predicted"}  # fmt: skip


@pytest.fixture(scope="module")
def others(asked: Any) -> str:
    return ",".join(str(asked.run(name).path) for name in SHELF)


@pytest.fixture(scope="module", params=[False, True], ids=["read", "paired"])
def compared(asked: Ask, others: str, request: pytest.FixtureRequest) -> Finding:
    if not request.param:
        return asked("runs_compared", "autoint-4-1", runs=others)
    return asked("runs_compared", "autoint-4-1", runs=others, paired=True, rows=2_000)


@pytest.mark.parametrize("metric", ["auc", "logloss", "gauc", "bias"])
def test_a_table_of_runs_is_blue_where_a_run_is_better(compared: Finding, metric: str) -> None:
    data = compared.data.sel(metric=metric)
    trace = heatmap(compared.figure(metric=metric))
    first = data["value"].values[0]
    assert trace.y[0].startswith("autoint") and "autoint-4-1" in trace.y[0]
    better = 0
    for i, run in enumerate(trace.y):
        for j, scope in enumerate(trace.x):
            here = data.sel(run=run, scope=scope)
            value, apart = float(here["value"]), float(here["difference"])
            if not np.isfinite([value, apart]).all():
                continue
            assert apart == pytest.approx(value - first[j], abs=2e-4)
            good = {"auc": apart, "gauc": apart, "logloss": -apart}.get(metric, abs(first[j]) - abs(value))
            assert float(trace.z[i][j]) == pytest.approx(good, abs=2e-4)
            better += good > 1e-3
            ends = [
                float(here[f"difference_{end}"]) for end in ("low", "high") if f"difference_{end}" in here
            ]
            sure = f" (95 %: {ends[0]:+.4f} to {ends[1]:+.4f})" if ends and np.isfinite(ends).all() else ""
            number = f"{value:+.1%}" if metric == "bias" else f"{value:.4f}"
            said = f"{run}, {scope}\n{number} ({HINTS[metric]})\ndifference {apart:+.4f}{sure}"
            says(hover(trace, i, j), said)
            clear = bool(here["significant"]) if "significant" in here else False
            assert trace.text[i][j].endswith(" •") == clear
            says(trace.text[i][j].removesuffix(" •"), f"{value:+.1%}" if metric == "bias" else f"{value:.3f}")
    assert better
    holds(trace, middle=0)
    assert (
        kind_of_scale(trace) == "diverging, turned"
        and "blue where the run is better" in runs_compared.HOW_TO_READ
    )


@pytest.mark.parametrize("metric", ["auc", "logloss", "gauc", "bias"])
def test_a_list_of_runs_has_the_best_on_top(compared: Finding, metric: str) -> None:
    figure = compared.figure(metric=metric, view="list")
    dots, data = figure.data[0], compared.data.sel(metric=metric, scope=ALL)
    low, high = whiskers(dots)
    form = "+.1%" if metric == "bias" else ".3f"
    for place, run in enumerate(dots.y):
        here = data.sel(run=run)
        value, *ends = (float(here[name]) for name in ("value", "low", "high"))
        bounds = f"95 %: {ends[0]:{form}} to {ends[1]:{form}}\nseeds: {int(here['seeds'])}"
        says(hover(dots, place), f"{run} ({here['changes'].item()})\n{value:{form}}\n{bounds}")
        if np.isfinite(ends).all():
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
    order = np.asarray(dots.x, float) * {"auc": -1, "gauc": -1}.get(metric, 1)
    assert (np.diff(np.abs(order) if metric == "bias" else order) >= 0).all()
    assert figure.layout.shapes[0].x0 == pytest.approx(float(data["value"][0]))


@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_one_setting_along_a_curve_and_two_in_a_grid(compared: Finding, metric: str) -> None:
    data = compared.data.sel(metric=metric, scope=ALL)
    place = {name: number for number, name in enumerate(data["setting"].values.tolist())}
    assert {"width", "layers"} <= set(place)
    settings = {str(run): data["settings"].values[n] for n, run in enumerate(data["run"].values)}
    for setting, fixed in (("width", "layers"), ("layers", "width")):
        line = compared.figure(metric=metric, view="curve", setting=setting).data[0]
        low, high = whiskers(line, "y")
        assert len(line.x) == 2 and len({settings[run][place[fixed]] for run in line.text}) == 1
        for number, run in enumerate(line.text):
            here = data.sel(run=run)
            assert settings[run][place[setting]] == line.x[number]
            value, *ends = (float(here[name]) for name in ("value", "low", "high"))
            told = f"{setting} {line.x[number]} ({run})\n{value:.3f}\n95 %: {ends[0]:.3f} to {ends[1]:.3f}"
            says(hover(line, number), told)
            assert (low[number], high[number]) == pytest.approx(ends, abs=1e-5)
    trace = heatmap(compared.figure(metric=metric, view="grid", setting="width", second="layers"))
    best, darkest = None, -np.inf
    for i, width in enumerate(trace.y):
        for j, layers in enumerate(trace.x):
            run = next(name for name, mine in settings.items() if name.startswith("autoint")
                       and (mine[place["width"]], mine[place["layers"]]) == (width, layers))  # fmt: skip
            here = data.sel(run=run)
            value, *ends = (float(here[name]) for name in ("value", "low", "high"))
            seeds = f"seeds: {int(here['seeds'])}"
            bounds = f"95 %: {ends[0]:.3f} to {ends[1]:.3f}"
            says(hover(trace, i, j), f"width {width}, layers {layers}\n{value:.3f}\n{bounds}\n{seeds}")
            says(trace.text[i][j], f"{value:.3f}")
            good = -value if metric == "logloss" else value
            best = good if best is None else max(best, good)
            darkest = max(darkest, float(trace.z[i][j]))
    assert darkest == pytest.approx(best, rel=1e-5), "dark is better"
    holds(trace)


def test_a_ring_is_without_and_a_dot_is_with(compared: Finding) -> None:
    data = compared.data.sel(metric="auc")
    line, ring, dot = compared.figure(metric="auc", view="pairs").data
    # The setting that is on in one of the two and off in the other is the constraint.
    value = {name: data["value"].sel(run=name).values for name in ("optmsm", "optmsm-free")}
    for trace, name, word in ((ring, "optmsm-free", "without"), (dot, "optmsm", "with")):
        for place, scope in enumerate(data["scope"].values):
            apart = value["optmsm"][place] - value["optmsm-free"][place]
            told = f"{name}\n{value[name][place]:.3f} ({word})\nwith less without: {apart:+.4f}"
            says(hover(trace, place), told)
            assert compared.figure(view="pairs").layout.yaxis.ticktext[round(trace.y[place])] == scope
    assert ring.marker.color == theme.PAPER != dot.marker.color
    np.testing.assert_allclose(line.x[::3], value["optmsm-free"], rtol=1e-6)
    np.testing.assert_allclose(line.x[1::3], value["optmsm"], rtol=1e-6)


@pytest.fixture(scope="module")
def costs(asked: Ask, others: str) -> Finding:
    return asked("model_cost", "autoint-4-1", runs=others, rows=300)


@pytest.mark.parametrize("view", list(model_cost.BARS))
def test_costs_are_bars_of_their_runs(costs: Finding, view: str) -> None:
    variable = {
        "predicting": "rate", "test set": "test_seconds", "training": "train_rate",
        "training time": "train_seconds", "memory": "memory", "parameters": "parameters",
    }[view]  # fmt: skip
    bars, data = costs.figure(view=view).data[0], costs.data
    assert len(bars.y) == data.sizes["run"]
    for place, run in enumerate(bars.y):
        value = float(data[variable].sel(run=run))
        said = hover(bars, place)
        assert said == f"{run} ({data['model'].sel(run=run).item()})\n{d3(np.float32(value), ',.4~s')}"
        if view == "predicting":
            low, high = whiskers(bars)
            ends = [float(data[name].sel(run=run)) for name in ("rate_low", "rate_high")]
            assert (low[place], high[place]) == pytest.approx(ends, rel=1e-4)
    assert (np.diff(np.nan_to_num(bars.x, nan=0)) <= 0).all(), "the largest on top"


def test_costs_with_and_without_and_as_scenarios_grow(costs: Finding) -> None:
    data = costs.data
    without, with_ = costs.figure(view="with and without").data
    for trace, word in ((without, "without"), (with_, "with")):
        for place, pair in enumerate(trace.y):
            value = float(data[f"{word}_seconds"].sel(pair=pair))
            assert hover(trace, place) == f"{pair}, {word}\n{d3(np.float32(value), ',.4~s')} s"
            increase = float(data["with_seconds"].sel(pair=pair) / data["without_seconds"].sel(pair=pair) - 1)
            says(trace.text[place], f"{increase:+.1%}" if word == "with" else "")
    figure = costs.figure(view="growth")
    drawn: set[str] = set()
    for trace in figure.data:
        alike = hover(trace, 0).split("\n")[0].split(", ")
        drawn |= set(alike)
        for run in alike:
            for place, scenarios in enumerate(data["scenarios"].values):
                value = float(data["growth"].sel(run=run)[place])
                told = f"{scenarios:,} scenarios: {d3(np.float32(value), ',.4~s')} parameters"
                assert hover(trace, place) == f"{', '.join(alike)}\n{told}"
    assert drawn == set(data["run"].values.tolist())
    own = int(data["parameters"].sel(run="satrans"))
    assert own in data["growth"].sel(run="satrans").values.astype(int) or 5 not in data["scenarios"].values


def test_controls_are_correlations_with_what_is_drawn(asked: Any) -> None:
    other = str(asked.run("satrans-seed-1").path)
    options = {"question": "attention_by_scenario", "rows": 300, "other": other, "options": ""}
    finding = asked("controls", "satrans", **options)
    drawn = finding.figure(by="scenario", entries={"layer": "2"})
    marks = dict(zip(("untrained", "another seed"), drawn.data, strict=True))
    mean = {
        name: asked("attention_by_scenario", name, rows=300).data["mean"]
        for name in ("satrans", "satrans-seed-1")
    }
    assert "satrans-seed-1" in marks["another seed"].name and "untrained" in marks["untrained"].name
    for control, trace in marks.items():
        here = finding.data.sel(control=control, layer="2", head="mean of heads")
        for place, scenario in enumerate(trace.y):
            one = here.sel(scenario=scenario)
            r, cells = float(one["r"]), int(one["cells"])
            says(hover(trace, place), f"{scenario}\ncorrelation {r:.2f} over {cells:,} cells")
            if control == "another seed":
                at = {"scenario": scenario, "layer": "2", "head": "mean of heads"}
                sides = [mean[name].sel(at).values.ravel() for name in mean]
                assert r == pytest.approx(np.corrcoef(*sides)[0, 1], abs=1e-3) and cells == 21 * 21
    lines = sorted(shape.x0 for shape in drawn.layout.shapes)
    assert lines == [0.5, 0.9] and "much the same, and the same" in controls.HOW_TO_READ


@pytest.mark.parametrize("colour", ["Scenario", "Kind of vector", "Clicked", "Price band", None])
def test_dots_are_told_by_their_group(asked: Any, colour: str | None) -> None:
    finding = asked("projection", "optmsm", points=400)
    data, schema = finding.data, asked.world.schema
    figure = finding.figure(colour=colour, schema=schema)
    seen = np.zeros(data.sizes["point"], int)
    for trace in figure.data:
        said = hover(trace, 0)
        points = np.asarray(trace.customdata)
        seen[points] += 1
        np.testing.assert_allclose(trace.x, data["layout"].values[points, 0])
        np.testing.assert_allclose(trace.y, data["layout"].values[points, 1])
        assert trace.name == f"{theme.short(said)} ({len(points):,})"
        for point in points[::7]:
            of = int(data["of"][point])
            name = {
                "Scenario": str(data["scenario"].values[of]),
                "Clicked": "clicked" if data["label"].values[of] else "not clicked",
                "Price band": schema.field("Price band").value_name(
                    int(data["value"].sel(field="Price band")[of])
                ),
            }.get(colour or "", str(data["name"].values[int(data["entry"][point])]))
            assert said == name
    assert (seen == 1).all()


def test_dots_are_shaded_by_prediction(asked: Any) -> None:
    data = asked("projection", "optmsm", points=400).data
    trace = asked("projection", "optmsm", points=400).figure(colour="Predicted click probability").data[0]
    prediction = data["prediction"].values[data["of"].values]
    for place in range(0, len(trace.x), 11):
        says(hover(trace, place), f"predicted {prediction[trace.customdata[place]]:.1%}")
    assert trace.marker.cmin == 0 and 0.0 < (prediction > trace.marker.cmax).mean() <= 0.021


def test_two_runs_layouts_are_of_the_same_impressions_in_the_same_colours(asked: Any) -> None:
    other = str(asked.run("hierrec").path)
    finding = asked("projection", "optmsm", points=400, other=other)
    data = finding.data
    figure = finding.figure(colour="Scenario")
    colours: dict[str, set[str]] = {}
    for trace in figure.data:
        layout, of = ("layout", "of") if trace.xaxis == "x" else ("other_layout", "other_of")
        points = np.asarray(trace.customdata)
        np.testing.assert_allclose(trace.x, data[layout].values[points, 0])
        scenario = set(data["scenario"].values[data[of].values[points]].tolist())
        assert scenario == {hover(trace, 0)}
        colours.setdefault(hover(trace, 0), set()).add(trace.marker.color)
    assert all(len(tones) == 1 for tones in colours.values())
    assert [note.text for note in figure.layout.annotations] == ["<b>optmsm</b>", "<b>hierrec</b>"]
    ends = figure.layout.xaxis.range
    both = np.concatenate([data["layout"].values[:, 0], data["other_layout"].values[:, 0]])
    assert ends == figure.layout.xaxis2.range and ends[0] < both.min() and both.max() < ends[1]


def test_a_raster_counts_vectors_and_its_bar_says_how_many(asked: Any) -> None:
    layout = asked("projection", "optmsm", points=400).data["layout"].values
    trace = density.draw(asked("projection", "optmsm", points=400)).data[0]
    wide = [trace.dx, trace.dy]
    place = np.round((layout - [trace.x0, trace.y0]) / wide).astype(int).clip(0, density.CELLS - 1)
    count = np.zeros((density.CELLS, density.CELLS))
    np.add.at(count, (place[:, 1], place[:, 0]), 1)
    z = np.asarray(trace.z, float)
    assert ((z > 0) == (count > 0)).mean() > 0.9999
    # What a tick of the bar says is what a square of that shade holds.
    ticks = {text: at for at, text in zip(trace.colorbar.tickvals, trace.colorbar.ticktext, strict=True)}
    assert ticks["1"] == 1 and trace.colorbar.title.text.startswith("Vectors in a square (400 in all)")
    ten = ticks["10"]
    for one in np.unique(count[count > 0]):
        # Ten times as many is as many shades more everywhere.
        wanted = 1 + np.log10(one) * (ten - 1)
        assert np.abs(z[(count == one) & (z > 0)] - wanted).min() <= 1
    assert (trace.zmin, trace.zmax) == (0, 255)


def test_two_starts_have_the_colours_of_the_first(asked: Ask) -> None:
    finding = asked("projection_agreement", "optmsm", points=60, method="tsne")
    first, second = finding.figure().data
    for trace, start in zip((first, second), (0, 1), strict=True):
        np.testing.assert_allclose(trace.x, finding.data["layout"].values[start, :, 0])
        np.testing.assert_allclose(trace.y, finding.data["layout"].values[start, :, 1])
    shade = np.asarray(first.marker.color)
    assert list(shade) == list(second.marker.color)
    assert (np.diff(shade[np.argsort(first.x)]) > 0).all() and (shade.min(), shade.max()) == (0, 1)


@pytest.mark.parametrize("view", ["beyond even", "share", "change"])
def test_whose_clicks_count_where(asked: Ask, view: str) -> None:
    method = "removal" if view == "change" else "attention"
    finding = asked("migration", "sainet", method=method, rows=1_500)
    data = finding.data
    keys, less, form = {
        "beyond even": (("lift", "lift_low", "lift_high"), 1, "+.0%"),
        "share": (("mass", "mass_low", "mass_high"), 0, ".1%"),
        "change": (("difference", "low", "high"), 0, "+.2f"),
    }[view]
    trace = heatmap(finding.figure(view=view))
    told = 0
    for i, target in enumerate(trace.y):
        for j, source in enumerate(trace.x):
            cell = data.sel(target=target, source=source)
            value, *ends = (float(cell[key]) - less for key in keys)
            if not np.isfinite([value, *ends]).all() or not cell["holding"]:
                continue
            said = f"Clicks from {source}, shown in {target}\n{value:{form}} (95 %: {ends[0]:{form}} to "
            says(
                hover(trace, i, j),
                f"{said}{ends[1]:{form}})\n{int(cell['holding']):,} rows with such a click",
            )
            assert trace.text[i][j].startswith("(") != bool(cell["significant"])
            says(trace.text[i][j].strip("()").replace("−", "-").lstrip("+"), f"{value:{form}}".lstrip("+"))
            told += 1
    assert told > 10
    holds(trace, beyond=0.01, middle=None if view == "share" else 0)
    assert view == "share" or kind_of_scale(trace) == "diverging"
    figure = finding.figure(view=view, scenario="Search")
    even = figure.data[-1] if view == "share" else None
    for dot in [one for one in figure.data if one is not even]:
        cell = data.sel(target="Search", source=dot.y[0])
        value, *ends = (float(cell[key]) - less for key in keys)
        says(hover(dot, 0), f"{dot.y[0]}: {value:{form}}")
        low, high = whiskers(dot)
        assert (low[0], high[0]) == pytest.approx(ends, abs=1e-5)
        if even is not None:
            place = list(even.y).index(dot.y[0])
            says(hover(even, place), f"{dot.y[0]}, even share: {float(cell['even']):.1%}")


def test_gates_on_clicks_are_told_with_what_is_usual(asked: Ask) -> None:
    data = asked("tailoring", "sainet").data.isel(layer=0)
    trace = heatmap(asked("tailoring", "sainet").figure())
    for i, target in enumerate(trace.y):
        for j, source in enumerate(trace.x):
            cell = data.sel(target=target, source=source)
            value, low, high = (float(cell[name]) for name in ("mean", "low", "high"))
            if not np.isfinite(value):
                continue
            usual = float(data["usual"].sel(source=source))
            bounds = f"(95 %: {low:.3f} to {high:.3f})"
            apart = f"{value - usual:+.3f} from the usual"
            said = f"Clicks from {source}, shown in {target}\n{value:.3f} {bounds}\n{apart}"
            says(hover(trace, i, j), said)
            assert trace.text[i][j].startswith("(") != bool(cell["significant"])
            says(trace.text[i][j].strip("()"), f"{value:.2f}")
    holds(trace, beyond=0.01, middle=0)
    units = heatmap(asked("tailoring", "sainet").figure(view="units"))
    apart = [float(data["apart"].sel(unit=data["unit"].values[[str(u) for u in data["unit"].values].index(
        name.removeprefix("Unit "))])) for name in units.y]  # fmt: skip
    assert (np.diff(apart) <= 1e-7).all(), "those that scenarios move most come first"
    rows = data["rows"].values
    for i, name in enumerate(units.y):
        mean = data["unit_mean"].values[
            ..., [str(u) for u in data["unit"].values].index(name.removeprefix("Unit "))
        ]
        usual = np.nansum(mean * rows) / rows.sum()
        for j, target in enumerate(units.x):
            value = float(mean[list(data["target"].values).index(target)])
            says(hover(units, i, j), f"{name} in {target}\n{value:.2f}, {value - usual:+.2f} from its mean")
    holds(units, beyond=0.01, middle=0)


@pytest.mark.parametrize("module", [migration, tailoring])
def test_of_many_scenarios_those_with_most_rows_are_drawn(
    asked: Ask, module: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = {"method": "attention", "rows": 1_500} if module is migration else {}
    finding = asked("migration" if module is migration else "tailoring", "sainet", **options)
    monkeypatch.setattr(module, "LIMIT", 2)
    trace = heatmap(finding.figure())
    data = finding.data if module is migration else finding.data.isel(layer=0)
    rows = data["rows"].values
    assert list(trace.y) == data["target"].values[np.sort(np.argsort(-rows)[:2])].tolist()
    holding = data["holding"].sum("target").values if module is migration else None
    if holding is not None:
        assert list(trace.x) == data["source"].values[np.sort(np.argsort(-holding)[:2])].tolist()


def test_of_many_groups_of_dots_the_largest_have_a_colour(
    asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projection, "GROUPS", 3)
    finding = asked("projection", "satrans", points=200)
    names, count = np.unique(finding.data["scenario"].values[finding.data["of"].values], return_counts=True)
    largest = set(names[np.argsort(-count, kind="stable")[:2]])
    shown = {hover(trace, 0) for trace in finding.figure(colour="Scenario").data}
    assert shown == {projection.REST, *largest}
