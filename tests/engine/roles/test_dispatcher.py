"""From a claimed run to its commit."""

from collections.abc import Sequence

import anyio

from app.engine import Attempt, Client, Codec, Over, RunStatus, by_name, hours, minutes, seconds
from app.engine.memory import memory_books
from app.engine.roles.admitter import Admitter
from app.engine.roles.committer import Committer
from app.engine.roles.dispatcher import Dispatcher
from app.engine.roles.runner import Runner
from app.engine.run import Claimed
from tests.engine.conftest import Bench
from tests.engine.jobs import pass_gate, write
from tests.engine.steps import claim, trials_of
from tests.eventually import eventually


class Desk:
    """A dispatcher, and what it leads to."""

    def __init__(self, client: Client, codec: Codec) -> None:
        self.client = client
        self.page: list[str] = []
        self.gate = anyio.Event()
        self.heard: list[Over] = []
        self.retired: list[str] = []
        jobs, clock = by_name([write, pass_gate]), client.store.clock
        runner = Runner(
            jobs,
            codec,
            self._bench,
            clock=clock,
            worker="w1",
            books=memory_books(),
            accept_plain=False,
        )
        self.committer = Committer(
            client.store,
            codec,
            clock=clock,
            worker="w1",
            keep_result=hours(1),
            heard=[self.heard.append],
        )
        self.dispatcher = Dispatcher(
            runner,
            self.committer,
            trials_of(client.store),
            admitter=Admitter(client.store, lease=minutes(1), is_needed=False),
            jobs=jobs,
            clock=clock,
            concurrency=5,
            abandon_after=minutes(1),
            lease=seconds(8),
            retire=self.retired.append,
        )

    def _bench(self, attempt: Attempt) -> Bench:
        return Bench(attempt=attempt, client=self.client, page=self.page, gate=self.gate)

    async def claimed(self) -> Sequence[Claimed]:
        """What waits."""
        return (await claim(self.client.store)).runs


async def test_a_run_is_held_until_its_outcome_is_committed(client: Client, codec: Codec) -> None:
    desk = Desk(client, codec)
    handle = await client.enqueue(pass_gate, "I")
    for run in await desk.claimed():
        desk.dispatcher.start(run)
    held = [desk.dispatcher.held()]

    desk.gate.set()
    await desk.dispatcher.slots.idle()
    held.append(desk.dispatcher.held())
    await desk.committer.flush()
    held.append(desk.dispatcher.held())

    assert held == [{handle.id}, {handle.id}, set()]
    assert await handle.status() == RunStatus.SUCCEEDED


async def test_what_cannot_start_takes_no_slot(client: Client, codec: Codec) -> None:
    desk = Desk(client, codec)
    unreadable, good = [await client.enqueue(write, text) for text in "ab"]
    await client.store.redis.set(f"arq:job:{unreadable.id}", b"altered")

    for run in await desk.claimed():
        desk.dispatcher.start(run)
    at_work = [each.run.id for each in desk.dispatcher.slots.running]
    await desk.dispatcher.slots.idle()
    await desk.committer.flush()
    await eventually(lambda: len(desk.heard) == 2)

    assert at_work == [good.id]
    assert [await each.status() for each in (unreadable, good)] == [
        RunStatus.DEAD,
        RunStatus.SUCCEEDED,
    ]
    assert desk.page == ["b"]
