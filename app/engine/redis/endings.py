"""The steps that write down how attempts ended, as typed calls.

Each compares the lease of the attempt before it acts: what another worker has taken over by now is
left alone, and named in the answer.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import cast

from app.engine.clock import span_ms
from app.engine.ended import Buried, Completed, Ended, PutBack, SetAside
from app.engine.redis import fields
from app.engine.redis.ground import BATCH, LONGEST_STREAM, Ground, chunks

_KINDS = (Completed, PutBack, Buried, SetAside)


class Endings(Ground):
    """How runs leave, or go back to wait."""

    async def commit(self, ended: Sequence[Ended]) -> dict[str, str]:
        """Write how these attempts ended; returns the ids that were no longer ours.

        With each comes the lease it has now: none, when it is over or waits again.
        """
        lost: dict[str, str] = {}
        for part in in_parts(ended):
            lost |= await self._commit_part(part)
        return lost

    async def _commit_part(self, part: Sequence[Ended]) -> dict[str, str]:
        """The same for those that go in one step."""
        now = self.clock.offset_ms
        match part[0]:
            case Completed():
                completed = cast("Sequence[Completed]", part)
                return await self._commit_as("complete", (), fields.of_completed(completed))
            case PutBack():
                put_back = cast("Sequence[PutBack]", part)
                return await self._commit_as("retry", (now,), fields.of_put_back(put_back))
            case Buried():
                buried = cast("Sequence[Buried]", part)
                return await self._commit_as("bury", (now,), fields.of_buried(buried))
            case SetAside():
                set_aside = cast("Sequence[SetAside]", part)
                return await self._commit_as("park", (), fields.of_set_aside(set_aside))

    async def _commit_as(
        self, step: str, head: tuple[int, ...], args: Sequence[object]
    ) -> dict[str, str]:
        answer = await self.steps.run(step, *head, LONGEST_STREAM, *args)
        lost = [each.decode(errors="replace") for each in answer]
        return dict(zip(lost[::2], lost[1::2], strict=True))

    async def cancel(
        self, run_id: str, queue: str, *, keep: timedelta, result: bytes, key: str, event: bytes
    ) -> str:
        """`cancelled` if it was waiting, `asked` if it is running, `gone` if it is neither."""
        args = (run_id, queue, span_ms(keep), result, key, event)
        head = (self.clock.offset_ms, LONGEST_STREAM)
        answer = cast("bytes", await self.steps.run("cancel", *head, *args))
        return str(answer, "ascii")


def in_parts(ended: Sequence[Ended]) -> Iterable[Sequence[Ended]]:
    """What goes in one step each: of one kind, and not too many."""
    kinds = set(map(type, ended))
    for kind in _KINDS:
        if kind in kinds:
            alike = [each for each in ended if type(each) is kind] if len(kinds) > 1 else ended
            yield from chunks(alike, BATCH)
