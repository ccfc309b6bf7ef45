"""What opens or closes too late, or not at all."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
import pytest

from app.engine import NotInTime, in_time, seconds
from tests.eventually import eventually


@asynccontextmanager
async def place(page: list[str], *, opens: bool = True, closes: bool = True) -> AsyncGenerator[int]:
    """Something to open and to close, if it does."""
    try:
        page.append("opens")
        if not opens:
            await anyio.sleep_forever()
        async with anyio.create_task_group() as group:
            yield 7
            group.cancel_scope.cancel()
        if not closes:
            await anyio.sleep_forever()
    finally:
        page.append("closed")


async def test_what_opens_and_closes_in_time_is_left_alone() -> None:
    page = list[str]()

    async with in_time(place(page), within=seconds(0.2)) as opened:
        late = anyio.current_time() + 0.4  # the work itself takes as long as it does
        await eventually(lambda: anyio.current_time() > late)
        page.append(f"works with {opened}")

    assert page == ["opens", "works with 7", "closed"]


async def test_what_does_not_open_is_cancelled_and_closed() -> None:
    page = list[str]()

    with pytest.raises(NotInTime, match=r"opened within 0\.2 s"):
        async with in_time(place(page, opens=False), within=seconds(0.2)):
            page.append("works")

    assert page == ["opens", "closed"]


async def test_what_does_not_close_is_cut_off() -> None:
    page = list[str]()

    with pytest.raises(NotInTime, match=r"closed within 0\.2 s"):
        async with in_time(place(page, closes=False), within=seconds(0.2)):
            page.append("works")

    assert page == ["opens", "works", "closed"]


async def test_an_error_of_the_work_comes_through() -> None:
    page = list[str]()

    with pytest.raises(ExceptionGroup) as raised:
        async with in_time(place(page), within=seconds(5)):
            raise LookupError("lost")

    assert raised.group_contains(LookupError)
    assert page == ["opens", "closed"]


async def test_who_is_cancelled_meanwhile_is_cancelled() -> None:
    page = list[str]()

    with anyio.move_on_after(0.1) as scope:
        async with in_time(place(page), within=seconds(5)):
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    assert page == ["opens", "closed"]
