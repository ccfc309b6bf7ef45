"""Declaring jobs, and choosing options for a run."""

from datetime import UTC, datetime, timedelta
from types import ModuleType
from typing import Any

import pytest

from app.engine import (
    BadArguments,
    DeclarationError,
    Duplicate,
    Fixed,
    Held,
    by_name,
    collect,
    days,
    job,
    minutes,
    seconds,
)
from tests.engine import jobs
from tests.engine.jobs import write


async def send(ctx: object, text: str) -> str:
    """Send a text.

    More about it.
    """
    return f"{ctx}: {text}"


def test_a_job_is_named_after_its_module_and_function() -> None:
    assert job()(send).name == "test_job.send"


def test_a_job_keeps_what_it_was_declared_with() -> None:
    policy = Fixed(minutes(5), attempts=4)
    declared = job(queue="email", timeout=minutes(2), retry=policy, keep_result=days(1), version=3)(
        send
    )

    assert (declared.queue, declared.timeout, declared.retry) == ("email", minutes(2), policy)
    assert (declared.keep_result, declared.version) == (days(1), 3)
    assert declared.description == "Send a text."


async def test_a_job_is_still_its_function() -> None:
    assert await job()(send)("here", "hello") == "here: hello"


@pytest.mark.parametrize(
    "name", ["send", "Email.send", "email.", ".send", "email send", "a.b-c", ""]
)
def test_a_name_must_be_domain_and_function(name: str) -> None:
    with pytest.raises(DeclarationError, match="no job name"):
        job(name=name or " ")(send)


@pytest.mark.parametrize("queue", ["", "Mail", "a b", "a-b", "mail*", "arq:queue:", "a|b", "ä"])
def test_a_queue_name_is_plain(queue: str) -> None:
    with pytest.raises(DeclarationError, match="no queue name"):
        job(queue=queue)(send)


@pytest.mark.parametrize(
    "options",
    [
        {"timeout": timedelta(0)},
        {"timeout": timedelta(seconds=-1)},
        {"retry": Fixed(timedelta(0), attempts=0)},
        {"version": 0},
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(DeclarationError, match="positive"):
        job(**options)(send)


def test_two_jobs_of_one_name_are_refused() -> None:
    with pytest.raises(Duplicate, match=r"test\.same"):
        by_name([job(name="test.same")(send), job(name="test.same")(send)])


def test_one_job_given_twice_is_one_job() -> None:
    assert by_name([write, write]) == {"test.write": write}


def test_collect_finds_a_modules_own_jobs() -> None:
    found = collect(jobs)

    assert write in found
    assert {each.function.__module__ for each in found} == {jobs.__name__}


def test_collect_leaves_out_what_a_module_imported() -> None:
    importer = ModuleType("importer")
    vars(importer)["write"] = write

    assert collect(importer) == ()


def test_collect_refuses_two_modules_that_share_a_name() -> None:
    first, second = ModuleType("first"), ModuleType("second")
    for module in (first, second):

        async def same(ctx: object) -> None: ...

        same.__module__ = module.__name__
        vars(module)["same"] = job(name="test.same")(same)

    with pytest.raises(Duplicate, match=r"test\.same"):
        collect(first, second)


def test_options_belong_to_one_run() -> None:
    later = write.with_options(delay=seconds(5), key="k", held=Held.QUEUED, id="i", owner="7")

    assert later.options.delay == seconds(5)
    assert (later.options.key, later.options.held) == ("k", Held.QUEUED)
    assert (later.options.id, later.options.owner) == ("i", "7")
    assert write.options.delay is None
    assert later == job_like(later)


def job_like(other: Any) -> Any:
    return write.with_options(
        delay=other.options.delay, key="k", held=Held.QUEUED, id="i", owner="7"
    )


NAIVE = datetime(2026, 1, 1)
TEXT = "x" * 1_000_000

WRONG_OPTIONS: list[dict[str, Any]] = [
    {"delay": timedelta(seconds=-1)},
    {"delay": timedelta.min},
    {"delay": timedelta.max},
    {"delay": timedelta(days=3651)},
    {"delay": 5},
    {"delay": 5.0},
    {"delay": "5"},
    {"delay": True},
    {"at": NAIVE},
    {"at": datetime.max.replace(tzinfo=UTC)},
    {"at": datetime(9001, 1, 1, tzinfo=UTC)},
    {"at": "2026-01-01T00:00:00Z"},
    {"at": 1_800_000_000},
    {"at": NAIVE.date()},
    {"delay": timedelta(seconds=1), "at": NAIVE.replace(tzinfo=UTC)},
    {"held": timedelta(seconds=-1), "key": "k"},
    {"held": timedelta.max, "key": "k"},
    {"held": "active", "key": "k"} | {"held": 60},
    *(
        {name: value}
        for name in ("id", "key", "owner")
        for value in (
            *(
                "",
                " ",
                "a b",
                "a\0b",
                "a\r\nb",
                "a\n",
                "*",
                "?",
                "[a]",
                "a|b",
                "{a}",
                "ä",
                "\udcff",
            ),
            *("x" * 201, TEXT, b"bytes", 7, 1.5, True, ["a"], ("a",)),
        )
    ),
]


@pytest.mark.case(46)
@pytest.mark.parametrize("options", WRONG_OPTIONS, ids=range(len(WRONG_OPTIONS)))
def test_wrong_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(BadArguments) as refused:
        write.with_options(**options)

    assert len(str(refused.value)) < 500


@pytest.mark.parametrize("id", ["a", "x" * 200, "Task-7@2026:a+b.c_d", "0"])
def test_a_plain_id_is_taken(id: str) -> None:
    assert write.with_options(id=id).options.id == id


def test_a_call_for_a_moment_keeps_the_jobs_other_options() -> None:
    tick = datetime(2026, 1, 1, tzinfo=UTC)
    call = write.with_options(key="k", owner="7", delay=seconds(5)).call("x").at(tick, id="i")

    options = call.job.options
    assert (options.at, options.id, options.delay) == (tick, "i", None)
    assert (options.key, options.owner) == ("k", "7")


def test_a_call_says_what_it_calls_and_not_with_what() -> None:
    assert str(write.call("secret")) == "test.write(...)"
