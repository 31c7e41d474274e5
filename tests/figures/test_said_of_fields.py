"""Pictures of fields and clicks say what their findings hold, cell by cell: names, direction, values."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from reading import heatmap, holds, hover, kind_of_scale, says, whiskers

from msviz.figures import accumulated, theme
from msviz.figures.pictures import (
    attention_difference,
    attention_importance,
    feature_weights,
    field_permutation,
)
from msviz.finding import Finding

Ask = Callable[..., Finding]
ALL = theme.ALL
Z = 1.959964


def some(trace: Any, step: int = 7) -> Iterator[tuple[int, int, str, str]]:
    """Yield every `step`-th drawn cell with its row's and its column's name."""
    z = np.asarray(trace.z)
    for i, j in list(zip(*np.nonzero(np.isfinite(z)), strict=True))[::step]:
        yield int(i), int(j), trace.y[i], trace.x[j]


@pytest.mark.parametrize(("scenario", "layer", "head"), [(ALL, "1", "1"), ("Search", "2", "mean of heads")])
def test_attention_goes_from_the_row_to_the_column(asked: Ask, scenario: str, layer: str, head: str) -> None:
    data = asked("attention_by_scenario", "satrans").data
    figure = asked("attention_by_scenario", "satrans").figure(scenario=scenario, layer=layer, head=head)
    trace = figure.data[0]
    np.testing.assert_allclose(np.asarray(trace.z).sum(1), 1, rtol=1e-5)  # a row's attention is whole
    part = asked.world.split("test")  # type: ignore[attr-defined]
    number = part.schema.scenario_names.index(scenario) if scenario != ALL else None
    rows = part.rows if number is None else int((part.scenario == number).sum())
    for i, j, query, key in some(trace):
        at = {"scenario": scenario, "layer": layer, "head": head, "query": query, "key": key}
        mean, deviation = (float(data[name].sel(at)) for name in ("mean", "deviation"))
        assert trace.z[i][j] == pytest.approx(mean, rel=1e-5)
        says(
            hover(trace, i, j),
            f"{query} → {key}\n{mean:.1%} ± {1.96 * deviation / rows**0.5:.2%} (95 %)\n"
            f"between impressions: ± {deviation:.1%}\n{rows:,} rows",
        )
    every = data["mean"].sel(layer=layer, head=head).values
    assert (trace.zmin, trace.zmax) == (0, pytest.approx(max(np.quantile(every, 0.998), 2 / 21)))
    holds(trace, beyond=0.02)
    assert figure.layout.xaxis.title.text.startswith("Attended")
    assert figure.layout.yaxis.title.text.startswith("Attending")


def test_tiles_of_attention_are_layers_down_and_heads_across(asked: Ask) -> None:
    data = asked("attention_by_scenario", "satrans").data.sel(scenario="Cart page")
    trace = heatmap(asked("attention_by_scenario", "satrans").figure(scenario="Cart page", view="grid"))
    seen = set()
    for i, j, row, column in some(trace, 13):
        layer, query = row.removeprefix("Layer ").split(": ", 1)
        head, key = column.removeprefix("Head ").split(": ", 1)
        mean = float(data["mean"].sel(layer=layer, head=head, query=query, key=key))
        says(hover(trace, i, j), f"Layer {layer}: {query}\nHead {head}: {key}\n{mean:.1%}")
        seen.add((layer, head))
    assert seen == {(layer, head) for layer in "12" for head in "12"}
    holds(trace, beyond=0.02)


def test_a_difference_is_the_second_less_the_first(asked: Ask) -> None:
    finding = asked("attention_difference", "satrans", a="Search", b="Cart page")
    mean = asked("attention_by_scenario", "satrans").data["mean"]
    data = finding.data
    under, top = finding.figure(layer="2", head="1").data
    told = 0
    for trace in (under, top):
        for i, j, query, key in some(trace, 3):
            at = {"layer": "2", "head": "1", "query": query, "key": key}
            apart = 100 * float(mean.sel(scenario="Cart page", **at) - mean.sel(scenario="Search", **at))
            assert float(trace.z[i][j]) == pytest.approx(apart, abs=1e-4)
            low, high, q = (float(data[name].sel(at)) for name in ("low", "high", "q"))
            assert low < apart / 100 < high
            if trace is under:
                assert q > 0.05
                says(hover(trace, i, j), f"{query} → {key}\n{apart:+.2f} points, not significant")
            else:
                assert q <= 0.05
                bounds = f"95 %: {100 * low:+.2f} to {100 * high:+.2f}\ncorrected p {np.float32(q):.2g}"
                says(hover(trace, i, j), f"{query} → {key}\n{apart:+.2f} points\n{bounds}")
            told += 1
    assert told > 50
    # Orange, the scale's upper end, is where the second attends more.
    holds(top, beyond=0.02, middle=0)
    assert kind_of_scale(top) == "diverging" and "orange where the second" in attention_difference.HOW_TO_READ


def test_a_differences_tiles_and_sides(asked: Ask) -> None:
    finding = asked("attention_difference", "satrans", a="Search", b="Cart page")
    data = finding.data
    under, top = finding.figure(view="grid").data
    for trace, end in ((under, ", not significant"), (top, "")):
        between = " → " if end else "\n"
        for i, j, row, column in some(trace, 17):
            layer, query = row.removeprefix("Layer ").split(": ", 1)
            head, key = column.removeprefix("Head ").split(": ", 1)
            cell = data.sel(layer=layer, head=head, query=query, key=key)
            assert bool(cell["significant"]) == (not end)
            apart = 100 * float(cell["difference"])
            says(hover(trace, i, j), f"{row}{between}{column}\n{apart:+.2f} points{end}")
    holds(top, beyond=0.02, middle=0)
    sides = finding.figure(view="pair", layer="1", head="2").data
    for trace, name, share in zip(sides, ("Search", "Cart page"), ("share_a", "share_b"), strict=True):
        mean = asked("attention_by_scenario", "satrans").data["mean"].sel(scenario=name, layer="1", head="2")
        for i, j, query, key in some(trace, 11):
            value = float(mean.sel(query=query, key=key))
            assert value == pytest.approx(float(data[share].sel(layer="1", head="2", query=query, key=key)))
            says(hover(trace, i, j), f"{name}\n{query} → {key}\n{value:.1%}")
        holds(trace, beyond=0.02)


def test_importance_is_what_a_column_of_attention_holds_on_average(asked: Ask) -> None:
    finding = asked("attention_importance", "satrans")
    data = finding.data.sel(layer="2", head="mean of heads")
    attention = asked("attention_by_scenario", "satrans").data.sel(layer="2", head="mean of heads")
    received = attention["mean"].mean("query")
    half = Z * attention["received_deviation"] / attention["rows"] ** 0.5

    def bounds(scenario: str, field: str) -> tuple[float, float, float]:
        at = {"scenario": scenario, "key": field}
        value, room = float(received.sel(at)), float(half.sel(at))
        found = [float(data[name].sel(at)) for name in ("value", "low", "high")]
        assert found == pytest.approx([value, value - room, value + room], abs=1e-5)
        return value, value - room, value + room

    trace = heatmap(finding.figure(layer="2"))
    for i, j, scenario, field in some(trace, 5):
        value, low, high = bounds(scenario, field)
        says(hover(trace, i, j), f"{scenario}, {field}\n{value:.1%} (95 %: {low:.2%} to {high:.2%})")
    holds(trace, beyond=0.02)
    assert (np.diff(np.asarray(trace.z)[list(trace.y).index(ALL)]) <= 1e-7).all(), "most attended first"
    bars, ticks = finding.figure(layer="2", scenario="Cart page").data
    assert (np.diff(bars.x) <= 0).all() and len(bars.x) == 21
    low, high = whiskers(bars)
    for place, field in enumerate(bars.y):
        value, *ends = bounds("Cart page", field)
        says(hover(bars, place), f"{field}\n{value:.1%}")
        assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
        says(hover(ticks, place), f"{field}, all scenarios\n{bounds(ALL, field)[0]:.1%}")


def test_the_fields_that_change_most_have_a_line(asked: Ask) -> None:
    finding = asked("attention_importance", "satrans")
    context, *lines = finding.figure(layer="1", view="change").data
    data = finding.data.sel(layer="1", head="mean of heads").drop_sel(scenario=ALL)
    change = data["value"].max("scenario") - data["value"].min("scenario")
    order = [str(data.key.values[n]) for n in np.argsort(-change.values)[: accumulated.COLOURED]]
    assert [line.hovertemplate.split(", %{x}")[0] for line in lines] == order
    for line, field in zip(lines, order, strict=True):
        ends = whiskers(line, "y")
        for place, scenario in enumerate(line.x):
            value, low, high = (
                float(data[n].sel(scenario=scenario, key=field)) for n in ("value", "low", "high")
            )
            says(hover(line, place), f"{field}, {scenario}\n{value:.1%} (95 %: {low:.2%} to {high:.2%})")
            assert [end[place] for end in ends] == pytest.approx([low, high], abs=1e-6)
    assert len([y for y in context.y if np.isnan(y)]) == 21 - len(order)


def test_an_impressions_fields_are_told_with_their_values(asked: Ask) -> None:
    row = asked.row()  # type: ignore[attr-defined]
    finding = asked("attention_instance", "satrans", row=row)
    data = finding.data
    value = dict(zip(data.field.values.tolist(), data["value"].values.tolist(), strict=True))
    trace = heatmap(finding.figure(layer="2", head="2"))
    np.testing.assert_allclose(np.asarray(trace.z).sum(1), 1, rtol=1e-5)
    names = data.key.values.tolist()
    for i, j, _, _ in some(trace, 5):
        share = float(data["attention"].sel(layer="2", head="2")[i, j])
        query, key = (f"{names[n]}: {value[names[n]]}" for n in (i, j))
        says(hover(trace, i, j), f"{query} → {key}\n{share:.1%}")
    holds(trace, beyond=0.02)
    grid = heatmap(finding.figure(view="grid"))
    i, j = (list(labels).index(f"{kind} 2: {names[n]}: {value[names[n]]}")
            for labels, kind, n in ((grid.y, "Layer", 4), (grid.x, "Head", 9)))  # fmt: skip
    says(
        hover(grid, i, j),
        f"{grid.y[i]}\n{grid.x[j]}\n{float(data['attention'].sel(layer='2', head='2')[4, 9]):.1%}",
    )
    part = asked.world.split("test")  # type: ignore[attr-defined]
    place = int(np.flatnonzero(part.row == row)[0])
    for field in part.schema.features:
        assert value[field.label] == field.value_name(int(part.column(field.name)[place]))


def test_the_same_impression_in_every_scenario(asked: Ask) -> None:
    row = asked.row()  # type: ignore[attr-defined]
    finding = asked("scenario_switch", "satrans", row=row)
    data = finding.data
    bars = finding.figure().data[0]
    part = asked.world.split("test")  # type: ignore[attr-defined]
    own = part.schema.scenario_names[part.scenario[int(np.flatnonzero(part.row == row)[0])]]
    for place, scenario in enumerate(bars.y):
        value = float(data["prediction"].sel(scenario=scenario))
        says(hover(bars, place), f"{scenario}\npredicted click probability {value:.2%}")
        assert (bars.marker.opacity[place] == 1) == (scenario == own)
    figure = finding.figure(view="attention", layer="2")
    trace = heatmap(figure)
    assert [name for name in trace.y if name.endswith(" (actual)")] == [f"{own} (actual)"]
    for i, j, name, field in some(trace, 5):
        scenario = name.removesuffix(" (actual)")
        cells = data["attention"].sel(scenario=scenario, layer="2", head="mean of heads", key=field)
        says(hover(trace, i, j), f"{name}\n{field} receives {float(cells.mean('query')):.1%}")
    holds(trace, beyond=0.02)


def click(data: Any, place: int) -> list[str]:
    """Return what must be told of a past click."""
    return [*data["value"].values[place].tolist(), str(data["scenario"].values[place])]


@pytest.mark.parametrize(("run", "part"), [("sainet", None), ("same", "2")])
def test_attention_to_past_clicks_is_told_head_by_head(asked: Ask, run: str, part: str | None) -> None:
    finding = asked("behaviour_attention", run, row=asked.row())  # type: ignore[attr-defined]
    data = finding.data if part is None else finding.data.sel(expert=part)
    figure = finding.figure(part=part)
    shares = data["attention"].transpose("behaviour", "head")
    np.testing.assert_allclose(shares.sum("behaviour"), 1, rtol=1e-4)
    trace = figure.data[0]
    for place in range(data.sizes["behaviour"]):
        for column in range(data.sizes["head"]):
            value = float(shares[place, column])
            if trace.type == "bar":
                said, wanted = hover(trace, place), f"{trace.y[place]}\n{value:.1%}"
            else:
                said = hover(trace, place, column)
                wanted = f"{trace.y[place]}\nHead {data['head'].values[column]}: {value:.1%}"
            says(said, wanted)
            assert all(word in said for word in click(data, place))
            assert said.startswith("● ") == bool(data["related"].values[place])
    if trace.type == "heatmap":
        holds(trace, beyond=0.06)
    worth = finding.figure(view="worth").data[0]
    for place, value in enumerate(finding.data["change"].values):
        says(hover(worth, place), f"{trace.y[place]}\n{value:+.3f}")
        # Orange raises the prediction, blue lowers it, as everywhere.
        assert worth.marker.color[place] == theme.CATEGORICAL[1 if value >= 0 else 0]


def test_clicks_look_at_clicks_from_the_row_to_the_column(asked: Ask) -> None:
    finding = asked("behaviour_attention", "same", row=asked.row(), tap="self_attention")  # type: ignore[attr-defined]
    head, data = "2", finding.data.sel(expert="3")
    trace = heatmap(finding.figure(part="3", head=head))
    cells = data["attention"].sel(head=head).transpose("behaviour", "other").values
    np.testing.assert_allclose(cells.sum(1), 1, rtol=1e-4)
    np.testing.assert_allclose(trace.z, cells, rtol=1e-5)
    assert not np.allclose(cells, cells.T, rtol=0.01), "or turning it round would not show"
    for i, j, looking, looked_at in some(trace, 3):
        assert all(word in looking for word in click(data, i))
        assert all(word in looked_at for word in click(data, j))
        says(hover(trace, i, j), f"{looking}\nlooks at {looked_at}\n{cells[i, j]:.1%}")
    holds(trace, beyond=0.02)


@pytest.mark.parametrize("metric", ["logloss", "AUC"])
def test_losing_a_field_costs_what_is_said(asked: Ask, metric: str) -> None:
    finding = asked("field_permutation", "autoint-4-1", rows=4_000, draws=2)
    data = finding.data.sel(metric=metric)
    bars = finding.figure(metric=metric, scenario="Search").data[0]
    here = data.sel(scenario="Search")
    assert (np.diff(bars.x) <= 0).all()
    low, high = whiskers(bars)
    for place, field in enumerate(bars.y):
        value, *ends = (float(here[name].sel(field=field)) for name in ("value", "low", "high"))
        says(hover(bars, place), f"{field}\n{value:.4f}\n95 %: {ends[0]:.4f} to {ends[1]:.4f}")
        assert (low[place], high[place]) == pytest.approx(ends, abs=1e-6)
        grey = bars.marker.color[place] not in (theme.DIVERGING[5], theme.DIVERGING[1])
        assert grey != bool(here["significant"].sel(field=field))
        if not grey:
            assert bars.marker.color[place] == theme.DIVERGING[5 if value > 0 else 1]
    trace = heatmap(finding.figure(metric=metric, view="all"))
    told = 0
    for i, j, field, scenario in some(trace, 1):
        cell = data.sel(field=field, scenario=scenario)
        assert bool(cell["significant"])
        value, *ends = (float(cell[name]) for name in ("value", "low", "high"))
        says(hover(trace, i, j), f"{field}, {scenario}\n{value:.4f}\n95 %: {ends[0]:.4f} to {ends[1]:.4f}")
        told += 1
    assert told == int(data["significant"].sum()) > 0
    assert trace.zmax == -trace.zmin > 0 and kind_of_scale(trace) == "diverging"


@pytest.mark.parametrize("run", ["hierrec", "optmsm"])
def test_weights_are_told_by_field(asked: Ask, run: str) -> None:
    finding = asked("feature_weights", run)
    data = finding.data
    shares = np.allclose(data["weight"].sum("field"), 1, atol=1e-3)
    form = ".2%" if shares else ".3f"
    for scenario in (ALL, "Flash sale" if "Flash sale" in data.scenario else str(data.scenario.values[-1])):
        figure = finding.figure(scenario=scenario)
        here = data.sel(scenario=scenario)
        trace = figure.data[0]
        if trace.type == "bar":
            half = Z * here["deviation"][0] / np.sqrt(int(here["rows"])) * (not data.attrs["exact"])
            low, high = whiskers(trace)
            coarse = ".1%" if shares else ".2f"
            for place, field in enumerate(trace.y):
                value, room = float(here["weight"][0].sel(field=field)), float(half.sel(field=field))
                ends = value - room, value + room
                said = f"{field}\n{value:{coarse}}\n95 %: {ends[0]:{coarse}} to {ends[1]:{coarse}}"
                says(hover(trace, place), said)
                assert (low[place], high[place]) == pytest.approx(ends, abs=1e-5)
            assert (np.diff(trace.x) <= 0).all()
            continue
        for i, j, field, name in some(trace, 3):
            head = name.removeprefix("head ")
            by_head = here["weight"].sel(field=field)
            value = float(by_head[1:].min() if name == "lowest of heads" else by_head.sel(head=head))
            says(hover(trace, i, j), f"{field}, {name}\n{value:{form}}")
        holds(trace, beyond=0.02, middle=1 / data.sizes["field"])
    head = str(data["head"].values[-1])
    trace = heatmap(finding.figure(view="scenarios", head=head))
    here = data.sel(head=head)
    for i, j, field, scenario in some(trace, 3):
        cell = here.sel(field=field, scenario=scenario)
        half = Z * float(cell["deviation"]) / np.sqrt(float(cell["rows"]))
        room = "" if data.attrs["exact"] else f" ± {half:{form}}"
        told = f"{float(cell['weight']):{form}}{room}\n{int(cell['rows']):,} rows"
        says(hover(trace, i, j), f"{field}, {scenario}\n{told}")
    middle = 1 / data.sizes["field"] if shares else float(here["weight"].sel(scenario=ALL).mean())
    holds(trace, beyond=0.02, middle=middle)
    assert (
        kind_of_scale(trace) == "diverging"
        and "Orange is more than the average" in feature_weights.HOW_TO_READ
    )


@pytest.mark.parametrize("run", ["hierrec", "optmsm"])
def test_two_scenarios_weights_differ_by_the_second_less_the_first(asked: Ask, run: str) -> None:
    finding = asked("feature_weights", run, a="Home feed", b="Search")
    weight = asked("feature_weights", run).data["weight"]
    factor, form, unit = (100, "+.2f", " points") if finding.data.attrs["shares"] else (1, "+.3f", "")
    head = str(weight["head"].values[-1])
    bars = finding.figure(view="difference", head=head).data[0]
    here = finding.data.sel(head=head)
    low, high = whiskers(bars)
    assert (np.diff(bars.x) <= 0).all() and bars.x[0] > 0 > bars.x[-1]
    for place, field in enumerate(bars.y):
        at = {"head": head, "field": field}
        apart = factor * float(weight.sel(scenario="Search", **at) - weight.sel(scenario="Home feed", **at))
        ends = [factor * float(here[name].sel(field=field)) for name in ("low", "high")]
        assert float(bars.x[place]) == pytest.approx(apart, abs=2e-4 * factor)
        said = f"{field}\n{bars.x[place]:{form}}{unit}\n95 %: {ends[0]:{form}} to {ends[1]:{form}}{unit}"
        says(hover(bars, place), said)
        assert (low[place], high[place]) == pytest.approx(ends, abs=1e-4)
        if bool(here["significant"].sel(field=field)):
            assert bars.marker.color[place] == theme.DIVERGING[5 if apart > 0 else 1]
        else:
            assert bars.marker.color[place] == theme.LINE


@pytest.mark.parametrize("view", ["heat", "bars"])
def test_of_many_fields_the_most_attended_stay(
    asked: Ask, view: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention_importance, "FIELDS", 5)
    data = asked("attention_importance", "satrans").data.sel(layer="1", head="mean of heads", scenario=ALL)
    best = data.key.values[np.argsort(-data["value"].values)[:5]].tolist()
    choices = {"scenario": ALL} if view == "bars" else {}
    trace = asked("attention_importance", "satrans").figure(**choices).data[0]
    assert list(trace.y if view == "bars" else trace.x) == best


def test_of_many_fields_the_costliest_stay(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = asked("field_permutation", "autoint-4-1", rows=4_000, draws=2)
    data = finding.data.sel(metric="logloss")
    monkeypatch.setattr(field_permutation, "SCENARIOS", 2)
    monkeypatch.setattr(field_permutation, "FIELDS", 3)
    trace = heatmap(finding.figure(metric="logloss", view="all"))
    largest = data.scenario.values[np.sort(np.argsort(-data["rows"].values)[:2])].tolist()
    assert list(trace.x) == largest
    sure = data["value"].where(data["significant"]).sel(scenario=largest).max("scenario")
    assert set(trace.y) == set(data.field.values[np.argsort(-sure.fillna(-np.inf).values)[:3]].tolist())
