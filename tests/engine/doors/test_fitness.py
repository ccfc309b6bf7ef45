"""Servers that may lose runs, or give them to anybody, are refused, by name."""

import socket
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest
from arq.connections import RedisSettings

from app.engine import Client, Codec, Flaw, UnfitServer, examine, refuse_unfit
from tests import servers
from tests.rights import asked, rights
from tests.servers import PROGRAMS, Server

DURABLE = {"appendonly": "yes", "protected-mode": "no", "bind": "0.0.0.0"}


@pytest.fixture(scope="module", params=PROGRAMS)
async def server(request: pytest.FixtureRequest) -> AsyncGenerator[Server]:
    """One that keeps what it is given, and listens to all."""
    with servers.folder() as place:
        async with servers.running(servers.program(request.param), place, **DURABLE) as running:
            yield running


def from_outside(server: Server) -> RedisSettings:
    """The way by an address that is not only this machine's."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it says which address would
            return replace(server.by_tcp, host=probe.getsockname()[0])
    except OSError:
        pytest.skip("this machine has no address but its own")


async def flaws_of(settings: RedisSettings, codec: Codec) -> list[Flaw]:
    async with Client.open(settings, codec) as client:
        return [each.flaw for each in (await examine(client)).objections]


async def test_the_valkey_we_bring_is_fit(redis_settings: RedisSettings, codec: Codec) -> None:
    assert await flaws_of(redis_settings, codec) == []


@pytest.mark.case(16)
@pytest.mark.parametrize(
    ("option", "value", "usual", "flaw"),
    [
        ("maxmemory-policy", "allkeys-lru", "noeviction", Flaw.EVICTION),
        ("maxmemory-policy", "volatile-lru", "noeviction", Flaw.EVICTION),
        ("appendonly", "no", "yes", Flaw.NO_PERSISTENCE),
    ],
)
async def test_a_server_that_would_lose_runs_is_refused_unless_that_is_accepted(
    server: Server, codec: Codec, option: str, value: str, usual: str, flaw: Flaw
) -> None:
    await asked(server.nearby, "CONFIG", "SET", option, value)
    async with Client.open(server.settings, codec) as client:
        with pytest.raises(UnfitServer, match=option) as refused:
            await refuse_unfit(client)
        await refuse_unfit(client, accepted=[flaw.value])
    await asked(server.nearby, "CONFIG", "SET", option, usual)

    assert refused.value.flaws == (flaw,)
    assert f'STEWARD_REDIS__ACCEPT=["{flaw}"]' in str(refused.value)
    assert await flaws_of(server.settings, codec) == []


@pytest.mark.case(16)
@pytest.mark.more_rights("is about those who come without a name")
async def test_a_server_that_lets_strangers_in_is_refused_where_they_can_reach_it(
    server: Server, codec: Codec
) -> None:
    outside = from_outside(server)
    known = replace(outside, username="default", password="a secret")

    without = await flaws_of(outside, codec)
    unneeded = await flaws_of(known, codec)  # any password is right where none is asked for
    await asked(server.nearby, "CONFIG", "SET", "requirepass", "a secret")
    needed = await flaws_of(known, codec)
    await asked(replace(server.nearby, password="a secret"), "CONFIG", "SET", "requirepass", "")

    assert without == unneeded == [Flaw.NO_AUTHENTICATION]
    assert needed == []
    assert await flaws_of(server.settings, codec) == []  # by this machine's own address
    assert await flaws_of(server.nearby, codec) == []


@pytest.mark.case(16)
async def test_a_user_who_may_not_ask_is_let_through_with_a_word(
    server: Server, codec: Codec, caplog: pytest.LogCaptureFixture
) -> None:
    may = [each for each in rights() if each != "+info"]
    await asked(server.nearby, "ACL", "SETUSER", "narrow", "on", ">password", *may)
    narrow = replace(server.settings, username="narrow", password="password")

    async with Client.open(narrow, codec) as client:
        await refuse_unfit(client)

    assert "+info" in caplog.text
