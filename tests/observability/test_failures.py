"""Every failure is kept with where it happened, and never with what it was called with."""

from datetime import timedelta
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from app.engine import Ending, ManualClock, RemoteError, days
from app.engine.outcome import Dead, Retrying, Snoozed, Succeeded
from app.observability.failures import FailureKeeper, describe
from app.storage.database import Database
from app.storage.failures import Failures
from tests.observability.overs import over

CANARY = "canary-4711"
SOON = timedelta(seconds=1)


def raised(error: BaseException, cause: BaseException | None = None) -> BaseException:
    error.__cause__ = cause or error.__cause__
    try:
        raise error
    except type(error) as caught:
        return caught


@pytest.fixture
def failures(database: Database, clock: ManualClock) -> Failures:
    return Failures(database, now=clock.now)


@pytest.fixture
def keeper(failures: Failures) -> FailureKeeper:
    return FailureKeeper(failures)


async def test_every_failed_attempt_is_kept_with_its_traceback(
    keeper: FailureKeeper, failures: Failures
) -> None:
    keeper.heard(over(Retrying(SOON, raised(ConnectionError("the line is dead")))))
    keeper.heard(over(Dead(raised(ConnectionError("and stays dead"))), attempt=2))
    await keeper.write()

    last, first = await failures.find()
    assert (first.ending, first.attempt) == (Ending.RETRYING, 1)
    assert (last.ending, last.attempt) == (Ending.DEAD, 2)
    assert (first.job, first.queue, first.run_id) == ("tests.write", "email", "run-1")
    assert (first.kind, first.message) == ("ConnectionError", "the line is dead")
    assert "in raised\n    raise error" in first.traceback
    assert first.traceback.endswith("ConnectionError: the line is dead\n")


async def test_what_did_not_fail_is_not_kept(keeper: FailureKeeper, failures: Failures) -> None:
    for outcome in (Succeeded(None), Snoozed(SOON, "busy")):
        keeper.heard(over(outcome))
    await keeper.write()

    assert await failures.find() == ()


ARGS = ((f"to {CANARY}@example.org", 7), {"words": CANARY, "tags": {"a": [CANARY, "b"]}})


@pytest.mark.parametrize(
    "error",
    [
        ValueError(f"can't write to {CANARY}@example.org"),
        RuntimeError("at the end", {"words": CANARY}),
        raised(OSError("it failed"), KeyError(CANARY)),
        ExceptionGroup("several", [ValueError(CANARY), TypeError("other")]),
        RemoteError("their.Error", CANARY),
    ],
    ids=["message", "args", "cause", "group", "remote"],
)
def test_what_was_an_argument_is_nowhere_in_the_record(error: Exception) -> None:
    noted = ValueError("noted")
    noted.add_note(f"while writing to {CANARY}")
    for each in (raised(error), raised(noted, error)):
        kept = repr(describe(over(Dead(each), args=ARGS[0], kwargs=ARGS[1]), each))

        assert CANARY not in kept
        assert "***" in kept


@pytest.mark.parametrize("text", ["tab\there", "C:\\secret's", "naïve-Zoë"])
def test_an_argument_is_known_however_an_error_quotes_it(text: str) -> None:
    for error in (KeyError(text), ValueError(ascii(text)), KeyError({text: 1})):
        kept = describe(over(Dead(error), args=({text: "a key of a mapping"},)), error)

        assert all(word[1:-1] not in kept.message for word in map(ascii, text.split()))
        assert all(word[1:-1] not in kept.message for word in map(repr, text.split()))


def test_an_error_that_says_millions_of_words_takes_a_moment() -> None:
    words, error = [f"word-{number}" for number in range(1_000)], ValueError("x word-7 " * 500_000)
    began = process_time()

    kept = describe(over(Dead(raised(error)), args=(words,)), error)

    assert process_time() - began < 1
    assert kept.message.startswith("x *** x *** ")
    assert "word-7" not in kept.message + kept.traceback


def test_arguments_are_kept_by_name_and_type() -> None:
    error = ValueError("no")
    kwargs = {"words": "a secret", "many": [1, 2], "more": {"a": 1}, "blob": b"xyz", "no": None}

    kept = describe(over(Dead(error), args=("ann@example.org", 7, True), kwargs=kwargs), error)

    assert kept.arguments == (
        "text of 15, 7, True, words=text of 8, many=list of 2, more=dict of 1, blob=bytes, 3,"
        " no=None"
    )


@pytest.mark.parametrize(
    "said",
    [
        "redis://user:hunter2@host/0",
        "Authorization: Bearer abcdefgh12345678",
        "password=hunter2",
        "api_key: hunter2",
        "token-of-the-settings",
    ],
)
def test_secrets_are_blanked_wherever_they_stand(said: str) -> None:
    error = raised(OSError(said), ValueError(said))

    kept = describe(over(Dead(error)), error, secrets=["token-of-the-settings"])

    for secret in ("hunter2", "abcdefgh12345678", "token-of-the-settings"):
        assert secret not in repr(kept)


class Unprintable(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


@pytest.mark.parametrize(
    "error", [Unprintable(), ValueError("half \ud800 a character"), ValueError("x" * 10**6)]
)
async def test_whatever_was_raised_can_be_kept(
    keeper: FailureKeeper, failures: Failures, error: Exception
) -> None:
    keeper.heard(over(Dead(raised(error))))
    await keeper.write()

    (kept,) = await failures.find()
    assert kept.kind
    assert len(kept.message) <= 2_000
    assert len(kept.traceback) <= 16_000


async def test_failures_are_found_by_words_job_run_and_time(
    keeper: FailureKeeper, failures: Failures, clock: ManualClock
) -> None:
    ended = clock.now_ms()
    for number, said in enumerate(["the disk is full", "100% of_it", "no line"]):
        done = over(Dead(raised(OSError(said))), run_id=f"run-{number}", started=ended, took=0)
        keeper.heard(done)
    await keeper.write()

    async def found(**wanted: object) -> list[str]:
        return [each.run_id for each in await failures.find(**wanted)]  # type: ignore[arg-type]

    assert await found(words="DISK full") == ["run-0"]
    assert await found(words="100% of_") == ["run-1"]
    assert await found(words="1_0%") == []
    assert await found(words="OSError") == ["run-2", "run-1", "run-0"]
    assert await found(job="tests.write", run_id="run-2") == ["run-2"]
    assert await found(job="other") == []
    assert await found(since=clock.now() + SOON) == []
    assert await found(limit=1) == ["run-2"]


async def test_failures_are_forgotten_after_a_month(
    keeper: FailureKeeper, failures: Failures, clock: ManualClock
) -> None:
    keeper.heard(over(Dead(OSError("x")), started=clock.now_ms(), took=0))
    await keeper.write()
    clock.advance(days(29))
    assert await failures.prune() == 0
    clock.advance(days(2))

    assert (await failures.prune(), await failures.find()) == (1, ())


async def test_a_flood_is_counted_and_does_not_fill_the_memory(
    keeper: FailureKeeper, failures: Failures, caplog: pytest.LogCaptureFixture
) -> None:
    dead = over(Dead(OSError("x")))
    for _ in range(1_100):
        keeper.heard(dead)
    await keeper.write()

    assert len(await failures.find(limit=5_000)) == 1_000
    assert "100 failures were too many to write down" in caplog.text


async def test_what_can_not_be_written_now_waits(
    keeper: FailureKeeper, failures: Failures, database: Database
) -> None:
    keeper.heard(over(Dead(OSError("x"))))
    await _execute(database, "ALTER TABLE failures RENAME TO elsewhere")
    await keeper.write()
    keeper.heard(over(Dead(OSError("y"))))
    await _execute(database, "ALTER TABLE elsewhere RENAME TO failures")

    await keeper.write()

    assert [each.message for each in await failures.find()] == ["y", "x"]


async def _execute(database: Database, statement: str) -> None:
    async with database.write() as session:
        await session.execute(text(statement))


@given(st.text(min_size=4), st.text())
def test_no_text_argument_is_repeated(secret: str, around: str) -> None:
    error = ValueError(f"{around}{secret}{around}")

    kept = describe(over(Dead(error), args=(secret,)), error)

    assert secret not in kept.message.replace("***", "") or secret in around
