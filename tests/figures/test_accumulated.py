"""Lines of attention received over the scenarios."""

import findings as make
import numpy as np
import pytest

from msviz.errors import MsvizError


@pytest.mark.parametrize(("scenarios", "fields"), [(2, 2), (5, 21), (300, 3), (2, 300), (300, 60)])
def test_the_fields_that_change_most_are_coloured_and_all_numbers_are_the_findings(
    scenarios: int, fields: int
) -> None:
    finding = make.importance(scenarios, fields, 1, 1)
    figure = finding.figure(view="change")
    value = finding.data["value"].isel(scenario=slice(1, None)).sel(layer="1", head="mean of heads")
    if scenarios <= 60:
        change = (value.max("scenario") - value.min("scenario")).values
        wanted = [str(value["key"].values[i]) for i in np.argsort(-change, kind="stable")[:8]]
        lines = figure.data[1:]
        assert [line.hovertemplate.split(", %{x}")[0] for line in lines] == wanted
        first = dict(zip(lines[0].x, np.asarray(lines[0].y), strict=True))
        for name in value["scenario"].values:
            assert first[name] == pytest.approx(float(value.sel(scenario=name, key=wanted[0])), rel=1e-6)
    else:
        assert "60 of 300 scenarios" in figure.layout.xaxis.title.text
    assert figure.data[0].visible is (fields > 8)
    assert "All scenarios" not in figure.data[1].x
    assert len(figure.to_json()) < 500_000


def test_like_scenarios_stand_side_by_side() -> None:
    finding = make.importance(6, 4, 1, 1)
    family = [0, 1, 0, 1, 0, 1]
    finding.data["value"][1:] = np.array([[0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.1, 0.7]])[family][:, None, None]
    figure = finding.figure(view="change")
    names = [str(name) for name in finding.data["scenario"].values[1:]]
    order = [family[names.index(name)] for name in figure.data[1].x]
    assert order in ([0, 0, 0, 1, 1, 1], [1, 1, 1, 0, 0, 0])


def test_a_view_that_is_not_there_is_refused() -> None:
    with pytest.raises(MsvizError, match="view: got 'pie'; valid choices: shares, change"):
        make.importance().figure(view="pie")
