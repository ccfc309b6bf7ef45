"""Answers: readable for people, stable for programs, harmless for terminals."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from app.cli.answer import Facts, show_json, show_table, shown, span


@pytest.mark.parametrize(
    ("length", "text"),
    [
        (timedelta(0), "0 ms"),
        (timedelta(milliseconds=25), "25 ms"),
        (timedelta(seconds=2.14), "2.1 s"),
        (timedelta(minutes=3, seconds=20), "3 min 20 s"),
        (timedelta(hours=5, minutes=7), "5 h 7 min"),
        (timedelta(days=2, hours=4), "2 days 4 h"),
    ],
)
def test_a_span_is_told_in_its_largest_units(length: timedelta, text: str) -> None:
    assert span(length) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (3, "3"),
        (("a", "b"), "a, b"),
        ("a\x1b[31mb\nc", "ab c"),
        ("redis://ann:hunter2@host/0", "redis://***@host/0"),
    ],
)
def test_a_value_is_one_harmless_text(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_table_in_a_pipe_has_aligned_columns(capsys: pytest.CaptureFixture[str]) -> None:
    rows: list[Facts] = [
        {"id": "a", "due_at": None, "unseen": 1},
        {"id": "longer", "due_at": "now"},
    ]

    show_table(rows, ("id", "due_at"), empty="")

    assert capsys.readouterr().out == "ID      DUE AT\na       -\nlonger  now\n"


def test_json_has_iso_times_spans_in_seconds_and_only_ascii(
    capsys: pytest.CaptureFixture[str],
) -> None:
    moment = datetime(2026, 12, 24, 18, tzinfo=UTC)

    show_json({"at": moment, "took": timedelta(seconds=1.5), "text": "ž\x9b\x1b"})

    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {"at": "2026-12-24T18:00:00+00:00", "took": 1.5, "text": "ž\x9b\x1b"}
