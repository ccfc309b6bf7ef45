"""What an error quotes of arguments is found, however much there is of either."""

from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.observability.quoted import Quoted, texts_in


@pytest.mark.parametrize(
    ("texts", "text", "blanked"),
    [
        (["hunter2", "hunter2-and-more"], "hunter2-and-more, hunter2.", "***, ***."),
        (["abcdef", "defghij"], "abcdefghij!", "***!"),
        (["abc", ""], "abc", "abc"),
        (["abcd"], "abcdabcd", "******"),
        ([], "nothing", "nothing"),
        (["long text"], "", ""),
    ],
)
def test_each_text_is_blanked_wherever_it_stands(texts: list[str], text: str, blanked: str) -> None:
    assert Quoted(texts).blanked(text) == blanked


def test_every_text_of_an_argument_is_found() -> None:
    found = {*texts_in([["in a list"], {"a key": {"deeper": b"in bytes"}}, 7, None])}

    assert found >= {"in a list", "list", "a key", "deeper", "in bytes", "bytes"}


def test_a_mail_that_an_error_repeats_is_looked_through_in_a_moment() -> None:
    mail = " ".join(f"word{number}" for number in range(100_000))
    began = process_time()

    blanked = Quoted(texts_in(mail)).blanked(mail[:20_000])

    assert process_time() - began < 2
    assert "word7 " not in blanked


def test_words_that_begin_alike_take_no_longer() -> None:
    words = [count * "a" for count in range(4, 1_500)]
    began = process_time()

    blanked = Quoted(words).blanked("aaaab " * 4_000)

    assert process_time() - began < 2
    assert blanked == "*** " * 4_000


@given(st.lists(st.text(min_size=4, max_size=12), max_size=8), st.text(max_size=40))
def test_none_is_left(texts: list[str], around: str) -> None:
    said = around.join(texts)

    blanked = Quoted(texts).blanked(said)

    assert all(each not in part for part in blanked.split("***") for each in texts)
