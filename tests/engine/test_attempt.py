"""One try, as the job sees it."""

import pytest
from msgspec import structs

from app.engine import Attempt


@pytest.mark.parametrize(("number", "is_last"), [(1, False), (3, False), (4, True), (5, True)])
def test_the_last_attempt_knows_that_it_is(attempt: Attempt, number: int, is_last: bool) -> None:
    assert structs.replace(attempt, number=number, attempts=4).is_last is is_last
