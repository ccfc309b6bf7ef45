"""What a worker serves over HTTP, to friends, strangers and enemies."""

from collections.abc import AsyncGenerator
from contextlib import suppress
from pathlib import Path

import anyio
import httpx2
import psutil
import pytest
from arq.connections import RedisSettings
from prometheus_client.parser import text_string_to_metric_families

from app.engine import Client, Codec, ManualClock, job, minutes
from app.engine.outcome import Dead, Succeeded
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from app.observability.providers import Provider, Providers
from app.queues import NAMES
from app.storage.database import Database
from tests import servers
from tests.observability.overs import over
from tests.observability.watched import Site, alive, watched
from tests.plugins.cases import Case

TOKEN = "a-token-of-the-tests"


@job(queue="email", name="tests.watched")
async def wait_here(ctx: object) -> None:
    """Do nothing; nobody will run it."""
    del ctx


@pytest.fixture
async def client(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    async with open_redis(clean_redis) as redis:
        yield Client(Store(redis, clock), codec, queues=NAMES)


@pytest.fixture
async def site(client: Client, database: Database, tmp_path: Path) -> AsyncGenerator[Site]:
    await alive(client)
    async with watched(client, database, tmp_path) as site:
        yield site


@pytest.fixture
async def guarded(client: Client, database: Database, tmp_path: Path) -> AsyncGenerator[Site]:
    await alive(client)
    async with watched(client, database, tmp_path, token=TOKEN) as site:
        yield site


async def numbers(site: Site) -> dict[tuple[str, frozenset[str]], float]:
    """Every sample of the metrics, by its name and the values of its labels."""
    page = await site.ask.get("/metrics")
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


async def test_a_worker_that_works_is_alive_and_ready(site: Site) -> None:
    assert (await site.ask.get("/live")).status_code == 200
    ready = await site.ask.get("/ready")
    assert (ready.status_code, ready.json()) == (
        200,
        {"ready": True, "reasons": [], "degraded": []},
    )


async def test_a_worker_that_stops_is_alive_and_not_ready(site: Site) -> None:
    site.worker.is_stopping = True

    ready = await site.ask.get("/ready")

    assert ready.status_code == 503
    assert ready.json()["reasons"] == ["worker: it is stopping"]
    assert (await site.ask.get("/live")).status_code == 200


async def test_a_worker_whose_sign_of_life_is_gone_is_not_ready(site: Site, client: Client) -> None:
    await client.store.redis.flushdb()

    ready = await site.ask.get("/ready")

    assert ready.json()["reasons"] == ["worker: its sign of life is gone"]


async def test_a_blocked_worker_is_not_ready(site: Site, client: Client) -> None:
    await alive(client, blocked_ms=3_000)

    ready = await site.ask.get("/ready")

    assert (ready.status_code, ready.json()["reasons"]) == (
        503,
        ["worker: a job blocks it for 3 s"],
    )


@pytest.mark.case(16)
async def test_a_worker_at_a_redis_that_forgets_is_not_ready_unless_that_is_accepted(
    codec: Codec, database: Database, tmp_path: Path, case: Case
) -> None:
    with servers.folder() as place:
        async with (
            servers.running(servers.program("valkey"), place) as server,
            Client.open(server.settings, codec, queues=NAMES) as client,
        ):
            await alive(client, *NAMES)
            async with watched(client, database, tmp_path, accepted=()) as site:
                refused = await site.ask.get("/ready")
            async with watched(client, database, tmp_path) as site:
                taken = await site.ask.get("/ready")

    case.says(
        "a worker asked whether it is ready, at a Redis that forgets",
        arq="has no such answer, and its health check does not look",
        steward=f"{refused.status_code}: {refused.json()['reasons'][0]}; where it is accepted:"
        f" {taken.status_code}",
    )
    assert (refused.status_code, taken.status_code) == (503, 200)
    assert "append-only file" in refused.json()["reasons"][0]


async def test_the_health_check_is_served(site: Site) -> None:
    report = await site.ask.get("/health")

    told = report.json()
    assert report.status_code == 503  # nobody serves the queues
    assert told["overall"] == "unhealthy"
    assert {part["name"] for part in told["parts"]} > {"database", "redis", "workers", "queues"}


async def test_a_provider_that_fails_is_named_and_the_worker_is_ready(
    client: Client, database: Database, tmp_path: Path
) -> None:
    async def away() -> None:
        raise ConnectionError("at secret.example.org")

    await alive(client, *NAMES)
    providers = Providers([Provider(name="mail", attempt=away)])
    async with watched(client, database, tmp_path, providers=providers) as site:
        report = await site.ask.get("/health")
        ready = await site.ask.get("/ready")

    line = "it can't be used (ConnectionError): `steward check mail` tells why"
    assert (ready.status_code, ready.json()["ready"]) == (200, True)
    assert ready.json()["degraded"] == [f"mail: {line}"]
    assert (report.status_code, report.json()["overall"]) == (200, "degraded")
    assert report.json()["parts"][-1]["line"] == line


async def test_metrics_tell_of_runs_and_of_this_process(site: Site) -> None:
    for outcome in (Succeeded(None), Succeeded(None), Succeeded(None), Dead(OSError())):
        site.tally.heard(over(outcome, enqueued=0, started=400, took=2_000))

    told = await numbers(site)

    labels = ("tests.write", "email")
    assert told["steward_runs_total", frozenset((*labels, "succeeded"))] == 3
    assert told["steward_runs_total", frozenset((*labels, "dead"))] == 1
    assert told["steward_attempts_total", frozenset((*labels, "succeeded"))] == 3
    assert told["steward_run_success_ratio", frozenset(labels)] == 0.75
    assert told["steward_run_duration_seconds_bucket", frozenset((*labels, "1.0"))] == 0
    assert told["steward_run_duration_seconds_bucket", frozenset((*labels, "2.5"))] == 4
    assert told["steward_run_duration_seconds_bucket", frozenset((*labels, "+Inf"))] == 4
    assert told["steward_run_duration_seconds_sum", frozenset(labels)] == 8
    assert told["steward_run_wait_seconds_count", frozenset(labels)] == 4
    assert told["steward_run_attempts_sum", frozenset(labels)] == 4
    assert told["steward_worker_slots", frozenset()] == 7
    used, seen = told["steward_worker_memory_bytes", frozenset()], psutil.Process()
    assert used == pytest.approx(seen.memory_info().rss, rel=0.2)
    assert 0 < told["steward_worker_cpu_seconds_total", frozenset()] < 100_000


async def test_queue_depths_are_what_redis_has(site: Site, client: Client) -> None:
    """Ready and deferred apart, and together what ZCARD says."""
    await client.enqueue_many(wait_here.call() for _ in range(5))
    await client.enqueue(wait_here.with_options(delay=minutes(5)))
    await client.enqueue(wait_here.with_options(delay=minutes(9)))

    told = await numbers(site)

    depth = {
        state: told["steward_queue_runs", frozenset(("email", state))]
        for state in ("ready", "deferred", "running", "parked")
    }
    assert depth == {"ready": 5, "deferred": 2, "running": 0, "parked": 0}
    assert sum(depth.values()) == await client.store.redis.zcard("arq:queue:email")
    assert told["steward_redis_up", frozenset()] == 1


async def test_without_a_token_only_names_of_this_machine_are_answered(site: Site) -> None:
    """A web page could otherwise have its own name point here."""
    for name, code in [("evil.example", 421), ("localhost:9", 200), ("[::1]:9", 200)]:
        assert (await site.ask.get("/live", headers={"Host": name})).status_code == code


@pytest.mark.parametrize(
    "sent", ["", TOKEN, "Bearer", f"Bearer {TOKEN}x", "Bearer \xff", f"Basic {TOKEN}"]
)
async def test_strangers_learn_whether_it_works_and_nothing_more(guarded: Site, sent: str) -> None:
    guarded.worker.is_stopping = True
    headers = [(b"authorization", sent.encode("latin-1"))]

    answers = {
        path: await guarded.ask.get(path, headers=headers)
        for path in ("/live", "/ready", "/health", "/metrics")
    }

    assert {path: each.status_code for path, each in answers.items()} == {
        "/live": 200,
        "/ready": 503,
        "/health": 401,
        "/metrics": 401,
    }
    assert answers["/ready"].text == "not ready\n"


async def test_the_token_opens_everything(guarded: Site) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}", "Host": "steward.example"}

    assert (await guarded.ask.get("/ready", headers=headers)).json()["ready"] is True
    assert (await guarded.ask.get("/metrics", headers=headers)).status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_nothing_can_be_changed(site: Site, method: str) -> None:
    answer = await site.ask.request(method, "/ready", content=b"x" * 100)

    assert answer.status_code == 405


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /live HTTP/1.1\r\n" + b"X-Long: " + b"y" * 100_000 + b"\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /live\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x00" * 50_000,
    ],
    ids=["long", "tls", "version", "length", "path", "nothing"],
)
async def test_a_hostile_request_is_refused_and_the_next_is_answered(
    site: Site, sent: bytes
) -> None:
    answer = b""
    with anyio.fail_after(10), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
        async with await anyio.connect_tcp("127.0.0.1", site.port) as stream:
            await stream.send(sent)
            answer = await stream.receive()

    assert b" 200 " not in answer.partition(b"\r\n")[0]
    assert (await site.ask.get("/live")).status_code == 200


async def test_a_body_of_many_megabytes_takes_no_memory(site: Site) -> None:
    before = psutil.Process().memory_info().rss

    async def body() -> AsyncGenerator[bytes]:
        for _ in range(64):
            yield b"x" * 2**20

    with suppress(httpx2.TransportError):
        assert (await site.ask.post("/metrics", content=body())).status_code == 405
    assert psutil.Process().memory_info().rss - before < 16 * 2**20
    assert (await site.ask.get("/live")).status_code == 200


async def test_many_silent_connections_are_turned_away_and_forgotten(site: Site) -> None:
    async with anyio.create_task_group() as group:
        for _ in range(80):
            group.start_soon(_stay_silent, site.port)
        group.cancel_scope.cancel()

    with anyio.fail_after(10):
        while (await site.ask.get("/live")).status_code != 200:
            await anyio.lowlevel.checkpoint()


async def _stay_silent(port: int) -> None:
    async with await anyio.connect_tcp("127.0.0.1", port):
        await anyio.sleep_forever()
