"""A worker process that is watched over HTTP, and what it says when something breaks around it."""

import csv
import json
import re
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from io import StringIO

import anyio
import psutil
import pytest

from app.context import Services
from app.engine import Ending, RunEvent, seconds
from app.engine.doors.events import Batch
from app.engine.redis import keys
from app.jobs.watch import check_alerts
from app.storage.runs import Runs
from tests import servers
from tests.eventually import eventually
from tests.life import jobs
from tests.life.home import Home
from tests.observability.hooks import hooks
from tests.rights import asked
from tests.services.mail.capture import Capture, smtp_server

FLIPS = seconds(6)
"""Two seconds for an answer, one that an answer holds, and a busy machine's three."""
EXPORT = seconds(30)
"""An export takes a second or two; one that waits for a lock that nobody gives back, for ever."""
TOKEN = "a-token-of-the-tests"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker said."""

    code: int
    text: str


@dataclass(frozen=True, slots=True)
class Watcher:
    """Asks a worker's port."""

    port: int

    async def get(self, path: str) -> Answer:
        """The answer; without one its code is 0."""
        head = f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\n"
        said = b""
        with suppress(OSError, anyio.EndOfStream, anyio.BrokenResourceError, TimeoutError):
            with anyio.fail_after(5):
                async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
                    await stream.send(f"{head}Connection: close\r\n\r\n".encode())
                    while True:
                        said += await stream.receive()
        first, _, body = said.decode().partition("\r\n\r\n")
        return Answer(int(first.split()[1]) if first else 0, body)

    async def is_ready(self) -> bool:
        """Whether it can work."""
        return (await self.get("/ready")).code == 200

    def is_refusing(self, reason: str) -> Callable[[], Awaitable[bool]]:
        """Whether it can't work, and says so with these words."""

        async def look() -> bool:
            answer = await self.get("/ready")
            return answer.code == 503 and reason in answer.text

        return look

    def tells(self, line: str) -> Callable[[], Awaitable[bool]]:
        """Whether its metrics have this line."""

        async def look() -> bool:
            return line in (await self.get("/metrics")).text.splitlines()

        return look


@pytest.mark.case(16)
@pytest.mark.timeout(180)
async def test_a_worker_says_when_its_redis_is_no_longer_fit(home: Home) -> None:
    port = servers.free_port()
    with servers.folder() as folder:
        async with servers.running(
            servers.program("valkey"), folder, appendonly="yes", appendfsync="everysec"
        ) as server:
            home.lives_on(server)
            home.steward(
                STEWARD_WATCH__PORT=str(port),
                STEWARD_WATCH__TOKEN=TOKEN,
                STEWARD_REDIS__ACCEPT="[]",
            )
            worker = Watcher(port)
            await eventually(worker.is_ready, within=timedelta(seconds=40))

            for name, bad, good, reason in (
                ("maxmemory-policy", "allkeys-lru", "noeviction", "it drops keys"),
                ("appendonly", "no", "yes", "it has no append-only file"),
            ):
                await _set(server, name, bad)
                await eventually(worker.is_refusing(reason), within=FLIPS)
                await _set(server, name, good)
                await eventually(worker.is_ready, within=FLIPS)

            server.send(signal.SIGSTOP)
            await eventually(worker.is_refusing("redis: "), within=FLIPS)
            server.send(signal.SIGCONT)
            await eventually(worker.is_ready, within=FLIPS)
            await server.stop(signal.SIGKILL)
            await eventually(worker.is_refusing("redis: "), within=FLIPS)
            assert (await worker.get("/live")).code == 200


async def _set(server: servers.Server, name: str, value: str) -> None:
    await asked(server.nearby, "CONFIG", "SET", name, value)


async def test_alerts_are_told_on_every_channel_and_a_dead_one_holds_up_none(
    home: Home, steward: Services
) -> None:
    port = servers.free_port()
    dead = f"http://127.0.0.1:{servers.free_port()}/slack"
    await _ran(steward, failed=5, total=20)
    async with hooks() as site, smtp_server(Capture()) as smtp:
        process = home.steward(
            STEWARD_WATCH__PORT=str(port),
            STEWARD_WATCH__TOKEN=TOKEN,
            STEWARD_ALERTS__SLACK=dead,
            STEWARD_ALERTS__WEBHOOK=site.url("hook"),
            STEWARD_MAIL__SMTP__HOST="127.0.0.1",
            STEWARD_MAIL__SMTP__PORT=str(smtp.port),
            STEWARD_MAIL__SMTP__SECURITY="none",
        )

        await steward.client.enqueue(check_alerts.with_options(id="look"))

        await eventually(lambda: len(smtp.mails) >= 1, within=timedelta(seconds=40))
        await eventually(lambda: len(site.posts) >= 2)
        rules = {json.loads(each.body)["rule"] for each in site.posts}
        assert rules == {"failure-rate", "failure-rate-high"}
        assert smtp.mails[0].message["Subject"] == "[Steward] critical: failure-rate-high"
        on_the_console = re.compile(r"alert [0-9]+, failure-rate-high: .* runs failed in")
        await eventually(lambda: on_the_console.search(process.said()) is not None)
        worker = Watcher(port)
        told = (
            'steward_runs_total{job="maintenance.tell_alert",outcome="succeeded",queue="sms"} 5.0'
        )
        await eventually(worker.tells(told))
        waiting = 'outcome="retrying",queue="sms"} 2.0'
        await eventually(
            worker.tells(f'steward_attempts_total{{job="maintenance.tell_alert",{waiting}')
        )
        failures = await eventually(lambda: steward.failures.find(words="slack can't be reached"))
        assert {each.job for each in failures} == {"maintenance.tell_alert"}


@pytest.mark.timeout(180)
async def test_metrics_are_exported_while_thousands_of_runs_are_committed(
    home: Home, steward: Services
) -> None:
    port = servers.free_port()
    home.steward(STEWARD_WATCH__PORT=str(port), STEWARD_WATCH__TOKEN=TOKEN)
    worker, done, said, counts = Watcher(port), anyio.Event(), dict[str, str](), list[int]()
    runs, committed = Runs(steward.database), list[int]()

    async def feed() -> None:
        while not done.is_set():
            *_, last = await steward.client.enqueue_many(jobs.note.call() for _ in range(500))
            await last.result(within=EXPORT)

    async def recorded() -> int:
        return (await runs.counts())[Ending.SUCCEEDED]

    async def thousands() -> bool:
        return await recorded() >= 2_000

    async def events() -> int:
        return int(await steward.client.store.redis.get(keys.EVENTS_COUNT) or 0)

    async def export(form: str) -> None:
        said[form] = await home.command("metrics", form)

    async with anyio.create_task_group() as feeders:
        for _ in range(2):
            feeders.start_soon(feed)
        await eventually(thousands, within=timedelta(seconds=60))
        counts.append(await recorded())
        committed.append(await events())
        with anyio.fail_after(EXPORT.total_seconds()):
            async with anyio.create_task_group() as exports:
                exports.start_soon(export, "--json")
                exports.start_soon(export, "--csv")
            said["scraped"] = (await worker.get("/metrics")).text
        committed.append(await events())
        counts.append(await recorded())
        done.set()

    told = json.loads(said["--json"])
    (noted,) = (each for each in told["jobs"] if each["job"] == "life.note")
    rows = [*csv.DictReader(StringIO(said["--csv"]))]
    (row,) = (each for each in rows if each["job"] == "life.note")
    (seen,) = (each for each in rows if each["worker"])
    before, after = counts
    assert committed[0] < committed[1]
    for number in (noted["runs"], int(row["runs"])):
        assert before <= number <= after
    assert told["workers"][0]["memory_bytes"] > 0 < int(seen["memory_bytes"])
    assert 'steward_runs_total{job="life.note",outcome="succeeded"' in said["scraped"]


async def _ran(steward: Services, *, failed: int, total: int) -> None:
    at = steward.client.store.clock.now() - seconds(5)
    endings = [Ending.DEAD] * failed + [Ending.SUCCEEDED] * (total - failed)
    events = tuple(
        RunEvent(
            run_id=f"run-{number}",
            job="tests.work",
            queue="email",
            ending=ending,
            attempt=1,
            enqueued_at=at,
            started_at=at,
            ended_at=at,
            worker="w1",
        )
        for number, ending in enumerate(endings)
    )
    batch = Batch(entry_id="0-1", first=1, last=total, events=events)
    await Runs(steward.database).record([batch])


@pytest.mark.tier("T2")
@pytest.mark.timeout(180)
async def test_each_process_has_a_port_and_the_next_one_takes_it_over(home: Home) -> None:
    port = servers.free_port()
    home.supervisor(2, STEWARD_WATCH__PORT=str(port), STEWARD_WATCH__TOKEN=TOKEN)
    both = Watcher(port), Watcher(port + 1)
    for each in both:
        await eventually(each.is_ready, within=timedelta(seconds=40))

    pids = [await pid_at(each) for each in both]
    assert len({*pids}) == 2

    home.send(pids[0], signal.SIGKILL)

    async def is_replaced() -> bool:
        return await both[0].is_ready() and await pid_at(both[0]) not in pids

    await eventually(is_replaced, within=timedelta(seconds=40))
    assert await pid_at(both[1]) == pids[1]


async def pid_at(watcher: Watcher) -> int:
    """The process that listens there, as the system knows it."""
    (found,) = (
        each.pid
        for each in psutil.net_connections("tcp")
        if each.status == psutil.CONN_LISTEN and each.laddr and each.laddr.port == watcher.port
    )
    assert found
    return found
