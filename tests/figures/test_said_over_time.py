"""Pictures over time say what their findings hold; bands are what words call them."""

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reading import heatmap, hover, says, whiskers

from msviz.dataset import SPLITS, Dataset
from msviz.figures import ridges, theme
from msviz.figures.pictures import gates_over_time, online_lift, rates_over_time
from msviz.finding import Finding

Ask = Callable[..., Finding]
Array = np.ndarray[Any, Any]
ALL = theme.ALL
Z = 1.959964
DEMO = Path(__file__).parents[2] / "data" / "demo-experiment.csv"
DARK, LIGHT = theme.SEQUENTIAL[3], theme.SEQUENTIAL[1]


def days_of(time: Array) -> Array:
    return np.asarray(time // 86_400).astype("datetime64[D]")


def whole(world: Dataset, *names: str) -> list[Array]:
    """Return columns of all splits of a log."""
    parts = [world.split(split) for split in SPLITS]
    return [np.concatenate([np.asarray(getattr(part, name)) for part in parts]) for name in names]


def scale_of(trace: Any, values: Array) -> tuple[float, float]:
    """Return slope and start with which a line's places follow its values, which must lie on one line."""
    y = np.asarray(trace.y, float)
    slope, start = np.polyfit(values, y, 1)
    np.testing.assert_allclose(slope * values + start, y, atol=1e-3)
    assert slope > 0
    return float(slope), float(start)


def there_and_back(band: Any) -> tuple[Array, Array]:
    """Return both borders of a closed outline, and check that it comes back along the same days."""
    half = len(band.x) // 2
    assert list(band.x[:half]) == list(band.x[half:])[::-1]
    return np.asarray(band.y[:half], float), np.asarray(band.y[half:], float)[::-1]


@pytest.fixture(scope="module")
def weights(asked: Ask) -> Finding:
    return asked("gates_over_time", "same")


def share_below(data: Any, expert: str, day: int, value: float) -> tuple[float, float]:
    """Return the least and the largest share of a day's impressions that may have a weight below a value."""
    here = data.sel(expert=expert)
    counts = here["counts"].values[day].astype(float)
    low, high = here["low"].values, here["high"].values
    return counts[high < value - 1e-9].sum() / counts.sum(), counts[low <= value + 1e-9].sum() / counts.sum()


@pytest.mark.parametrize("group", [ALL, "Search"])
def test_bands_hold_half_and_nine_of_ten_and_the_line_is_the_median(weights: Finding, group: str) -> None:
    data = weights.data.sel(group=group)
    figure = gates_over_time.draw(weights, view="bands", group=group)
    known = np.flatnonzero(data["rows"].values > 0)
    experts = data["expert"].values.tolist()
    lines = {trace.name: place for place, trace in enumerate(figure.data) if trace.name in experts}
    assert list(lines) == experts
    for expert, place in lines.items():
        outer, inner, line = figure.data[place - 2 : place + 1]
        assert (outer.fillcolor, inner.fillcolor) == (LIGHT, DARK)
        assert "half of a day's impressions lie in the dark band, nine of ten" in gates_over_time.HOW_TO_READ
        drawn = np.asarray(line.customdata)[:, 0].astype(float)
        slope, start = scale_of(line, drawn)
        borders = {0.5: drawn}
        for band, ends in ((outer, (0.05, 0.95)), (inner, (0.25, 0.75))):
            for end, y in zip(ends, there_and_back(band), strict=True):
                borders[end] = (y - start) / slope
        edges = data.sel(expert=expert)["low"].values[0], data.sel(expert=expert)["high"].values[-1]
        for end, values in borders.items():
            for number, day in enumerate(known):
                # A border off the panel's scale is drawn at its end.
                inside = edges[0] < values[number] - 1e-6 and values[number] < edges[1] - 1e-6
                least, most = share_below(data, expert, day, values[number])
                if inside:
                    assert least - 1e-9 <= end <= most + 1e-9, (expert, end, day)
        for number, day in enumerate(known):
            said = f"{expert}, {line.x[number]}\nmedian {drawn[number]:.1%}"
            says(hover(line, number), f"{said}\n{int(data['rows'][day]):,} impressions")
            assert line.x[number][:10] == data["day"].values[day]
    headings = [note.text for note in figure.layout.annotations if "median" in note.text]
    assert headings == [f"<b>{name}</b>, median, half and nine of ten" for name in experts]


def test_a_histograms_cells_are_shares_of_their_day_at_their_weight(weights: Finding) -> None:
    data = weights.data.sel(group=ALL)
    figure = gates_over_time.draw(weights)
    trace = heatmap(figure)
    bins, days = data.sizes["bin"], data.sizes["day"]
    experts = data["expert"].values.tolist()
    for number, expert in enumerate(reversed(experts)):
        here = data.sel(expert=expert)
        middle = (here["low"].values + here["high"].values) / 2
        for day in range(0, days, 11):
            counts = here["counts"].values[day]
            for one in np.flatnonzero(counts)[:4]:
                said = hover(trace, number * (bins + 1) + int(one), day)
                share = f"{counts[one] / counts.sum():.1%} of the impressions"
                told = f"{share} have a weight near {middle[one]:.1%}"
                says(said, f"{data['day'].values[day]}T00:00:00\n{told}")
    z = np.asarray(trace.z)[np.isfinite(trace.z)]
    assert trace.zmin == 0 and (z > trace.zmax).mean() <= 0.011
    lines = [one for one in figure.data if one.name in experts]
    for line in lines:
        mean = data["mean"].sel(expert=line.name).values
        scale_of(line, mean)
        for place in range(0, days, 7):
            told = f"mean {mean[place]:.1%}\n{int(data['rows'][place]):,} impressions"
            says(hover(line, place), f"{line.name}, {data['day'].values[place]}T00\n{told}")


def test_ticks_beside_the_panels_are_the_weights_that_they_say(weights: Finding) -> None:
    figure = gates_over_time.draw(weights, view="bands", expert="Expert 2")
    line = next(trace for trace in figure.data if trace.name == "Expert 2")
    slope, start = scale_of(line, np.asarray(line.customdata)[:, 0].astype(float))
    axis = figure.layout.yaxis
    assert len(axis.tickvals) >= 2
    for at, text in zip(axis.tickvals, axis.ticktext, strict=True):
        assert 100 * (at - start) / slope == pytest.approx(float(text.removesuffix(" %")), rel=0.01)


def test_signals_are_standardised_by_the_training_rows(weights: Finding, tiny_world: Dataset) -> None:
    data = weights.data.sel(group=ALL)
    train = tiny_world.split("train")
    known = np.log1p(train.signals(slice(0, train.rows)).astype(float))
    split = weights.provenance.split or "all"
    parts = [tiny_world.split(one) for one in (SPLITS if split == "all" else (split,))]
    raw = np.concatenate([part.signals(slice(0, part.rows)) for part in parts]).astype(float)
    day = days_of(np.concatenate([part.time for part in parts]))
    names = [field.label for field in tiny_world.schema.signals]
    assert data["signal"].values.tolist() == names
    figure = gates_over_time.draw(weights, view="bands", signals=4)
    strips = [trace for trace in figure.data if trace.hovertemplate and "deviations" in trace.hovertemplate]
    assert len(strips) == 4
    shown = []
    for strip in strips:
        name = strip.hovertemplate.split(", %{x}")[0]
        number = names.index(name)
        shown.append(number)
        wanted = []
        for place, one in enumerate(data["day"].values):
            mean = np.log1p(raw[day == np.datetime64(one), number].mean())
            value = (mean - known[:, number].mean()) / known[:, number].std()
            wanted.append(value)
            said, text = hover(strip, place).split("\n")
            assert said == f"{name}, {one}T00"
            assert float(text.split(" ")[0]) == pytest.approx(value, abs=0.02 + 0.01 * abs(value))
        scale_of(strip, np.asarray(strip.customdata, float))
        # Its heading tells with which expert it goes together best, and how well.
        mean_of = data["mean"].values
        found = [np.corrcoef(mean_of[:, expert], wanted)[0, 1] for expert in range(mean_of.shape[1])]
        best = int(np.argmax(np.abs(found)))
        note = next(
            one.text for one in figure.layout.annotations if f">{theme.short(name, 34)}, " in one.text
        )
        assert note.endswith(f"with {data['expert'].values[best]}</span>")
        assert float(note.split(", ")[-1].split(" ")[0]) == pytest.approx(found[best], abs=0.006)
    strength = np.abs(data["correlation"].values).max(0)
    assert shown == np.argsort(-strength, kind="stable")[:4].tolist(), "the strongest first"


def test_how_signals_go_together_with_weights(weights: Finding) -> None:
    data = weights.data
    figure = gates_over_time.draw(weights, view="signals")
    for trace in figure.data:
        here = data.sel(expert=trace.name)
        low, high = whiskers(trace)
        for place, signal in enumerate(trace.text):
            one = here.sel(signal=signal)
            value, *ends = (float(one[f"correlation{end}"]) for end in ("", "_low", "_high"))
            says(hover(trace, place), f"{signal}\n{value:+.2f} (95 %: {ends[0]:+.2f} to {ends[1]:+.2f})")
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
            assert (trace.marker.color[place] == theme.PAPER) == (float(one["correlation_q"]) >= 0.05)
            assert figure.layout.yaxis.ticktext[round(trace.y[place])][:20] == signal[:20]
    best = np.abs(data["correlation"].sel(signal=list(figure.data[0].text)).values).max(0)
    assert (np.diff(best) <= 1e-9).all()


def test_ridges_rise_where_weights_are(weights: Finding, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ridges, "COLUMNS", 2)
    data = weights.data.sel(group=ALL)
    spread = data["mean"].std("day").values
    moved = data["expert"].values[np.sort(np.argsort(-spread, kind="stable")[:2])].tolist()
    figure = gates_over_time.draw(weights, view="ridgelines")
    shown = set()
    for trace in figure.data:
        said = hover(trace)
        expert, day = said.split(", ")[0], said.split(", ")[1].split(" ")[0]
        shown.add(expert)
        here = data.sel(expert=expert, day=day)
        says(said, f"{expert}, {day} {here['phase'].item()}: mean {100 * float(here['mean']):.1f} %")
        counts = here["counts"].values.astype(float)
        x, y = np.asarray(trace.x[1:-1], float), np.asarray(trace.y[1:-1], float)
        base = float(trace.y[0])
        if counts.sum():
            np.testing.assert_allclose(
                (y - base) * counts.max(), (y - base).max() * counts, atol=1e-4 * counts.max()
            )
        assert (np.diff(x) > 0).all()
    assert sorted(shown) == sorted(moved)


@pytest.fixture(scope="module")
def by_time(asked: Ask) -> Finding:
    return asked("rates_over_time", "satrans")


def test_click_rates_by_day_are_the_logs(by_time: Finding, tiny_world: Dataset) -> None:
    scenario, label, time = whole(tiny_world, "scenario", "label", "time")
    day = days_of(time)
    figure = rates_over_time.draw(by_time)
    count = np.bincount(scenario, minlength=6)[1:]
    names = tiny_world.schema.scenario_names[1:]
    lines = [trace for trace in figure.data if trace.name]
    assert len(lines) == 2 * (1 + len(names)), "predicted and clicked of each panel"
    for place, line in enumerate(lines):
        mine = np.ones(len(label), bool) if line.name == ALL else scenario == 1 + names.index(line.name)
        band = figure.data[list(figure.data).index(line) - 1 - place % 2]
        here = by_time.data.sel(scenario=line.name)
        column = 3 if line.line.dash == "dot" else 0  # dotted is predicted
        slope, start = scale_of(line, np.asarray(line.customdata)[:, column].astype(float))
        low, high = ((one - start) / slope for one in there_and_back(band))
        for number in range(0, len(line.x), 5):
            one = line.x[number][:10]
            rows = int((mine & (day == np.datetime64(one))).sum())
            clicks = int(label[mine & (day == np.datetime64(one))].sum())
            told = float(here["predicted"].sel(day=one))
            _, *ends, _, _ = np.asarray(line.customdata)[number].astype(float)
            for end, side, drawn in zip(ends, (-1, 1), (low[number], high[number]), strict=True):
                wanted = Z * (end * (1 - end) / rows) ** 0.5
                assert side * (end - clicks / rows) == pytest.approx(wanted, abs=1e-4), "Wilson's bounds"
                # A day of a few rows may run out of its panel, to whose end it is drawn.
                last = low.min() if side < 0 else high.max()
                assert drawn == pytest.approx(max(end, last) if side < 0 else min(end, last), abs=1e-4)
            sure = f"{clicks / rows:.2%} (95 %: {ends[0]:.2%} to {ends[1]:.2%})"
            said = f"{line.name}, {line.x[number]}\nclicked {sure}\npredicted {told:.2%}"
            says(hover(line, number), f"{said}\n{rows:,} impressions")
    assert list(dict.fromkeys(line.name for line in lines)) == [ALL, *names]
    assert count.sum() == len(label)


@pytest.mark.parametrize("metric", ["rate", "auc"])
def test_periods_are_dots_with_their_intervals(by_time: Finding, metric: str) -> None:
    data = by_time.data
    figure = rates_over_time.draw(by_time, view="periods", metric=metric)
    names = ("period_rate", "period_low", "period_high", "period_rows")
    names, form = (names, ".2%") if metric == "rate" else (("auc", "auc_low", "auc_high", "auc_rows"), ".3f")
    for trace in figure.data:
        here = data.sel(scenario=trace.name)
        low, high = whiskers(trace)
        for place, period in enumerate(trace.text):
            value, *ends, rows = (float(here[name].sel(period=period)) for name in names)
            assert figure.layout.yaxis.ticktext[round(trace.y[place])] == theme.short(period, 20)
            if not np.isfinite([value, *ends]).all():
                continue
            said = f"{trace.name}, {period}\n{value:{form}} (95 %: {ends[0]:{form}} to {ends[1]:{form}})"
            says(hover(trace, place), f"{said}\n{rows:,.0f} impressions")
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
            if metric == "rate":
                for end, side in zip(ends, (-1, 1), strict=True):
                    assert side * (end - value) == pytest.approx(
                        Z * (end * (1 - end) / rows) ** 0.5, abs=1e-4
                    )


def test_of_many_scenarios_the_largest_have_a_panel(
    by_time: Finding, tiny_world: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = np.bincount(whole(tiny_world, "scenario")[0], minlength=6)[1:]
    names = np.array(tiny_world.schema.scenario_names[1:])
    monkeypatch.setattr(rates_over_time, "PANELS", 3)
    shown = {trace.name for trace in rates_over_time.draw(by_time).data if trace.name}
    assert shown == {ALL, *names[np.argsort(-count)[:2]]}


@pytest.mark.parametrize("metric", ["auc", "logloss"])
def test_a_training_as_it_went(asked: Ask, metric: str) -> None:
    finding = asked("training_history", "autoint-4-1")
    data = finding.data
    figure = finding.figure(metric=metric)
    band = next(trace for trace in figure.data if trace.fill == "toself")
    low, high = there_and_back(band)
    for name, drawn in (("low", low), ("high", high)):
        np.testing.assert_allclose(drawn, data[f"{metric}_{name}"].sel(scenario=ALL), rtol=1e-5)
    told = 0
    for trace in figure.data:
        if not trace.legendgroup:
            continue
        sampled = trace.marker.symbol == "circle"
        key, axis = (metric, "mark") if sampled else (f"valid_{metric}", "check")
        here = data.sel(scenario=trace.legendgroup)
        for place in range(len(trace.x)):
            value = float(here[key][place])
            if not np.isfinite(value):
                continue
            bounds = [float(here[f"{metric}_{end}"][place]) for end in ("low", "high")] if sampled else []
            if bounds and not np.isfinite(bounds).all():
                continue
            sure = f"95 %: {bounds[0]:.3f} to {bounds[1]:.3f}" if sampled else "full validation"
            rows, epoch = (data[f"{axis}_{what}"].values[place] for what in ("rows", "epoch"))
            said = f"{trace.legendgroup}\n{value:.3f}\n{sure}\nepoch {epoch:.2f}, {rows:,.0f} rows"
            says(hover(trace, place), said)
            told += 1
        if sampled:
            width = here[f"{metric}_high"] - here[f"{metric}_low"]
            assert (trace.line.dash == "dot") == (float(width.median()) > 0.2)
    assert told > 10
    loss = figure.data[-1]
    width = max(1, data.sizes["point"] // 20)
    for place in range(data.sizes["point"]):
        around = data["loss"].values[max(0, place - width // 2) : place + (width + 1) // 2]
        rows, epoch, rate = (float(data[name][place]) for name in ("point_rows", "point_epoch", "rate"))
        said = f"Loss {float(data['loss'][place]):.4f}, running mean {around.mean():.4f}"
        says(hover(loss, place), f"{said}\nepoch {epoch:.2f}, {rows:,.0f} rows\n{rate:,.0f} rows/s")
    line = next(shape for shape in figure.layout.shapes if shape.line.dash == "dot")
    assert line.x0 == data.attrs["kept_rows"]
    best = np.argmax(data["valid_auc"].sel(scenario=ALL).values)
    assert data["check_rows"].values[best] == data.attrs["kept_rows"]


@pytest.fixture(scope="module")
def changed(asked: Ask) -> Finding:
    return asked("online_lift", log=str(DEMO))


def table() -> list[dict[str, str]]:
    with DEMO.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def rate(rows: list[dict[str, str]], arm: str) -> float:
    mine = [row for row in rows if row["arm"] == arm]
    return sum(int(row["clicks"]) for row in mine) / sum(int(row["impressions"]) for row in mine)


@pytest.mark.parametrize("view", ["scenarios", "periods"])
def test_lift_is_how_much_larger_the_treatment_is(changed: Finding, view: str) -> None:
    rows = table()
    arms = sorted({row["arm"] for row in rows})
    assert arms == ["control", "treatment"]
    metric = str(changed.data["metric"].values[0])
    figure = online_lift.draw(changed, metric=metric, view=view)
    data = changed.data.sel(metric=metric)
    prefix = "period_" if view == "periods" else ""
    for trace in figure.data:
        here = data.sel(period=trace.name) if prefix else data
        low, high = whiskers(trace)
        for place, scenario in enumerate(trace.text):
            one = here.sel(scenario=scenario)
            value, *ends = (float(one[prefix + name]) for name in ("lift", "low", "high"))
            said = f"{scenario}{', ' + trace.name if prefix else ''}"
            says(hover(trace, place), f"{said}\n{value:+.1%}\n95 %: {ends[0]:+.1%} to {ends[1]:+.1%}")
            assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
            assert (trace.marker.color[place] != theme.PAPER) == bool(one[prefix + "significant"])
            if metric == "CTR" and not prefix:
                # Days on which both arms ran the same do not count.
                mine = [row for row in rows if scenario in (ALL, row["scenario"]) and row["period"] != "A/A"]
                assert value == pytest.approx(rate(mine, "treatment") / rate(mine, "control") - 1, abs=1e-6)


def test_lift_by_day_has_the_bands_of_its_finding(changed: Finding) -> None:
    metric = str(changed.data["metric"].values[0])
    figure = online_lift.draw(changed, metric=metric, view="days")
    bands = [trace for trace in figure.data if trace.fill == "toself"]
    lines = [trace for trace in figure.data if trace.fill != "toself"]
    assert len(bands) == len(lines) == len(changed.data["scenario"])
    for band, line in zip(bands, lines, strict=True):
        here = changed.data.sel(metric=metric, scenario=line.name)
        known = np.isfinite(here["day_low"].values)
        half = known.sum()
        np.testing.assert_allclose(band.y[:half], here["day_high"].values[known], rtol=1e-5)
        np.testing.assert_allclose(band.y[half:][::-1], here["day_low"].values[known], rtol=1e-5)
        assert line.yaxis == band.yaxis
        for place in range(0, len(line.x), 3):
            value, *ends = (float(here[f"day_{name}"][place]) for name in ("lift", "low", "high"))
            if not np.isfinite(ends).all():
                continue
            assert ends[0] <= value <= ends[1]
            day = here["day"].values[place].astype("datetime64[s]").astype(object)
            sure = f"(95 %: {ends[0]:+.1%} to {ends[1]:+.1%})"
            says(hover(line, place), f"{day.day} {day:%b} {value:+.1%} {sure}")


def test_of_many_scenarios_the_most_shown_are_drawn(
    changed: Finding, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: dict[str, int] = {}
    for row in table():
        shown[row["scenario"]] = shown.get(row["scenario"], 0) + int(row["impressions"])
    largest = sorted(shown, key=lambda name: -shown[name])[:2]
    monkeypatch.setattr(online_lift, "LIMIT", 2)
    monkeypatch.setattr(online_lift, "PANELS", 3)
    assert set(online_lift.draw(changed).data[0].text) == {ALL, *largest}
    assert {trace.name for trace in online_lift.draw(changed, view="days").data if trace.name} == {
        ALL,
        *largest,
    }
