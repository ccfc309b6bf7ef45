from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.sms.codes import meaning_of, wait_after

RETRYABLE = {
    30001: [60, 120, 240],
    30002: [120, 240, 480],
    30003: [300, 600],
    30004: [180, 360],
    30005: [90, 180, 360],
}
PERMANENT = (21211, 21214, 21610, 21614, 21617, 30006, 30007, 30008)


@pytest.mark.parametrize(("code", "waits"), RETRYABLE.items())
def test_each_class_has_its_number_of_retries_and_its_waits(code: int, waits: list[int]) -> None:
    found = [wait_after(code, failures) for failures in range(1, len(waits) + 2)]

    assert found == [*(timedelta(seconds=each) for each in waits), None]


@pytest.mark.parametrize("code", PERMANENT)
def test_what_can_not_be_mended_is_never_sent_again(code: int) -> None:
    assert wait_after(code, 1) is None
    assert meaning_of(code) != meaning_of(99999)


@given(code=st.integers(0, 999_999), failures=st.integers(1, 100))
def test_no_code_is_tried_for_ever_and_none_at_once(code: int, failures: int) -> None:
    wait = wait_after(code, failures)

    assert wait is None or (code in RETRYABLE and failures <= 3 and wait >= timedelta(minutes=1))
