"""What can be asked at the end of any story, of all runs there are, while others are still at work.

    I1, I7  each run stands in one place, and no other than its last event says
    I2      a dead letter holds its payload
    I4      one commit ended each run; none was taken from a worker that showed itself alive
    I8      nothing is left of runs that are over

The runs are those in the stream of events, on the queues and among the dead letters: nobody has to
tell. What takes longer to know, and what a story has done by itself, is left to the whole oracle;
a dead letter that is gone was retried or dropped, and a result that is gone was kept long enough.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import anyio

from app.engine import Client, Doctor, Ending, Trouble, Unavailable, seconds
from app.engine.redis import census, keys
from app.engine.redis.steps import answering
from tests.life.evidence import State, Trace, in_words, state_of
from tests.life.journal import takeovers
from tests.life.ledger import Ledger
from tests.life.witness import Witness

_AGAIN = seconds(0.2)  # what is on its way for longer stays
_NOBODY_THERE = (Trouble.QUEUE, Trouble.PARKED)


async def judge(client: Client, *, data: Path | None = None) -> None:
    """Raise `AssertionError` with all that is wrong; a Redis that is away can't be asked.

    `data`: where the server keeps its append-only file, if that is whole.
    """
    with suppress(Unavailable):
        wrong = await _wrong(client, data)
        if wrong:  # a step may have come in between
            await anyio.sleep(_AGAIN.total_seconds())
            wrong = [each for each in await _wrong(client, data) if each in wrong]
        assert not wrong, "\n".join(wrong)


async def _wrong(client: Client, data: Path | None) -> list[str]:
    queues = await census.queues(client.store.redis)
    witness = Witness(client=client, ledger=Ledger(Path("/dev/null")), queues=queues, lease=0)
    await witness.follow()
    witness.accept(*await _standing(client, queues))
    traces = await witness.traces(list(witness.accepted))
    await witness.follow()
    found = [said for run in traces if (said := _fault(run, traces[run], witness.endings))]
    if data:
        stolen = (each for each in takeovers(data) if not each.has_lapsed)
        found += [f"I4: run {each.run} was taken from {each.loser}, alive" for each in stolen]
    doctor = Doctor(client, jobs={}, pause=_AGAIN)
    sick = [each for each in await doctor.examine() if each.trouble not in _NOBODY_THERE]
    return found + [f"I8: {each.trouble}: {each.subject}" for each in sick]


async def _standing(client: Client, queues: Sequence[str]) -> list[str]:
    redis, found = client.store.redis, list[bytes]()
    async with answering():
        for place in (*map(keys.queue, queues), keys.DEAD):
            found += await redis.zrange(place, 0, -1)
    return [each.decode(errors="replace") for each in found]


def _fault(run: str, trace: Trace, endings: Mapping[str, Sequence[Ending]]) -> str:
    state, ended = state_of(trace), endings.get(run, ())
    said = f"its commits said {', '.join(ended) or 'nothing'}"
    match state:
        case None if trace or not ended:  # else its result is no longer kept
            return f"I1: run {run}: {in_words(trace)}; {said}"
        case State.DEAD if not trace & Trace.KEPT:
            return f"I2: run {run} is dead without its payload"
        case State.DEAD if Ending.DEAD not in ended:
            return f"I1: run {run} is dead, and {said}"
        case State.WAITING if ended:
            return f"I1: run {run} waits, and {said}"
        case _:
            return f"I4: run {run} was ended again: {said}" if len(ended) > 1 else ""
