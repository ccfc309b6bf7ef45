"""A worker as far as the queue can tell: what its process remembers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.engine import Ending
from app.engine.clock import span_ms
from app.engine.ended import Completed, Ended
from app.engine.run import Claimed
from tests.engine.machine.draws import How, Outcome
from tests.engine.steps import buried, event, put_back, set_aside

JOB, VERSION = "test.write", 2


@dataclass
class Hand:
    """One worker."""

    name: str
    attempts: list[tuple[Claimed, str]] = field(default_factory=list[Any])
    """What it has begun, and the keys these runs hold."""
    pending: list[Ended] = field(default_factory=list[Any])
    """Outcomes whose commit got no answer."""
    is_wary: bool = False
    """Whether an answer may be missing that brought it runs."""

    is_offering: bool = False
    """Whether an offer of its own may be open."""

    def known(self) -> list[str]:
        """The ids of all it has, as it tells them when it is wary."""
        return [run.id for run, _ in self.attempts] + [each.run.id for each in self.pending]

    def end(self, chosen: Sequence[Outcome]) -> list[Ended]:
        """End some of its attempts."""
        found = list[Ended]()
        for outcome in chosen:
            if self.attempts:
                run, key = self.attempts.pop(outcome.pick % len(self.attempts))
                found.append(_ENDS[outcome.how](run, key, outcome))
        return found


def _completed(run: Claimed, key: str, outcome: Outcome) -> Ended:
    return Completed(
        run=run,
        ending=str(outcome.how),
        result=b"result",
        keep_ms=span_ms(outcome.keep),
        key=key,
        event=event(run, Ending(outcome.how)),
    )


def _failed(run: Claimed, _key: str, outcome: Outcome) -> Ended:
    return put_back(run, outcome.delay)


def _snoozed(run: Claimed, _key: str, outcome: Outcome) -> Ended:
    return put_back(run, outcome.delay, is_charged=False)


def _released(run: Claimed, _key: str, _outcome: Outcome) -> Ended:
    return put_back(run, None, is_charged=False)


def _buried(run: Claimed, key: str, outcome: Outcome) -> Ended:
    return buried(run, key=key, keep=outcome.keep)


def _parked(run: Claimed, _key: str, _outcome: Outcome) -> Ended:
    return set_aside(run, JOB, VERSION)


_ENDS: dict[How, Callable[[Claimed, str, Outcome], Ended]] = {
    How.SUCCEEDED: _completed,
    How.CANCELLED: _completed,
    How.FAILED: _failed,
    How.SNOOZED: _snoozed,
    How.RELEASED: _released,
    How.DEAD: _buried,
    How.PARKED: _parked,
}
