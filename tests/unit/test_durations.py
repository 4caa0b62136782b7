"""Durations, times of day and windows as people write them."""

from datetime import time, timedelta

import pytest

from hostaway_pipeline.domain.durations import Window, duration_text, parse_duration, parse_time_of_day, rounded


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        ("90s", timedelta(seconds=90)),
        ("15m", timedelta(minutes=15)),
        (" 8 h ", timedelta(hours=8)),
        ("1d", timedelta(days=1)),
    ],
)
def test_a_duration_is_read_with_its_unit(text, duration):
    assert parse_duration(text) == duration


@pytest.mark.parametrize("text", ["", "15", "0m", "-1h", "1.5h", "1h30m", "1w", "١٥m", "9999999999d"])
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="such as 90s, 15m, 8h or 1d"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["90s", "15m", "8h", "1d", "90m", "0s"])
def test_a_duration_is_written_as_it_is_read(text):
    duration = timedelta(0) if text == "0s" else parse_duration(text)
    assert duration_text(duration) == text


@pytest.mark.parametrize(("text", "moment"), [("02:00", time(2)), ("3:05", time(3, 5)), ("23:59", time(23, 59))])
def test_a_time_of_day_is_read(text, moment):
    assert parse_time_of_day(text) == moment


@pytest.mark.parametrize("text", ["24:00", "2", "02:60", "noon", ""])
def test_no_other_time_of_day_is_read(text):
    with pytest.raises(ValueError, match="such as 02:00"):
        parse_time_of_day(text)


def test_a_window_is_read_and_written():
    window = Window.parse("02:00/6h")
    assert (window.start, window.length, str(window)) == (time(2), timedelta(hours=6), "02:00/6h")


@pytest.mark.parametrize("text", ["02:00", "02:00/25h", "/6h", "02:00/"])
def test_a_window_has_a_start_and_a_length_of_one_day_at_most(text):
    with pytest.raises(ValueError, match=r"such as|one day at most"):
        Window.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (119, "119s"), (120, "2m"), (900, "15m"), (7199, "120m"), (9000, "2.5h"), (216000, "2.5d")],
)
def test_a_rounded_duration_is_readable(seconds, text):
    assert rounded(timedelta(seconds=seconds)) == text
