"""Changing a slice condition by condition."""

import pytest

from app.slice_text import drop_condition, replace_condition, shorten


@pytest.mark.parametrize(
    ("text", "starts", "condition", "expected"),
    [
        ("", ("day",), "day == '2025-01-02'", "day == '2025-01-02'"),
        (
            "hour < 12 and day > '2025-01-01'",
            ("day",),
            "day == '2025-01-02'",
            "hour < 12 and day == '2025-01-02'",
        ),
        # A field whose name begins alike is another field.
        ("daypart == 1", ("day",), "day == '2025-01-02'", "daypart == 1 and day == '2025-01-02'"),
        ("chosen('a')", ("row", "chosen("), "row == 3", "row == 3"),
        ("this is no slice ==", ("row",), "row == 3", "row == 3"),
    ],
)
def test_a_condition_takes_the_place_of_those_that_speak_of_the_same(
    text: str, starts: tuple[str, ...], condition: str, expected: str
) -> None:
    assert replace_condition(text, starts, condition) == expected


def test_one_condition_is_dropped() -> None:
    assert drop_condition(["hour < 12", "clicked == 1", "hour > 2"], 1) == "hour < 12 and hour > 2"
    assert drop_condition(["hour < 12"], 0) == ""


def test_a_chip_has_room_for_sixty_letters() -> None:
    assert shorten("x" * 60) == "x" * 60
    assert shorten("x" * 61) == "x" * 59 + "…"
    assert shorten("chosen('0123456789abcdef')") == "chosen impressions"
