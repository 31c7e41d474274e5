"""Findings: one file, and back equal; a tidy frame that multiplies no axes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from msviz.errors import MsvizError
from msviz.finding import Finding, Provenance


@pytest.fixture
def finding() -> Finding:
    data = xr.Dataset(
        {
            "mean": (("scenario", "key"), np.array([[0.5, np.nan], [1, 2]], np.float32)),
            "rows": (("scenario",), np.array([3, 4])),
            "significant": (("key",), np.array([True, False])),
            "why": (("scenario",), np.array(["", "not defined: één klasse"])),
            "value": (("field",), np.array(["rot", "grün", "青"])),
            "label": ((), 1.0),
        },
        {"scenario": ["All scenarios", "Süche · 搜索"], "key": ["Price", "Brand"]},
        {"a": "Search", "left_out": 0},
    )
    return Finding(
        analysis="attention_by_scenario",
        question="Which?",
        takeaway="Search: 31 % (± 0.4).",
        data=data,
        provenance=Provenance(run="r", rows=7, parameters={"most": 300, "other": None, "exact": True}),
        takeaways={"Search": "In Search"},
    )


@pytest.mark.parametrize("quick", [False, True])
def test_a_finding_loads_back_equal_with_words_flags_and_gaps(
    finding: Finding, tmp_path: Path, quick: bool
) -> None:
    finding.save(tmp_path / "deep" / "one.nc", quick=quick)
    loaded = Finding.load(tmp_path / "deep" / "one.nc")
    assert loaded == finding
    assert loaded.data["significant"].dtype == bool
    assert loaded.data["mean"].dtype == np.float32
    assert loaded.data["value"].values.tolist() == ["rot", "grün", "青"]
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["one.nc"]


def test_the_quick_form_is_another_form(finding: Finding, tmp_path: Path) -> None:
    for quick, first in ((False, b"\x89HDF"), (True, b"CDF")):
        finding.save(tmp_path / "one.nc", quick=quick)
        assert (tmp_path / "one.nc").read_bytes().startswith(first)
    (tmp_path / "one.nc").write_bytes((tmp_path / "one.nc").read_bytes()[:200])
    with pytest.raises(MsvizError, match=r"^finding: one.nc is not a finding of msviz"):
        Finding.load(tmp_path / "one.nc")


def test_findings_differ_by_a_number_or_a_word(finding: Finding) -> None:
    other = finding.data.copy(deep=True)
    other["mean"][1, 1] = 2.5
    assert replace(finding, data=other) != finding
    assert replace(finding, takeaway="Other.") != finding
    assert replace(finding, data=finding.data.copy(deep=True)) == finding
    assert finding != "a finding"


def test_the_frame_has_a_row_for_each_cell_and_multiplies_no_axes(finding: Finding) -> None:
    table = finding.to_pandas()
    assert len(table) == 2 * 2 + 3
    assert table["rows"].tolist()[:4] == [3, 3, 4, 4]
    assert table["value"].tolist()[4:] == ["rot", "grün", "青"]
    assert table["mean"].isna().tolist() == [False, True, False, False, True, True, True]


def test_what_is_no_finding_is_refused(finding: Finding, tmp_path: Path) -> None:
    (tmp_path / "x.nc").write_bytes(b"\x00" * 100)
    with pytest.raises(MsvizError, match=r"x\.nc is not a finding of msviz"):
        Finding.load(tmp_path / "x.nc")
    finding.data.to_netcdf(tmp_path / "y.nc", engine="h5netcdf")
    with pytest.raises(MsvizError, match=r"y\.nc is not a finding of msviz"):
        Finding.load(tmp_path / "y.nc")
    with pytest.raises(MsvizError, match=r"out: got 'z\.xlsx'; valid endings: \.nc, \.csv, \.json"):
        finding.save(tmp_path / "z.xlsx")


def test_the_source_names_the_slice() -> None:
    where = Provenance(run="r", data="d", split="test", rows=7, parameters={"slice": "hour < 12"}, seconds=1)
    assert where.sentence() == "run r on d (test, 7 rows where hour < 12), 1.0 s"
