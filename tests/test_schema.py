"""Schema: what a user may write, what is refused, and how scenarios are numbered."""

from pathlib import Path

import numpy as np
import pytest

from msviz.errors import MsvizError
from msviz.schema import Field, Schema, Split


def two_scenario_fields() -> Schema:
    return Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="tab", role="scenario", title="Tab", names={"0": "Home"}, vocabulary=["0", "1"]),
            Field(name="os", role="scenario", vocabulary=["ios", "android", "web"]),
            Field(name="age", role="user", kind="numeric", bins=2, vocabulary=["< 30", "≥ 30"], edges=[30.0]),
        ],
        scenarios=[[2, 3], [3, 2], [2, 1]],
    )


def test_scenarios_are_named_by_their_values_in_order() -> None:
    assert two_scenario_fields().scenario_names == [
        "unseen combination",
        "Home · android",
        "1 · ios",
        "Home · missing",
    ]


def test_scenario_ids_find_known_combinations_and_call_the_rest_unseen() -> None:
    columns = np.array([[2, 1], [2, 3], [3, 2], [3, 3], [0, 0]])
    assert two_scenario_fields().scenario_ids(columns).tolist() == [3, 1, 2, 0, 0]


def test_ids_have_names_and_an_id_outside_is_refused() -> None:
    tab = two_scenario_fields().field("Tab")
    assert [tab.value_name(i) for i in range(tab.size)] == ["rare or unknown", "missing", "Home", "1"]
    with pytest.raises(MsvizError, match="id of tab: got 4; ids run from 0 to 3"):
        tab.value_name(4)


def test_json_round_trip_is_equal(tmp_path: Path) -> None:
    schema = two_scenario_fields()
    schema.save(tmp_path / "schema.json")
    assert Schema.load(tmp_path / "schema.json") == schema


def test_yaml_round_trip_keeps_what_a_user_wrote(tmp_path: Path) -> None:
    schema = Schema(
        fields=[
            Field(name="click", role="label"),
            Field(name="when", role="time", unit="ms", utc_offset=8),
            Field(name="yes", role="user", names={"no": "No", "1": "One"}),
            Field(name="past", role="behaviour", kind="sequence", of="yes", max=20),
        ],
        split=Split(by="time", valid_from="2022-05-06", test_from="2022-05-07"),
    )
    (tmp_path / "schema.yaml").write_text(schema.to_yaml())
    assert Schema.load(tmp_path / "schema.yaml") == schema


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fields: [{name: a}, {name: a}]", "column 'a' is named twice"),
        ("fields: [{name: a, role: clicks}]", "fields.0.role: got 'clicks'"),
        ("fields: [{name: a, min_cuont: 2}]", "fields.0.min_cuont"),
        ("fields: [{name: a, role: label}, {name: b, role: label}]", "role 'label' stands at more than one"),
        ("fields: [{name: a, kind: sequence}]", "its role must be behaviour"),
        ("fields: [{name: a}]\nsplit: {by: given}", "split by given needs column"),
        ("fields: [{name: a}]\nsplit: {test: 0.6, valid: 0.5}", "must leave rows for training"),
        ("fields: [{name: a, title: A}, {name: b, title: A}]", "title 'A' of 'b' is taken"),
        ("fields: [{name: a, title: b}, {name: b}]", "title 'b' of 'a' is taken"),
        ("fields: [", "is not readable"),
    ],
)
def test_a_wrong_schema_gets_one_line_that_names_the_place(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "schema.yaml"
    path.write_text(text)
    with pytest.raises(MsvizError) as error:
        Schema.load(path)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_name_that_is_no_field_is_refused_with_the_choices() -> None:
    with pytest.raises(MsvizError, match="valid choices: tab, os, age"):
        two_scenario_fields().index("gender")


def test_scenarios_that_share_a_human_name_stay_apart() -> None:
    tab = Field(name="tab", role="scenario", names={"0": "Home", "1": "Home"}, vocabulary=["0", "1"])
    schema = Schema(fields=[tab], scenarios=[[2], [3]])
    assert schema.scenario_names == ["unseen combination", "Home", "Home (scenario 2)"]
    assert schema.scenario("Home (scenario 2)") == 2
