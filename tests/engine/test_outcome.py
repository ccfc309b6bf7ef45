"""The names of outcomes."""

from datetime import timedelta

import pytest

from app.engine.outcome import (
    Cancelled,
    Dead,
    Ending,
    Outcome,
    Parked,
    Released,
    Retrying,
    Snoozed,
    Succeeded,
    ending_of,
)


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        (Succeeded(1), Ending.SUCCEEDED),
        (Retrying(timedelta(0), OSError()), Ending.RETRYING),
        (Snoozed(timedelta(0), ""), Ending.SNOOZED),
        (Cancelled(), Ending.CANCELLED),
        (Released(), Ending.RELEASED),
        (Parked("a.b", 1), Ending.PARKED),
        (Dead(OSError()), Ending.DEAD),
    ],
)
def test_every_outcome_has_its_ending(outcome: Outcome, ending: Ending) -> None:
    assert ending_of(outcome) is ending
