"""What jobs may return and raise: the run is done or dead all the same, and can be listed."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from app.engine import NEVER, BadArguments, RunFailed, RunStatus, TooLarge, UnknownRun, job, seconds
from app.engine.doors.dead_letters import DeadLetters
from tests.engine.conftest import Bench, Open, Workshop
from tests.engine.jobs import write
from tests.engine.steps import keys_of
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier

MEGABYTE = 1_000_000
SOON = seconds(10)


class Shy(Exception):
    """Shows itself to nobody."""

    def __str__(self) -> str:
        raise RuntimeError("no words")

    __repr__ = __str__


class Slotted:
    """Has no form on the wire, and raises when looked at."""

    def __repr__(self) -> str:
        raise RuntimeError("no words")

    def __getattr__(self, name: str) -> Any:
        raise ValueError(name)


class Loop(Exception):
    """Its own cause."""

    def __init__(self) -> None:
        super().__init__(self)
        self.__cause__ = self


class Endless(Exception):
    """Has arguments that contain themselves."""

    def __init__(self) -> None:
        itself: list[Any] = []
        itself.append(itself)
        super().__init__(itself)


def deep(levels: int) -> ExceptionGroup[Exception]:
    """A group in a group in a group."""
    group = ExceptionGroup[Exception]("inmost", [Shy()])
    for level in range(levels):
        group = ExceptionGroup(f"level {level}", [group, Loop()])
    return group


def cyclic() -> list[Any]:
    """A list that contains itself."""
    itself: list[Any] = []
    itself.append(itself)
    return itself


ERRORS: dict[str, Callable[[], BaseException]] = {
    "shy": Shy,
    "loop": Loop,
    "endless": Endless,
    "a group": lambda: ExceptionGroup("many", [ValueError("a"), Shy(), OSError(2, "b")]),
    "a group of 1000": lambda: ExceptionGroup("many", [ValueError(str(n)) for n in range(1000)]),
    "groups in groups": lambda: deep(50),
    "a base group": lambda: BaseExceptionGroup("all", [KeyboardInterrupt(), SystemExit(3)]),
    "half characters": lambda: RuntimeError("\udcff" * 100),
    "of arguments": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"),
    "large": lambda: RuntimeError("x" * 5 * MEGABYTE),
    "made at once": lambda: type("\udcff odd\n", (Exception,), {})("x"),
    "an exit": lambda: SystemExit("\0"),
    "not asked for": asyncio.CancelledError,
}
RESULTS: dict[str, Callable[[], object]] = {
    "an object": object,
    "slotted": Slotted,
    "cyclic": cyclic,
    "a function": lambda: write,
    "too large a number": lambda: 2**70,
    "half characters": lambda: "\udcff",
    "an exception": Shy,
    "5 MB": lambda: b"x" * 5 * MEGABYTE,
}


UNTRAVELLING = ("x" * 300_000, cyclic(), Slotted(), "\udcff", 2**70)


@job(name="test.raise_it", queue="default", retry=NEVER)
async def raise_it(ctx: Bench, which: str) -> None:
    """Raise one of these."""
    ctx.page.append(which)
    raise ERRORS[which]()


@job(name="test.return_it", queue="default", retry=NEVER)
async def return_it(ctx: Bench, which: str, size: int = 0) -> Any:
    """Return one of these, or so many bytes."""
    ctx.page.append(which)
    return b"x" * size if size else RESULTS[which]()


async def look_everywhere(shop: Workshop) -> None:
    """Every listing there is."""
    await shop.client.find()
    await shop.client.queues()
    letters = DeadLetters(shop.client)
    for letter in await letters.list(limit=1000):
        assert repr(letter)
        assert letter.last.error
    assert len(await letters.groups()) <= await letters.count()


@pytest.mark.case(40)
async def test_whatever_a_job_raises_it_is_dead_once_and_can_be_listed(
    workshop: Open, case: Case
) -> None:
    async with workshop(raise_it, write) as shop:
        handles = {name: await shop.client.enqueue(raise_it, name) for name in ERRORS}
        await shop.client.enqueue(write, "bystander")

        await shop.drain()

        await look_everywhere(shop)
        assert sorted(shop.page) == sorted([*ERRORS, "bystander"])
        for name, handle in handles.items():
            assert await handle.status() == RunStatus.DEAD, name
            with pytest.raises(RunFailed):
                await handle.result(within=SOON)
        assert await DeadLetters(shop.client).count() == len(ERRORS)
    case.says(
        f"{len(ERRORS)} exceptions of the oddest kinds",
        arq="one odd result, and listing results raises for all",
        steward="each is a dead letter, every listing lists them",
    )


@pytest.mark.case(40)
async def test_what_cannot_be_kept_leaves_the_run_done(
    workshop: Open, tier: Tier, case: Case
) -> None:
    sizes = [size * MEGABYTE for size in ((1, 16) if tier is Tier.T1 else (1, 64, 600))]
    async with workshop(return_it) as shop:
        handles = {name: await shop.client.enqueue(return_it, name) for name in RESULTS}
        sized = [await shop.client.enqueue(return_it, f"{size}", size) for size in sizes]

        await shop.drain()

        await look_everywhere(shop)
        assert len(shop.page) == len(RESULTS) + len(sizes)
        for name, handle in handles.items():
            assert await handle.status() == RunStatus.SUCCEEDED, name
        assert await sized[0].result(within=SOON) == b"x" * MEGABYTE
        for handle in sized[1:]:
            assert await handle.status() == RunStatus.SUCCEEDED
            with pytest.raises(UnknownRun, match="ResultNotKept"):
                await handle.result(within=SOON)
    case.says(
        f"{len(RESULTS)} odd results, and of {', '.join(f'{n // MEGABYTE} MB' for n in sizes)}",
        arq="failed though its effect happened; of 600 MB, the worker dies",
        steward="done, each once; what can't be kept is said",
    )


@pytest.mark.case(40)
@pytest.mark.parametrize("value", UNTRAVELLING, ids=range(len(UNTRAVELLING)))
async def test_arguments_that_cannot_travel_are_refused_before_the_network(
    workshop: Open, value: Any
) -> None:
    async with workshop(write, return_it) as shop:
        enqueue: Any = shop.client.enqueue
        with pytest.raises((BadArguments, TooLarge)):
            await enqueue(write, value)

        assert await keys_of(shop.client) == set()
