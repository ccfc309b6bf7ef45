"""Providers are asked seldom, for free and for no longer than it takes; none makes Steward sick."""

import re
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from sqlalchemy import text

from app.context import Services, open_client, open_services
from app.context.health import account_of
from app.engine import ManualClock, minutes, seconds
from app.observability.providers import Provider, Providers, Try
from app.services.ai import Account, QuotaUsedUp, UnknownModel
from app.services.ai.model_list import list_models
from app.services.health_report import Level, Part
from app.storage.cache import Cache
from app.storage.database import Database
from tests.notion import DATABASE, Notion, notion
from tests.notion import TOKEN as NOTION_TOKEN
from tests.radicale import PASSWORD, USER, Radicale, radicale, ready
from tests.scratch_home import Given, scratch_folder
from tests.services.ai.provider_server import (
    ProviderServer,
    Say,
    provider_server,
    refusal,
    reply,
    said,
)
from tests.services.ai.test_model import PERIODIC
from tests.services.mail.capture import Capture, smtp_server
from tests.services.sms.twilio_like import ACCOUNT, SENDER, TOKEN, TwilioLike, twilio_like

ALL = ("ai", "mail", "calendar", "notes", "sms")


@dataclass
class Somebody:
    """A provider that counts how often it is asked."""

    error: Exception | None = None
    asked: int = 0

    async def attempt(self) -> None:
        """Be asked."""
        self.asked += 1
        if self.error:
            raise self.error


@pytest.fixture
def cache(database: Database, clock: ManualClock) -> Cache:
    return Cache(database, now=clock.now)


def only(attempt: Try | None, clock: ManualClock, cache: Cache | None = None) -> Providers:
    """One provider."""
    provider = Provider(name="mail", attempt=attempt)
    return Providers([provider], cache=cache, patience=timedelta(seconds=0.2), now=clock.now)


async def part_of(providers: Providers) -> Part:
    (part,) = await providers.parts()
    return part


async def test_who_answered_is_asked_anew_after_five_minutes(clock: ManualClock) -> None:
    somebody = Somebody()
    providers = only(somebody.attempt, clock)

    first = await part_of(providers)
    clock.advance(minutes(4))
    second = await part_of(providers)
    before = somebody.asked
    clock.advance(minutes(1))
    await part_of(providers)

    assert (first.level, first.unit) == (Level.HEALTHY, "ms")
    assert second.line == f"{first.line}; asked 240 s ago"
    assert (before, somebody.asked) == (1, 2)


async def test_processes_share_what_one_has_heard(clock: ManualClock, cache: Cache) -> None:
    somebody = Somebody(ConnectionError("at secret.example.org"))
    told = await part_of(only(somebody.attempt, clock, cache))

    assert await part_of(only(somebody.attempt, clock, cache)) == told
    assert told.line == "it can't be used (ConnectionError): `steward check mail` tells why"
    assert somebody.asked == 1


async def test_many_at_once_ask_once(clock: ManualClock) -> None:
    somebody = Somebody()
    providers = only(somebody.attempt, clock)

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(providers.parts)

    assert somebody.asked == 1


async def test_who_refuses_us_is_left_alone_for_an_hour(clock: ManualClock, cache: Cache) -> None:
    somebody = Somebody(PermissionError("hunter2 is wrong"))
    providers = only(somebody.attempt, clock, cache)

    refused = await part_of(providers)
    clock.advance(minutes(59))
    await part_of(providers)
    before = somebody.asked
    clock.advance(minutes(1))
    await part_of(providers)

    assert refused.level is Level.DEGRADED
    assert refused.line == "it refuses us (PermissionError): `steward check mail` tells why"
    assert (before, somebody.asked) == (1, 2)


async def test_who_was_checked_by_a_person_is_asked_anew(clock: ManualClock, cache: Cache) -> None:
    somebody = Somebody(PermissionError())
    await part_of(only(somebody.attempt, clock, cache))
    somebody.error = None

    await only(somebody.attempt, clock, cache).forget("mail")

    assert (await part_of(only(somebody.attempt, clock, cache))).level is Level.HEALTHY


async def test_who_says_nothing_is_degraded_and_not_waited_for(clock: ManualClock) -> None:
    with anyio.fail_after(5):
        part = await part_of(only(anyio.sleep_forever, clock))

    assert part.level is Level.DEGRADED
    assert part.line == "no answer within 0.2 s: `steward check mail` tells why"


async def test_without_the_database_providers_are_asked_all_the_same(
    clock: ManualClock, cache: Cache, database: Database
) -> None:
    async with database.write() as session:
        await session.execute(text("DROP TABLE cache"))

    assert (await part_of(only(Somebody().attempt, clock, cache))).level is Level.HEALTHY


async def test_troubles_are_told_without_asking(clock: ManualClock) -> None:
    somebody = Somebody(ConnectionError())
    providers = only(somebody.attempt, clock)

    before = providers.troubles
    told = await part_of(providers)

    assert (before, providers.troubles) == ((), (f"mail: {told.line}",))
    assert somebody.asked == 1


async def test_one_without_an_account_is_not_configured_and_no_trouble(clock: ManualClock) -> None:
    providers = only(None, clock)

    part = await part_of(providers)

    assert part.level is Level.NOT_CONFIGURED
    assert part.line == "no account; `steward check mail` leads to one"
    assert providers.troubles == ()


@dataclass(kw_only=True)
class Street:
    """All providers there are, on this machine."""

    ai: ProviderServer
    mail: Capture
    calendar: Radicale
    notes: Notion
    sms: TwilioLike
    settings: dict[str, Any] = field(default_factory=dict[str, Any])


@pytest.fixture(scope="module")
async def street() -> AsyncGenerator[Street]:
    async with AsyncExitStack() as stack:
        caldav = stack.enter_context(radicale())
        street = Street(
            ai=await stack.enter_async_context(provider_server()),
            mail=await stack.enter_async_context(smtp_server(Capture())),
            calendar=caldav,
            notes=await stack.enter_async_context(notion()),
            sms=await stack.enter_async_context(twilio_like()),
        )
        await ready(caldav)
        caldav_login = {"url": caldav.url, "username": USER, "password": PASSWORD}
        street.settings = {
            "ai": {"model": "m", "base_url": street.ai.url, "api_key": "k"},
            "mail": {
                "sender": "ann@example.org",
                "smtp": {"host": "127.0.0.1", "port": street.mail.port, "security": "none"},
            },
            "calendar": {"caldav": caldav_login},
            "notes": {
                "notion": {
                    "token": NOTION_TOKEN,
                    "database": DATABASE,
                    "address": street.notes.url,
                }
            },
            "sms": {
                "account_sid": ACCOUNT,
                "auth_token": TOKEN,
                "sender": SENDER,
                "base_url": street.sms.url,
            },
        }
        yield street


async def asked(**settings: Any) -> dict[str, Part]:
    """What a new home's health check says of providers."""
    with scratch_folder("health-") as folder:
        given = Given(home=folder / "home", **settings)
        async with open_client(given) as client, open_services(given, client) as services:
            report = await services.health.check()
            await services.health.check()
    return {part.name: part for part in report.parts if part.name in ALL}


async def test_every_provider_is_asked_once_and_for_something_free(street: Street) -> None:
    street.ai.answers[:] = [reply({"data": []})]

    told = await asked(**street.settings)

    assert tuple(told) == ALL
    assert {part.level for part in told.values()} == {Level.HEALTHY}, told
    assert (street.ai.looked, street.ai.asked) == (["/v1/models"], [])
    assert street.ai.keys == ["Bearer k"]
    assert {each.split()[0] for each in street.notes.requests} == {"GET"}
    assert street.notes.requests.count("GET /v1/users/me") == 1
    assert (street.mail.mails, street.sms.taken) == ([], [])


async def test_every_provider_that_refuses_us_is_named_and_its_secret_is_not(
    street: Street,
) -> None:
    street.ai.answers[:] = [refusal(401, "wrong canary-key")]
    settings = deepcopy(street.settings)
    settings["mail"]["smtp"] |= {"username": "ann", "password": "hunter2-canary"}
    settings["calendar"]["caldav"]["password"] = "hunter2-canary"
    settings["notes"]["notion"]["token"] = "ntn_hunter2-canary"
    settings["sms"]["auth_token"] = "hunter2-canary"

    told = await asked(**settings)

    assert {part.level for part in told.values()} == {Level.DEGRADED}, told
    assert {name: part.line.partition(":")[0] for name, part in told.items()} == {
        "ai": "it refuses us (KeyRefused)",
        "mail": "it refuses us (LoginRefused)",
        "calendar": "it refuses us (SourceRefused)",
        "notes": "it refuses us (RemoteRefused)",
        "sms": "it refuses us (SmsMisconfigured)",
    }
    assert "canary" not in repr(told)
    assert "127.0.0.1" not in repr(told)


async def test_a_corrected_password_is_tried_at_once(street: Street, tmp_path: Path) -> None:
    """One that was refused would count for an hour more; nobody can try passwords on its key."""
    right = street.settings["sms"]
    keys = list[str]()
    for password in ("hunter2-canary", right["auth_token"]):
        given = Given(home=tmp_path / "home", sms=right | {"auth_token": password})
        async with open_client(given) as client, open_services(given, client) as services:
            report = await services.health.check()
            async with services.database.read() as session:
                keys = [*await session.scalars(text("SELECT key FROM cache"))]

    assert next(part.level for part in report.parts if part.name == "sms") is Level.HEALTHY
    assert len([key for key in keys if key.startswith("health:sms:")]) == 2
    other = Given(home=tmp_path / "other", sms=right)
    assert account_of(given, given.sms) != account_of(other, other.sms)


NO_MONEY = {"type": "insufficient_quota", "code": "insufficient_quota", "message": "canary-text"}


@pytest.mark.parametrize(
    "refused", [refusal(402, "canary-text"), reply({"error": NO_MONEY}, 429)], ids=["402", "429"]
)
async def test_an_account_without_money_is_told_until_it_answers_again(
    tmp_path: Path, refused: Say
) -> None:
    """What is free is answered all the same, so what the last request met counts."""
    listed = reply({"data": []})
    async with provider_server(refused, listed, listed) as server:
        account: Any = {"model": "m", "base_url": server.url, "api_key": "k"}
        given = Given(home=tmp_path / "home", ai=account)
        async with open_client(given) as client:
            async with open_services(given, client) as services:
                with pytest.raises(QuotaUsedUp):
                    await services.ai.answer(PERIODIC)
            async with open_services(given, client) as services:  # as another process
                poor = await ai_part(services)
                await services.health.providers.forget("ai")
                server.answers[:] = [said("Rest.")]
                await services.ai.answer(PERIODIC)
                server.answers[:] = [listed]
                rich = await ai_part(services)

    assert (poor.level, rich.level) == (Level.DEGRADED, Level.HEALTHY)
    assert re.fullmatch(
        r"the account's quota is used up since 20\d\d-\d\d-\d\d \d\d:\d\d UTC: pay at the "
        "provider or raise the limit there: `steward check ai` tells why",
        poor.line,
    )


MISSING = reply({"error": {"message": "no such model", "code": "model_not_found"}}, 404)


async def test_a_model_that_its_provider_does_not_know_is_unhealthy_and_named(
    tmp_path: Path,
) -> None:
    """Told for nothing where the provider can; else from the first request that met it."""
    listed = reply({"data": [{"id": "other"}]})
    async with provider_server(listed, MISSING) as server:
        account: Any = {"model": "tiny", "base_url": server.url, "api_key": "k"}
        given = Given(home=tmp_path / "home", ai=account)
        async with open_client(given) as client:
            async with open_services(given, client) as services:
                asked_for_it = await ai_part(services)
                await services.health.providers.forget("ai")
                server.answers[:] = [reply({"data": []})]
                no_list = await ai_part(services)
                await services.health.providers.forget("ai")
                server.answers[:] = [refusal(404)]
                with pytest.raises(UnknownModel, match="'tiny'"):
                    await services.ai.answer(PERIODIC)
            async with open_services(given, client) as services:  # as another process
                server.answers[:] = [reply({"data": []})]
                remembered = await ai_part(services)
                await services.health.providers.forget("ai")
                server.answers[:] = [said("Rest.")]
                await services.ai.answer(PERIODIC)
                server.answers[:] = [reply({"data": [{"id": "tiny"}]})]
                known = await ai_part(services)

    assert [asked_for_it.level, no_list.level] == [Level.UNHEALTHY, Level.HEALTHY]
    assert [remembered.level, known.level] == [Level.UNHEALTHY, Level.HEALTHY]
    for each in (asked_for_it, remembered):
        assert "there is no such model" in each.line
        assert "'tiny'" in each.line


async def ai_part(services: Services) -> Part:
    return next(part for part in (await services.health.check()).parts if part.name == "ai")


@pytest.mark.parametrize(
    ("status", "level"),
    [
        (200, Level.HEALTHY),
        (404, Level.HEALTHY),
        (302, Level.DEGRADED),
        (400, Level.DEGRADED),
        (429, Level.DEGRADED),
        (529, Level.DEGRADED),
    ],
)
async def test_a_model_is_judged_by_what_its_provider_says(
    clock: ManualClock, status: int, level: Level
) -> None:
    async with provider_server(refusal(status)) as server:
        account = Account(model="m", base_url=server.url, timeout=seconds(5))
        part = await part_of(only(partial(list_models, account), clock))

    assert part.level is level
