import pytest

from app.services.sms.health import SmsLevel, judge
from app.storage.outgoing_sms import SmsStatus


@pytest.mark.parametrize(
    ("good", "bad", "rate", "level"),
    [
        (10, 0, 100.0, SmsLevel.HEALTHY),
        (80, 20, 80.0, SmsLevel.HEALTHY),
        (79, 21, 79.0, SmsLevel.WARNING),
        (7_999, 2_001, 80.0, SmsLevel.WARNING),
        (60, 40, 60.0, SmsLevel.WARNING),
        (59, 41, 59.0, SmsLevel.CRITICAL),
        (0, 1, 0.0, SmsLevel.CRITICAL),
    ],
)
def test_fewer_than_80_percent_is_a_warning_and_fewer_than_60_is_critical(
    good: int, bad: int, rate: float, level: SmsLevel
) -> None:
    found = judge({SmsStatus.DELIVERED: good, SmsStatus.FAILED: bad})

    assert (found.success_rate, found.status, found.total) == (rate, level, good + bad)


def test_every_status_counts_as_what_it_is() -> None:
    found = judge(dict.fromkeys(SmsStatus, 1))

    assert found.line == "2 of 4 went out"
    assert found.counts == {each.value: 1 for each in SmsStatus}
    assert found.status is SmsLevel.CRITICAL


def test_no_sms_at_all_is_healthy_and_says_so() -> None:
    found = judge({})

    assert (found.status, found.success_rate) == (SmsLevel.HEALTHY, None)
    assert found.line == "no SMS was sent"
    assert judge({SmsStatus.RETRYING: 2}).line == "none has ended yet, 2 are under way"
