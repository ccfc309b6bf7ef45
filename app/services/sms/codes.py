"""What a provider's error codes mean: whether an SMS is sent again, how often, and after how long.

    30001, 30002, 30004, 30005   again, after twice the wait each time
    30003                        again, after a wait that grows by the same each time
    everything else              never

The first try is no retry: what may be retried three times goes out four times at most.
"""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """How often to send again, and after how long."""

    most: int
    first: timedelta
    is_doubling: bool = True

    def wait(self, failures: int) -> timedelta | None:
        """How long to wait after so many failures (1 is the first try's); None to give up."""
        if failures > self.most:
            return None
        return self.first * (2 ** (failures - 1) if self.is_doubling else failures)


_RETRIES = {
    30001: Retries(most=3, first=timedelta(seconds=60)),
    30002: Retries(most=3, first=timedelta(seconds=120)),
    30003: Retries(most=2, first=timedelta(seconds=300), is_doubling=False),
    30004: Retries(most=2, first=timedelta(seconds=180)),
    30005: Retries(most=3, first=timedelta(seconds=90)),
}
_MEANINGS = {
    21211: "this is no phone number",
    21214: "this number can't be reached",
    21610: "whoever has this number wants no more SMS",
    21614: "this number takes no SMS",
    21617: "the text is too long",
    30001: "the provider's queue is full",
    30002: "the provider's account is suspended",
    30003: "the phone is out of reach",
    30004: "the SMS was blocked",
    30005: "the phone is not known",
    30006: "this is a landline, or its carrier can't be reached",
    30007: "the carrier filtered the SMS",
    30008: "the carrier gave no reason",
}


def wait_after(code: int, failures: int) -> timedelta | None:
    """How long to wait until an SMS goes out again that failed so often; None for never."""
    retries = _RETRIES.get(code)
    return retries.wait(failures) if retries else None


def meaning_of(code: int) -> str:
    """In words."""
    return _MEANINGS.get(code, "the provider refused it")
