"""What is known of one run, for whoever has to find out what became of it."""

from collections.abc import Iterable, Mapping

from tests.life.evidence import Span
from tests.life.ledger import Line

_AROUND = 5.0  # s after its receipt that an outage may have to do with it


def story(
    run: str,
    *,
    at: float,
    lines: Iterable[Line],
    killed: Mapping[int, float],
    outages: Iterable[Span],
) -> str:
    """What its attempts wrote, whose process was killed, when Redis was away: from its receipt."""
    mine = [line for line in lines if line.run == run]
    told = [(line.at, f"{line.what} by {line.pid}") for line in mine]
    pids = {line.pid for line in mine}
    told += [(when, f"{pid} killed") for pid, when in killed.items() if pid in pids]
    for each in outages:
        if at - _AROUND < each.end and each.begin < at + _AROUND:
            told.append((each.begin, f"Redis away for {each.end - each.begin:.2f} s"))
    said = ", ".join(f"{when - at:+.2f} s {what}" for when, what in sorted(told))
    return f"receipt; {said or 'nothing begun'}"
