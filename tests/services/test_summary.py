import pytest

from app.services.summary import summarize

MAIL = """Hi Ann,
I hope you are well. The kitchen company sent two offers for the kitchen last week.
Both kitchens look much the same to me.
We need to decide by Friday, otherwise the offer of 4,000 € is gone.
The weather here is lovely.
Thanks, Bob"""


def test_a_summary_keeps_what_asks_for_something() -> None:
    summary = summarize(MAIL, sentences=1)

    assert summary == "We need to decide by Friday, otherwise the offer of 4,000 € is gone."


def test_a_summary_is_the_texts_own_sentences_in_their_order() -> None:
    summary = summarize(MAIL, sentences=2)

    assert summary == (
        "The kitchen company sent two offers for the kitchen last week. "
        "We need to decide by Friday, otherwise the offer of 4,000 € is gone."
    )


def test_greetings_are_left_out() -> None:
    assert summarize("Hello Ann! Thanks a lot. The roof leaks.") == "The roof leaks."


@pytest.mark.parametrize("text", ["", "   \n", "Hello", "!!!", "42", "…", "a" * 200_000])
def test_any_text_can_be_summed_up(text: str) -> None:
    assert summarize(text) in text
