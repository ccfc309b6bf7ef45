"""Enqueuing: what is taken, and what is refused with nothing written."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest
from arq.connections import RedisSettings
from msgspec import structs

from app.engine import (
    BadArguments,
    CallRefused,
    Client,
    Clock,
    Codec,
    ManualClock,
    RunStatus,
    TooLarge,
    Unavailable,
    UnknownJob,
    current_attempt,
    hours,
    job,
    minutes,
    seconds,
)
from app.engine.attempt import Attempt
from app.engine.job import by_name
from app.engine.redis.connection import open_redis
from app.engine.redis.store import Store
from tests.engine.conftest import QUEUES
from tests.engine.jobs import write
from tests.engine.steps import claim, due_ms, keys_of

NAIVE = datetime(2026, 1, 1)
AWARE = NAIVE.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """A value with values inside."""

    name: str
    born: datetime
    friends: tuple["Person", ...] = ()


@job(name="test.invite", queue="default")
async def invite(
    ctx: object,
    user_id: int,
    person: Person,
    when: datetime,
    /,
    *days: date,
    note: str = "",
    wait: timedelta = timedelta(0),
    who: UUID | None = None,
) -> None:
    """Take a bit of everything."""


@job(name="test.loose", queue="default")
async def loose(ctx: object, /, anything: Any, **rest: Any) -> None:
    """Take anything."""


@job(name="test.stranger", queue="default")
async def stranger(ctx: object) -> None:
    """Be registered nowhere."""


@job(name="test.lost", queue="nowhere")
async def lost(ctx: object) -> None:
    """Have a queue that nobody serves."""


@pytest.fixture
async def strict(
    clean_redis: RedisSettings, codec: Codec, clock: ManualClock
) -> AsyncGenerator[Client]:
    """A client that knows its jobs and queues."""
    jobs = by_name([invite, loose, write, lost])
    async with open_redis(clean_redis) as redis:
        yield Client(Store(redis, clock), codec, jobs=jobs, queues=QUEUES)


EMPTY: dict[str, int] = {}
ANN = Person("Ann", AWARE)


def cyclic_list() -> list[Any]:
    itself: list[Any] = [1]
    itself.append({"again": itself})
    return itself


def cyclic_dict() -> dict[str, Any]:
    itself: dict[str, Any] = {}
    itself["again"] = [itself]
    return itself


def nested(levels: int, inside: Any = None) -> Any:
    for _ in range(levels):
        inside = [inside]
    return inside


async def not_a_job(ctx: object) -> None:
    """Never be declared."""


def generator() -> Any:
    yield 1


GOOD = (7, ANN, AWARE)
WRONG_ARGUMENTS: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    # too few, too many, misnamed
    ((), {}),
    ((7,), {}),
    ((7, ANN), {}),
    ((), {"note": "x"}),
    (GOOD, {"nope": 1}),
    (GOOD, {"user_id": 8}),
    (GOOD, {"ctx": object()}),
    (GOOD, {"": 1}),
    ((*GOOD, *[date(2026, 1, 1)] * 13), {}),
    # another type than annotated
    *(
        ((each, ANN, AWARE), {})
        for each in ("7", 7.5, True, None, [7], b"7", 2**64, -(2**63) - 1, ANN)
    ),
    *(((each, ANN, AWARE), {}) for each in (float("nan"), float("inf"), EMPTY, {7}, object(), 7j)),
    *(
        ((7, each, AWARE), {})
        for each in ("Ann", None, {}, {"name": 1, "born": AWARE}, ["Ann", AWARE])
    ),
    ((7, {"name": "Ann"}, AWARE), {}),
    ((7, {"name": "Ann", "born": "yesterday"}, AWARE), {}),
    ((7, Person(cast("Any", 5), AWARE), AWARE), {}),
    ((7, Person("Ann", cast("Any", "soon")), AWARE), {}),
    ((7, Person("Ann", AWARE, (Person("Bob", cast("Any", None)),)), AWARE), {}),
    *(
        ((7, ANN, each), {})
        for each in (None, "", "now", "2026-13-01T00:00:00Z", 1_800_000_000, date(2026, 1, 1))
    ),
    *(((*GOOD, each), {}) for each in ("tomorrow", None, 5, "2026-02-30")),
    *((GOOD, {"note": each}) for each in (5, None, b"x", ["x"], ANN)),
    *((GOOD, {"wait": each}) for each in (5, 5.0, "5", "soon", AWARE, None)),
    *((GOOD, {"who": each}) for each in ("me", 5, "00000000-0000-0000-0000-00000000000g")),
    # naive times, anywhere
    ((7, ANN, NAIVE), {}),
    ((7, ANN, "2026-01-01T00:00:00"), {}),
    ((7, Person("Ann", NAIVE), AWARE), {}),
    ((7, Person("Ann", AWARE, (Person("Bob", NAIVE),)), AWARE), {}),
    ((7, {"name": "Ann", "born": NAIVE}, AWARE), {}),
    ((7, {"name": "Ann", "born": "2026-01-01T00:00:00"}, AWARE), {}),
    # what can't be written down
    (GOOD, {"note": "\udcff"}),
    (GOOD, {"note": "x" * 300_000}),
    ((7, Person("\ud800", AWARE), AWARE), {}),
]
WRONG_ANYTHING: list[Any] = [
    NAIVE,
    [NAIVE],
    {"a": {"b": (NAIVE,)}},
    {NAIVE: 1},
    {NAIVE},
    Person("Ann", NAIVE),
    nested(200, NAIVE),
    cyclic_list(),
    cyclic_dict(),
    nested(100_000),
    2**64,
    -(2**64),
    10**400,
    [2**70],
    object(),
    object,
    int,
    len,
    lambda: 0,
    generator(),
    iter([1]),
    range(3),
    1j,
    "\udcff",
    {"\udcff": 1},
    ["\ud800"],
    b"x" * 300_000,
    "x" * 300_000,
    ["x"] * 300_000,
    open,
    pytest,
    write,
    NotImplemented,
    ...,
]
WRONG_OPTIONS: list[dict[str, Any]] = [
    {"delay": timedelta(microseconds=-1)},
    {"delay": timedelta(days=-2)},
    {"delay": timedelta.max},
    {"delay": 60},
    {"at": NAIVE},
    {"at": "tomorrow"},
    {"at": datetime.max.replace(tzinfo=UTC)},
    {"delay": seconds(1), "at": AWARE},
    {"key": "k", "held": seconds(-1)},
    {"key": "k", "held": 5},
    {"nope": 1},
    *(
        {"id": each}
        for each in ("", " ", "a\0b", "a\r\nSET x 1", "x" * 201, "x" * 1_000_000, "*?[]", "é", 5)
    ),
    *({"key": each} for each in ("", "a b", "a\0b", "a\r\nb", "x" * 1_000_000, "*", 5)),
    *({"owner": each} for each in ("", "a b", 5)),
]
NO_JOBS: list[Any] = [
    "test.write",
    "app.engine.job.job",
    "os.system",
    "__import__",
    "",
    None,
    5,
    not_a_job,
    print,
    b"test.write",
    write.function,
    stranger,
    lost,
]


@pytest.mark.case(46)
@pytest.mark.parametrize(("args", "kwargs"), WRONG_ARGUMENTS, ids=range(len(WRONG_ARGUMENTS)))
async def test_a_call_with_wrong_arguments_is_refused_and_writes_nothing(
    strict: Client, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    enqueue: Any = strict.enqueue

    with pytest.raises((BadArguments, TooLarge), match=r"test\.invite") as refused:
        await enqueue(invite, *args, **kwargs)

    assert len(str(refused.value)) < 3000
    assert await keys_of(strict) == set()


@pytest.mark.case(46)
@pytest.mark.parametrize("value", WRONG_ANYTHING, ids=range(len(WRONG_ANYTHING)))
async def test_a_value_that_cannot_travel_is_refused_and_writes_nothing(
    strict: Client, value: Any
) -> None:
    for args, kwargs in (((value,), {}), ((), {"anything": value}), ((1,), {"other": value})):
        with pytest.raises((BadArguments, TooLarge), match=r"test\.loose"):
            await strict.enqueue(loose, *args, **kwargs)

    assert await keys_of(strict) == set()


@pytest.mark.case(46)
@pytest.mark.parametrize("options", WRONG_OPTIONS, ids=range(len(WRONG_OPTIONS)))
async def test_a_call_with_wrong_options_is_refused_and_writes_nothing(
    strict: Client, options: dict[str, Any]
) -> None:
    with pytest.raises((BadArguments, TypeError)) as refused:
        await strict.enqueue(write.with_options(**options), "x")

    assert isinstance(refused.value, BadArguments) or "nope" in options
    assert await keys_of(strict) == set()


@pytest.mark.case(46)
@pytest.mark.parametrize("what", NO_JOBS, ids=range(len(NO_JOBS)))
async def test_what_is_no_registered_job_is_refused_and_writes_nothing(
    strict: Client, what: Any
) -> None:
    with pytest.raises(CallRefused):
        await strict.enqueue(what)
    with pytest.raises((CallRefused, TypeError)):
        await strict.enqueue_call(what.call() if hasattr(what, "call") else what)

    assert await keys_of(strict) == set()


async def test_one_wrong_call_refuses_the_whole_batch(strict: Client) -> None:
    wrong: Any = 5

    with pytest.raises(BadArguments):
        await strict.enqueue_many([write.call("x"), write.call(wrong)])

    assert await keys_of(strict) == set()


async def test_one_call_that_is_too_large_refuses_the_whole_batch(strict: Client) -> None:
    calls = [write.call("x")] * 2_000

    with pytest.raises(TooLarge):
        await strict.enqueue_many([*calls, write.call("x" * 1_000_000)])

    assert await keys_of(strict) == set()


async def test_an_unregistered_job_is_named(strict: Client) -> None:
    with pytest.raises(UnknownJob, match=r"test\.stranger"):
        await strict.enqueue(stranger)


async def test_no_calls_are_no_round_trip(strict: Client) -> None:
    assert await strict.enqueue_many([]) == []


async def test_a_right_call_is_taken(strict: Client) -> None:
    handle = await strict.enqueue(invite, 7, ANN, AWARE, date(2026, 1, 1), note="hello")

    assert handle.is_new
    assert await handle.status() == RunStatus.QUEUED


@pytest.mark.parametrize(
    "at", [AWARE, datetime(1, 1, 1, tzinfo=UTC), datetime.min.replace(tzinfo=UTC)]
)
async def test_a_time_in_the_past_means_now(strict: Client, at: datetime) -> None:
    await strict.enqueue(write.with_options(at=at), "x")

    run = (await claim(strict.store)).runs[0]

    assert abs(await due_ms(strict.store, run) / 1000 - strict.store.clock.now().timestamp()) < 2


async def test_the_payload_names_run_queue_time_and_owner(strict: Client, codec: Codec) -> None:
    at = strict.store.clock.now().replace(microsecond=0) + hours(1)
    handle = await strict.enqueue(write.with_options(at=at, owner="7", key="k", id="chosen"), "x")

    sealed = await strict.store.redis.get("arq:job:chosen")
    payload = codec.open_payload(sealed)
    assert handle.id == payload.id == "chosen"
    assert (payload.q, payload.u, payload.uk) == ("default", "7", "k")
    assert payload.sf == round(at.timestamp() * 1000)
    assert payload.v == 1


async def test_what_a_job_enqueues_names_its_run_and_owner(
    strict: Client, codec: Codec, attempt: Attempt
) -> None:

    token = current_attempt.set(structs.replace(attempt, run_id="parent", owner="7", trace="00-ab"))
    try:
        handle = await strict.enqueue(write, "x")
    finally:
        current_attempt.reset(token)

    payload = codec.open_payload(await strict.store.redis.get(f"arq:job:{handle.id}"))
    assert (payload.p, payload.u, payload.tp) == ("parent", "7", "00-ab")


async def test_our_payloads_never_expire(strict: Client) -> None:
    handle = await strict.enqueue(write.with_options(delay=hours(48)), "x")

    assert await strict.store.redis.ttl(f"arq:job:{handle.id}") == -1


async def test_a_client_that_is_told_nothing_takes_any_job_and_queue(client: Client) -> None:
    await client.enqueue(stranger)
    await client.enqueue(lost)

    assert await client.store.redis.exists("arq:queue:default", "arq:queue:nowhere") == 2


class Cut(Store):
    """A store whose first answers are lost on the way."""

    losses = 1

    async def enqueue(self, runs: Any, *, again: bool = False) -> Any:
        """Store the runs, and say that nothing came back."""
        answer = await super().enqueue(runs, again=again)
        if self.losses:
            self.losses -= 1
            raise Unavailable("the connection broke")
        return answer


async def test_a_lost_answer_is_asked_for_again_and_the_run_is_new(
    client: Client, codec: Codec
) -> None:
    cut = Client(Cut(client.store.redis, Clock()), codec)

    keyed = await cut.enqueue(write.with_options(key="k"), "x")

    assert keyed.is_new
    assert await client.store.redis.zcard("arq:queue:default") == 1


async def test_a_redis_that_stays_away_is_an_error_in_the_end(client: Client, codec: Codec) -> None:
    store = Cut(client.store.redis, Clock())
    store.losses = 10**6
    gone = Client(store, codec, patience=seconds(0.2))

    with pytest.raises(Unavailable):
        await gone.enqueue(write, "x")


async def test_ping_says_how_long_redis_takes(client: Client) -> None:
    assert timedelta(0) < await client.ping() < minutes(1)


async def test_open_closes_what_it_opened(clean_redis: RedisSettings, codec: Codec) -> None:
    async with Client.open(clean_redis, codec, jobs=by_name([write])) as opened:
        handle = await opened.enqueue(write, "x")

        assert await handle.status() == RunStatus.QUEUED


async def test_a_run_lands_on_its_own_queue_and_nowhere_else(strict: Client) -> None:
    handle = await strict.enqueue(write, "x")

    assert await keys_of(strict) == {"arq:queue:default", f"arq:job:{handle.id}"}
