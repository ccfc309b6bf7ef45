"""What is shown steers no terminal."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"),
        ("Ąžuolas 茶 🫖", "Ąžuolas 茶 🫖"),
        ("a\x1b[31;1mred\x1b[0m", "ared"),
        ("a\x1b]0;title\x07b", "ab"),
        ("a\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\b", "alinkb"),
        ("a\x1bPq#0\x1b\\b", "ab"),
        ("a\x9b31mb\x9d0;t\x9cc", "abc"),
        ("one\ntwo\r\nthree\tfour", "one two  three four"),
        ("abc\u202edef\u200b", "abcdef"),
        ("a\x00b\x7fc\ud800d", "abcd"),
        ("\x1b", ""),
    ],
)
def test_sequences_and_control_characters_are_gone(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_whatever_it_is_it_can_be_printed_on_one_line(text: str) -> None:
    assert printable(text).isprintable() or printable(text) == ""
