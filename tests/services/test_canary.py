"""Case 55: a server on this machine that nobody may reach, and every way to try."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import cycle

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from app.services.download import Downloader, DownloadFailed
from app.services.web_guard import AddressRefused, WebGuard, resolve
from app.services.web_post import Poster, PostFailed, PostUnanswered
from tests.plugins.cases import Case
from tests.services.disguises import DISGUISES, Disguise
from tests.services.website import reply, website

Reach = Callable[[WebGuard, str], Awaitable[object]]
REFUSED = (AddressRefused, DownloadFailed, PostFailed)


async def fetch(guard: WebGuard, url: str) -> object:
    """As a feed is read."""
    return await Downloader(guard).get(url, {})


async def post(guard: WebGuard, url: str) -> object:
    """As a webhook is told."""
    return await Poster(guard).ask(url, content=b"{}", headers={})


@dataclass(slots=True)
class Canary:
    """Who came, and where it sits."""

    port: int
    visits: int = 0


@asynccontextmanager
async def canary() -> AsyncGenerator[Canary]:
    """It sits at one port of every address of this machine."""
    async with AsyncExitStack() as stack:
        first = await anyio.create_tcp_listener(local_host="127.0.0.1")
        bird = Canary(first.extra(SocketAttribute.local_port))
        listeners = [await stack.enter_async_context(first)]
        with suppress(OSError):  # without IPv6 there is one way less
            other = await anyio.create_tcp_listener(local_host="::1", local_port=bird.port)
            listeners.append(await stack.enter_async_context(other))

        async def note(stream: SocketStream) -> None:
            bird.visits += 1
            await stream.aclose()

        async with anyio.create_task_group() as group:
            for each in listeners:
                group.start_soon(each.serve, note)
            yield bird
            group.cancel_scope.cancel()


def guard_of(disguise: Disguise) -> WebGuard:
    """One that asks the system, or a resolver that lies."""

    async def lie(_host: str, _port: int) -> list[str]:
        return [*disguise.resolved]

    return WebGuard(resolve=lie if disguise.resolved else resolve)


@pytest.mark.case(55)
@pytest.mark.parametrize("reach", [fetch, post])
async def test_no_disguise_gets_to_the_canary(reach: Reach, case: Case) -> None:
    refused = 0
    async with canary() as bird:
        for each in DISGUISES:
            with pytest.raises(REFUSED):
                await reach(guard_of(each), each.url.format(port=bird.port))
            refused += 1

        case.says(
            f"{len(DISGUISES)} disguises of this machine, {reach.__name__}",
            steward=f"{refused} refused, {bird.visits} connections to the canary",
        )
        assert (refused, bird.visits) == (len(DISGUISES), 0)
    assert refused >= 60


@pytest.mark.case(55)
@pytest.mark.parametrize("reach", [fetch, post])
async def test_a_resolver_that_changes_its_mind_is_asked_once(reach: Reach) -> None:
    answers = cycle([["192.0.2.1"], ["127.0.0.1"]])
    asked = list[str]()

    async def rebind(host: str, _port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    async with canary() as bird:
        guard = WebGuard(trusted=[f"http://example.org:{bird.port}/"], resolve=rebind)
        target = await guard.check(f"http://example.org:{bird.port}/")

    assert [str(url) for url in target.pinned] == [f"http://192.0.2.1:{bird.port}/"]
    assert asked == ["example.org"]
    with pytest.raises(AddressRefused):
        await reach(WebGuard(resolve=rebind), "http://example.org/")
    assert asked == ["example.org"] * 2


@pytest.mark.case(55)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_what_is_posted_follows_no_redirect(status: int) -> None:
    async with canary() as bird:
        there = f"http://127.0.0.1:{bird.port}/"
        async with website(reply(status=status, Location=there)) as site:
            answer = await Poster(WebGuard(trusted=[site.url])).ask(
                site.url, content=b"{}", headers={}
            )

        assert (answer.status, bird.visits) == (status, 0)


def test_being_cut_off_is_no_refusal() -> None:
    assert not issubclass(PostUnanswered, REFUSED)
