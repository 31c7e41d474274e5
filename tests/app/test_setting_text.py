"""Changes as one parameter of the link: they read back as they were written, whatever the values hold."""

import pytest

from app import setting_text
from msviz.training.settings import said

CHANGES = {
    "experts": 3,
    "norm": False,
    "hidden": "256,128",
    "prediction": "",
    "learning_rate": 0.001,
    "train_where": "scenario == 'A+B: 50 %' and `A, b` in (1, 2) or x != \"ü\"",
    "scenario_fields": "city_tier,gender",
}


def test_changes_read_back_as_they_were_written() -> None:
    text = setting_text.format_changes(CHANGES)
    found, wrong = setting_text.parse_changes(text)
    assert not wrong
    assert found == {
        **{name: str(value) for name, value in CHANGES.items()},
        "norm": "off",
    }
    assert text.startswith("experts:3,norm:off,hidden:256+128,prediction:,learning_rate:0.001,train_where:")
    assert setting_text.parse_changes("experts:3 , heads:4") == ({"experts": "3", "heads": "4"}, [])


@pytest.mark.parametrize(("text", "wrong"), [("experts", ["experts"]), (":3,a:1", [":3"]), (",,", [])])
def test_what_is_no_change_is_told(text: str, wrong: list[str]) -> None:
    assert setting_text.parse_changes(text)[1] == wrong and setting_text.parse_lists(text)[1] == wrong


def test_lists_of_values_read_back_too() -> None:
    given = {"experts": [2, 3], "hidden": ["256,128", "64"], "norm": [True, False], "gamma": [0.8, 1.2]}
    text = setting_text.format_lists(given)
    assert text.startswith("experts:2+3,hidden:256%2C128+64")
    assert setting_text.parse_lists(text) == (
        {"experts": ["2", "3"], "hidden": ["256,128", "64"], "norm": ["on", "off"], "gamma": ["0.8", "1.2"]},
        [],
    )
    assert setting_text.parse_lists("experts:2%2B3")[0] == {"experts": ["2+3"]}


@pytest.mark.parametrize("value", [None, True, False])
def test_words_are_those_that_people_read_elsewhere(value: bool | None) -> None:
    assert setting_text.format_changes({"x": value}) == f"x:{said(value)}"
