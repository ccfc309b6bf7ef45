"""What is made of a claimed run, and of what its job does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, cast

import msgspec
import pytest
from msgspec.structs import replace

from app.engine import (
    NEVER,
    Attempt,
    BadArguments,
    BadPayload,
    Clock,
    Codec,
    Discard,
    Fixed,
    Job,
    PermanentError,
    RetryLater,
    by_name,
    job,
    minutes,
    seconds,
    wire,
)
from app.engine.envelope import Payload
from app.engine.errors import JobTimeout, SelfCancelled, WorkerDied
from app.engine.memory import memory_books
from app.engine.outcome import (
    Cancelled,
    Dead,
    Outcome,
    Parked,
    Released,
    Retrying,
    Snoozed,
    Succeeded,
)
from app.engine.roles.runner import Refused, Runner
from app.engine.roles.running import Running, Stopped
from app.engine.run import Claimed

Raise = Callable[[], BaseException]


@dataclass(frozen=True)
class Trouble:
    """The context of these jobs: what to raise."""

    attempt: Attempt
    raising: Raise | None = None


@job(name="test.act", queue="default", retry=Fixed(minutes(5), attempts=3))
async def act(ctx: Trouble, text: str = "done") -> str:
    """Return the text, or raise what the context has."""
    if ctx.raising is not None:
        raise ctx.raising()
    return text


@job(name="test.tell", queue="default")
async def tell(ctx: Trouble) -> Any:
    """Return what it knows of itself."""
    return ctx.attempt


def payload_of(**fields: Any) -> Payload:
    known: dict[str, Any] = {
        "f": "test.act",
        "a": msgspec.Raw(b"\x90"),
        "k": msgspec.Raw(b"\x80"),
        "et": 1_700_000_000_000,
        "id": "run-1",
        "q": "default",
    }
    return Payload(**{**known, **fields})


def claimed(payload: bytes | None = b"", **fields: Any) -> Claimed:
    run = Claimed(
        id="run-1",
        queue="default",
        worker="w1",
        payload=payload,
    )
    return replace(run, **fields)


def sealed(codec: Codec, payload: Payload, **fields: Any) -> Claimed:
    """A claimed run with this payload."""
    return claimed(codec.seal_payload(payload), **fields)


def prepared(ours: Runner[Trouble], run: Claimed) -> Running:
    """It can start."""
    found = ours.prepare(run)
    assert isinstance(found, Running)
    return found


def refused(ours: Runner[Trouble], run: Claimed) -> Outcome:
    """It can't start."""
    found = ours.prepare(run)
    assert isinstance(found, Refused)
    return found.outcome


def runner(
    codec: Codec, *jobs: Job[Any, ..., Any], raising: Raise | None = None, plain: bool = False
) -> Runner[Trouble]:
    return Runner(
        by_name(jobs or (act, tell)),
        codec,
        lambda attempt: Trouble(attempt, raising),
        clock=Clock(),
        worker="w1",
        books=memory_books(),
        accept_plain=plain,
    )


async def attempted(ours: Runner[Trouble], running: Running) -> Outcome:
    """Its outcome; the attempt has a task of its own, which forgets what was set in it."""
    return await asyncio.create_task(ours.attempt(running))


async def outcome_of(
    codec: Codec,
    raising: Raise | None = None,
    *,
    attempt: int = 1,
    stopped: Stopped | None = None,
    which: Job[Any, ..., Any] = act,
) -> Outcome:
    """Run the job once, told to raise something."""
    ours = runner(codec, which, raising=raising)
    running = prepared(ours, sealed(codec, payload_of(f=which.name), attempt=attempt))
    running.stopped = stopped
    return await attempted(ours, running)


# opening


def test_a_payload_that_stands_where_we_put_it_opens(codec: Codec) -> None:
    payload = payload_of()

    assert prepared(runner(codec), sealed(codec, payload)).payload == payload


@pytest.mark.parametrize("payload", [None, b"", b"\x80\x04K\x01.", b"\x01" * 100])
def test_a_payload_that_is_not_ours_is_dead(codec: Codec, payload: bytes | None) -> None:
    outcome = refused(runner(codec), claimed(payload))

    assert isinstance(outcome, Dead)
    assert isinstance(outcome.error, BadPayload)


@pytest.mark.parametrize("moved", [{"id": "run-2"}, {"q": "urgent"}, {"id": "run-2", "q": "idle"}])
def test_a_payload_that_was_moved_is_dead(codec: Codec, moved: dict[str, str]) -> None:
    outcome = refused(runner(codec, plain=True), sealed(codec, payload_of(**moved)))

    assert isinstance(outcome, Dead)
    assert "the payload of run" in str(outcome.error)


def test_a_plain_clients_payload_is_taken_only_if_we_accept_them(codec: Codec) -> None:
    plain = sealed(codec, payload_of(id="", q=""))

    assert isinstance(refused(runner(codec), plain), Dead)
    assert prepared(runner(codec, plain=True), plain).run is plain


# preparing


@pytest.mark.parametrize(("name", "version"), [("test.unknown", 1), ("test.act", 2)])
def test_what_no_code_here_can_run_is_parked(codec: Codec, name: str, version: int) -> None:
    outcome = refused(runner(codec), sealed(codec, payload_of(f=name, v=version)))

    assert outcome == Parked(name, version)


def test_a_run_cancelled_before_it_began_is_cancelled(codec: Codec) -> None:
    assert refused(runner(codec), sealed(codec, payload_of(), cancelled=True)) == Cancelled()


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        (wire.pack((5,)), b"\x80"),
        (wire.pack(("a", "b")), b"\x80"),
        (b"\x90", wire.pack({"nope": 1})),
        (b"\x90", wire.pack({"text": 5})),
        (b"\xc0", b"\x80"),
        (b"\x90", b"\xc0"),
        (b"\x80", b"\x90"),
        (wire.pack([1] * 20), b"\x80"),
    ],
)
def test_arguments_that_do_not_fit_are_dead(codec: Codec, args: bytes, kwargs: bytes) -> None:
    payload = payload_of(a=msgspec.Raw(args), k=msgspec.Raw(kwargs))

    outcome = refused(runner(codec), sealed(codec, payload))

    assert isinstance(outcome, Dead)
    assert isinstance(outcome.error, BadArguments)


@pytest.mark.parametrize(("attempt", "is_dead"), [(3, False), (4, True), (99, True)])
def test_a_run_whose_workers_died_too_often_is_dead(
    codec: Codec, attempt: int, is_dead: bool
) -> None:
    found = runner(codec).prepare(sealed(codec, payload_of(), attempt=attempt))

    outcome = found.outcome if isinstance(found, Refused) else None
    died = isinstance(outcome, Dead) and isinstance(outcome.error, WorkerDied)
    assert died is is_dead


async def test_a_job_knows_which_attempt_it_is(codec: Codec) -> None:
    ours = runner(codec)
    payload = payload_of(f="test.tell", p="parent", u="7", tp="00-ab", sf=1_700_000_005_000)

    outcome = await attempted(ours, prepared(ours, sealed(codec, payload, attempt=2)))

    assert isinstance(outcome, Succeeded)
    given = cast("Attempt", outcome.result)
    assert (given.run_id, given.number, given.attempts, given.worker) == ("run-1", 2, 4, "w1")
    assert (given.parent, given.owner, given.trace) == ("parent", "7", "00-ab")
    assert given.scheduled_for - given.enqueued_at == seconds(5)
    assert abs(given.deadline - Clock().now() - minutes(5)) < seconds(5)


# running


async def test_a_job_that_returns_succeeded(codec: Codec) -> None:
    assert await outcome_of(codec) == Succeeded("done")


class Unprintable(Exception):
    """An exception whose words are an error."""

    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("x"),
        SystemExit(1),
        KeyboardInterrupt(),
        GeneratorExit(),
        BaseException("bare"),
        BaseExceptionGroup("many", [KeyboardInterrupt()]),
        StopAsyncIteration(),
        MemoryError(),
        RecursionError(),
        Unprintable(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_whatever_a_job_raises_is_the_jobs_failure(
    codec: Codec, error: BaseException
) -> None:
    first = await outcome_of(codec, lambda: error)
    last = await outcome_of(codec, lambda: error, attempt=3)

    assert isinstance(first, Retrying)
    assert first.error is error
    assert minutes(5) <= first.delay <= minutes(5.5)
    assert last == Dead(error)


@pytest.mark.parametrize("kind", [Discard, PermanentError, ValueError, PermissionError])
async def test_what_no_retry_can_mend_is_dead_at_once(codec: Codec, kind: type[Exception]) -> None:
    assert isinstance(await outcome_of(codec, lambda: kind("no")), Dead)


@pytest.mark.parametrize("attempt", [1, 3])
async def test_retry_later_snoozes_even_the_last_attempt(codec: Codec, attempt: int) -> None:
    outcome = await outcome_of(codec, lambda: RetryLater(minutes(9), "busy"), attempt=attempt)

    assert outcome == Snoozed(minutes(9), "busy")


async def test_retry_later_with_a_number_is_the_jobs_mistake(codec: Codec) -> None:
    wrong: Any = 5

    outcome = await outcome_of(codec, lambda: RetryLater(wrong))

    assert isinstance(outcome, Retrying)
    assert isinstance(outcome.error, TypeError)


async def test_a_job_that_cancels_itself_failed(codec: Codec) -> None:
    outcome = await outcome_of(codec, asyncio.CancelledError)

    assert isinstance(outcome, Retrying)
    assert isinstance(outcome.error, SelfCancelled)


@pytest.mark.parametrize(
    "error", [asyncio.CancelledError(), RuntimeError("clean-up"), ValueError()]
)
async def test_how_a_stopped_attempt_ended_does_not_matter(
    codec: Codec, error: BaseException
) -> None:
    late = await outcome_of(codec, lambda: error, stopped=Stopped.TIMEOUT)
    cancelled = await outcome_of(codec, lambda: error, stopped=Stopped.CANCELLED)
    released = await outcome_of(codec, lambda: error, stopped=Stopped.STOPPING)

    assert isinstance(late, Retrying)
    assert isinstance(late.error, JobTimeout)
    assert late.error.__cause__ is error
    assert (cancelled, released) == (Cancelled(), Released())


async def test_a_job_may_still_steer_itself_when_it_is_stopped(codec: Codec) -> None:
    later = await outcome_of(codec, lambda: RetryLater(minutes(1)), stopped=Stopped.TIMEOUT)
    never = await outcome_of(codec, lambda: Discard("no"), stopped=Stopped.STOPPING)

    assert isinstance(later, Snoozed)
    assert isinstance(never, Dead)


async def test_a_context_that_cannot_be_made_is_a_failure(codec: Codec) -> None:
    def broken(_: Attempt) -> Trouble:
        raise OSError("no database")

    ours = Runner(
        by_name([act]),
        codec,
        broken,
        clock=Clock(),
        worker="w1",
        books=memory_books(),
        accept_plain=False,
    )
    running = prepared(ours, sealed(codec, payload_of()))

    assert isinstance(await attempted(ours, running), Retrying)


class BrokenPolicy:
    """A policy that can't make up its mind."""

    attempts = 3

    def wait(self, _attempt: int, _error: BaseException, /) -> timedelta:
        """Raise."""
        raise ZeroDivisionError


@job(name="test.unlucky", queue="default", retry=BrokenPolicy())
async def unlucky(ctx: Trouble) -> None:
    """Fail under a policy that fails."""
    raise OSError(str(ctx))


async def test_a_policy_that_fails_ends_the_run_and_shows(codec: Codec) -> None:
    outcome = await outcome_of(codec, which=unlucky)

    assert isinstance(outcome, Dead)
    assert isinstance(outcome.error, ZeroDivisionError)
    assert isinstance(outcome.error.__cause__, OSError)


@pytest.mark.parametrize(
    ("stopped", "kind"),
    [
        (Stopped.TIMEOUT, Retrying),
        (Stopped.CANCELLED, Cancelled),
        (Stopped.STOPPING, Released),
        (None, Retrying),
    ],
)
def test_a_task_that_was_cut_off_has_an_outcome(
    codec: Codec, stopped: Stopped | None, kind: type[Outcome]
) -> None:
    ours = runner(codec)
    running = prepared(ours, sealed(codec, payload_of()))
    running.stopped = stopped

    assert isinstance(ours.cut_off(running), kind)


def test_a_cut_off_last_attempt_is_dead(codec: Codec) -> None:
    @job(name="test.once", queue="default", retry=NEVER)
    async def once(ctx: Trouble) -> None: ...

    ours = runner(codec, once)
    running = prepared(ours, sealed(codec, payload_of(f="test.once")))
    running.stopped = Stopped.TIMEOUT

    assert isinstance(ours.cut_off(running), Dead)
