"""Writing outcomes down."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

import anyio
import pytest
from msgspec import structs

from app.engine import (
    Client,
    Clock,
    Codec,
    Over,
    RunStatus,
    Unanswered,
    Unavailable,
    hours,
    seconds,
)
from app.engine.ended import Ended
from app.engine.outcome import Outcome, Succeeded
from app.engine.redis.store import Store
from app.engine.roles.committer import Committer
from app.engine.run import Claimed
from tests.engine.jobs import write
from tests.engine.steps import alive, claim, dies
from tests.eventually import eventually


class Shaky(Store):
    """A store whose commits fail: some before they land, some after."""

    before = 0
    after = 0
    commits = 0

    async def commit(self, ended: Sequence[Ended]) -> dict[str, str]:
        """Commit, unless it is this one's turn to fail."""
        self.commits += 1
        await anyio.lowlevel.checkpoint()
        if self.before:
            self.before -= 1
            raise Unavailable("it never arrived")
        lost = await super().commit(ended)
        if self.after:
            self.after -= 1
            raise Unanswered("the answer got lost")
        return lost


class Bench:
    """A committer over a shaky store, and runs to commit."""

    def __init__(self, client: Client, codec: Codec, heard: list[Over]) -> None:
        self.client = client
        self.store = Shaky(client.store.redis, client.store.clock)
        self.heard = heard
        self.committer = Committer(
            self.store,
            codec,
            clock=Clock(),
            worker="w1",
            keep_result=hours(1),
            heard=[heard.append],
        )

    async def runs(self, count: int) -> Sequence[Claimed]:
        """This many runs, leased to w1."""
        await self.client.enqueue_many(write.call(str(n)) for n in range(count))
        return (await claim(self.client.store, want=count)).runs

    def over(self, run: Claimed, outcome: Outcome) -> Over:
        """Its attempt is over."""
        assert run.payload is not None
        now = Clock().now_ms()
        return Over(
            run=run,
            payload=self.client.codec.open_payload(run.payload),
            job=write,
            outcome=outcome,
            started_ms=now,
            ended_ms=now,
        )

    async def status(self, run: Claimed) -> RunStatus:
        """Where it stands."""
        return await self.client.run(run.id).status()


@pytest.fixture
def bench(client: Client, codec: Codec) -> Bench:
    return Bench(client, codec, [])


@asynccontextmanager
async def committing(bench: Bench) -> AsyncGenerator[None]:
    """The committer at work while the block lasts."""
    async with anyio.create_task_group() as group:
        group.start_soon(bench.committer.run)
        yield
        group.cancel_scope.cancel()


async def test_what_ends_together_is_committed_together(bench: Bench) -> None:
    runs = await bench.runs(50)

    for run in runs:
        bench.committer.add(bench.over(run, Succeeded(1)))
    await bench.committer.flush()

    assert bench.store.commits == 1
    assert bench.committer.pending == ()
    assert [over.run.id for over in bench.heard] == [run.id for run in runs]
    assert {await bench.status(run) for run in runs} == {RunStatus.SUCCEEDED}


async def test_an_outcome_is_committed_soon_without_being_asked(bench: Bench) -> None:
    run = (await bench.runs(1))[0]

    async with committing(bench):
        bench.committer.add(bench.over(run, Succeeded(1)))
        await eventually(lambda: bench.heard)

    assert await bench.status(run) == RunStatus.SUCCEEDED


async def test_what_never_arrived_is_sent_again(bench: Bench) -> None:
    bench.store.before = 2
    run = (await bench.runs(1))[0]

    async with committing(bench):
        bench.committer.add(bench.over(run, Succeeded(1)))
        await eventually(lambda: bench.heard)

    assert bench.store.commits == 3
    assert await bench.status(run) == RunStatus.SUCCEEDED


async def test_what_landed_unconfirmed_is_not_done_twice(bench: Bench) -> None:
    bench.store.after = 1
    run = (await bench.runs(1))[0]

    bench.committer.add(bench.over(run, Succeeded(1)))
    await bench.committer.flush()

    assert bench.store.commits == 2
    assert await bench.client.store.redis.get("steward:events:count") == b"1"
    assert await bench.status(run) == RunStatus.SUCCEEDED
    assert bench.committer.pending == ()


async def test_what_ends_during_a_failed_commit_is_committed_too(bench: Bench) -> None:
    bench.store.before = 1
    first, second = await bench.runs(2)

    async with committing(bench):
        bench.committer.add(bench.over(first, Succeeded(1)))
        await eventually(lambda: bench.store.commits)
        bench.committer.add(bench.over(second, Succeeded(2)))
        await eventually(lambda: len(bench.heard) == 2)

    assert {over.run.id for over in bench.heard} == {first.id, second.id}
    assert {await bench.status(run) for run in (first, second)} == {RunStatus.SUCCEEDED}


async def test_flushing_beside_the_role_commits_each_outcome_once(bench: Bench) -> None:
    runs = await bench.runs(20)

    async with committing(bench), anyio.create_task_group() as group:
        for run in runs:
            bench.committer.add(bench.over(run, Succeeded(1)))
            group.start_soon(bench.committer.flush)
            await anyio.lowlevel.checkpoint()

    assert bench.committer.lost == 0
    assert sorted(over.run.id for over in bench.heard) == sorted(run.id for run in runs)


async def test_an_outcome_of_a_run_that_was_taken_over_is_dropped(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    run = (await bench.runs(1))[0]
    async with alive(bench.client.store, "w2"):
        await dies(bench.client.store, "w1")
        other = (await claim(bench.client.store, "w2")).runs[0]

        bench.committer.add(bench.over(run, Succeeded(1)))
        await bench.committer.flush()

        assert (bench.committer.lost, bench.heard) == (1, [])
        assert "taken over" in caplog.text
        assert await bench.status(run) == RunStatus.RUNNING
    bench.committer.add(bench.over(other, Succeeded(2)))
    await bench.committer.flush()
    assert bench.heard != []


async def test_a_result_is_kept_as_long_as_the_job_says(bench: Bench) -> None:
    run = (await bench.runs(1))[0]
    over = bench.over(run, Succeeded(1))
    short = structs.replace(over, job=replace(write, keep_result=timedelta(seconds=77)))
    bench.committer.add(short)
    await bench.committer.flush()

    ttl = await bench.client.store.redis.ttl(f"arq:result:{run.id}")
    assert seconds(70) < seconds(ttl) <= seconds(77)


@dataclass
class Odd:
    """A result whose own code fails while it is written down."""

    x: int = 1

    def __getattribute__(self, name: str) -> object:
        if name in ("x", "__dict__"):
            raise RuntimeError("not now")
        return super().__getattribute__(name)


@pytest.mark.parametrize("result", [object(), Odd(), "\udcff", 2**80, [lambda: 0], {"a": {1j}}])
async def test_a_result_that_cannot_be_written_down_is_still_a_success(
    bench: Bench, result: object
) -> None:
    run = (await bench.runs(1))[0]

    bench.committer.add(bench.over(run, Succeeded(result)))
    await bench.committer.flush()

    assert await bench.status(run) == RunStatus.SUCCEEDED


async def test_what_was_under_way_when_the_role_ended_is_committed_by_a_flush(
    bench: Bench,
) -> None:
    bench.store.before = 1
    run = (await bench.runs(1))[0]
    async with committing(bench):
        bench.committer.add(bench.over(run, Succeeded(1)))
        await eventually(lambda: bench.store.commits)

    assert [over.run.id for over in bench.committer.pending] == [run.id]
    await bench.committer.flush()
    assert await bench.status(run) == RunStatus.SUCCEEDED


async def test_what_landed_unheard_before_the_role_ended_is_not_taken_for_taken_over(
    bench: Bench,
) -> None:
    bench.store.after = 1
    run = (await bench.runs(1))[0]
    async with committing(bench):
        bench.committer.add(bench.over(run, Succeeded(1)))
        await eventually(lambda: bench.store.commits and not bench.store.after)

    await bench.committer.flush()

    assert bench.committer.lost == 0
    assert [over.run.id for over in bench.heard] == [run.id]
