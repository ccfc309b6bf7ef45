"""What the settings ask for is what a job gets; what was opened for it is closed again."""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import fields
from typing import Any

import msgspec
import pytest

from app.context import (
    Context,
    Services,
    context_of,
    make_codec,
    open_client,
    open_services,
    redis_at,
)
from app.engine import Attempt, BadPayload, UnknownJob
from app.engine.envelope import Payload
from app.jobs import JOBS
from app.jobs.maintenance import system_health_check
from app.services.mail import MailTrouble
from app.services.notifications import Channel, DeliveryStatus
from app.settings import Settings
from app.storage.ways import Way, Ways
from tests.local.conftest import server_pid
from tests.scratch_home import Given, scratch_folder

ONE_KEY, OTHER_KEY = "a" * 32, "b" * 32
PAYLOAD = Payload(f="a.job", a=msgspec.Raw(b"\x90"), k=msgspec.Raw(b"\x80"), et=1)
AT_ONCE = 0.001  # s; opening the services takes longer


@pytest.fixture
def settings() -> Generator[Settings]:
    """Settings of a home that isn't there yet."""
    with scratch_folder("context-") as folder:
        yield Given(home=folder / "home")


@asynccontextmanager
async def opened(settings: Settings) -> AsyncGenerator[Services]:
    """The services that these settings ask for."""
    async with open_client(settings) as client, open_services(settings, client) as services:
        yield services


def like(settings: Settings, **changes: Any) -> Settings:
    """The same home with other settings."""
    return Given(home=settings.home, **changes)


async def test_a_context_is_the_services_and_the_attempt(
    services: Services, attempt: Attempt
) -> None:
    context = context_of(services, attempt)

    names = [each.name for each in fields(Services)]
    assert [each.name for each in fields(Context)] == [*names, "attempt"]
    assert all(getattr(context, name) is getattr(services, name) for name in names)
    assert context.attempt is attempt


async def test_the_owner_is_who_the_settings_say_and_stays_one_user(settings: Settings) -> None:
    async with opened(like(settings, owner={"name": "Ann", "timezone": "Europe/Vilnius"})) as first:
        ann = await first.users.owner()
    async with opened(like(settings, owner={"name": "Anna"})) as second:
        anna = await second.users.only()

    assert (ann.name, ann.timezone) == ("Ann", "Europe/Vilnius")
    assert (anna.id, anna.name, anna.timezone) == (ann.id, "Anna", "UTC")


async def test_the_owner_is_reached_as_the_settings_say_and_in_no_other_way(
    settings: Settings,
) -> None:
    phone, silent = {"phone": "+4915112345678"}, {"exclude": ("email",)}
    async with opened(like(settings, notify=phone | silent)) as first:
        owner = await first.users.owner()
        before = await Ways(first.database).of(owner.id)
    async with opened(settings) as second:
        after = await Ways(second.database).of(owner.id)
        told = await second.notifications.send(
            owner, "Hi", "", channels=(Channel.SMS, Channel.SLACK), dedupe_key="k"
        )

    assert before[Channel.SMS].address == "+4915112345678"
    assert not before[Channel.EMAIL].is_wanted
    assert {(each.address, each.is_wanted) for each in after.values()} == {("", True)}
    assert {each.status for each in told} == {DeliveryStatus.NOT_CONFIGURED}


async def test_where_the_owners_notices_go_stays_unless_the_settings_say_it(
    settings: Settings,
) -> None:
    async with opened(settings) as first:
        owner = await first.users.owner()
        chosen = Way(channel=Channel.SMS, notices=True, mail_notices=False)
        await Ways(first.database).put(owner.id, chosen)
    async with opened(settings) as second:
        kept = await Ways(second.database).of(owner.id)
    async with opened(like(settings, notify={"notices": ("slack",)})) as third:
        said = await Ways(third.database).of(owner.id)

    assert kept == {Channel.SMS: chosen}
    assert [each for each, way in said.items() if way.notices] == [Channel.SLACK]
    assert said[Channel.SMS].mail_notices is False


async def test_mail_stays_in_the_home_until_a_server_is_named(settings: Settings) -> None:
    async with opened(settings) as local:
        outgoing, incoming = await local.mail.check()
    smtp = {"host": "localhost", "port": 1}
    async with opened(like(settings, mail={"smtp": smtp})) as remote:
        with pytest.raises(MailTrouble, match="STEWARD_MAIL__SMTP__HOST"):
            await remote.mail.outbox.check()

    assert str(settings.home / "mail" / "outbox") in outgoing
    assert str(settings.home / "mail" / "inbox") in incoming


async def test_the_home_has_a_calendar_and_each_feed_is_another(settings: Settings) -> None:
    feeds = ["http://localhost:1/a.ics", "http://localhost:1/b.ics"]
    async with opened(like(settings, calendar={"feeds": feeds})) as services:
        owner = await services.users.owner()
        calendar = settings.home / "calendar"
        calendar.mkdir(exist_ok=True)
        (calendar / "mine.ics").write_text("BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n")

        synced = await services.calendar.sync(owner)

    assert (synced.sources, synced.sources_failed) == (3, 2)


async def test_temporary_files_are_those_in_the_home_or_in_the_folders_named(
    settings: Settings,
) -> None:
    other = settings.home.parent / "other"
    for folder in (other, settings.home / "tmp"):
        folder.mkdir(parents=True)
        (folder / "old").touch()

    named = {"temp_folders": [other], "temp_keep": AT_ONCE}
    async with opened(like(settings, files=named)) as services:
        elsewhere = await services.files.clean_temp(dry_run=False)
    assert (settings.home / "tmp" / "old").exists()
    async with opened(like(settings, files={"temp_keep": AT_ONCE})) as services:
        at_home = await services.files.clean_temp(dry_run=False)

    assert (elsewhere.removed, at_home.removed) == (1, 1)
    assert not (other / "old").exists()


def test_redis_is_the_homes_own_unless_a_url_is_given(settings: Settings) -> None:
    theirs = like(settings, redis={"url": "redis://ann:secret@example.com:7000/3"})

    assert redis_at(settings).unix_socket_path == str(settings.home / "valkey.sock")
    assert not settings.home.exists()
    assert (redis_at(theirs).host, redis_at(theirs).port) == ("example.com", 7000)
    assert (redis_at(theirs).database, redis_at(theirs).password) == (3, "secret")


def test_payloads_are_signed_with_the_first_key_and_read_with_all(settings: Settings) -> None:
    old, new, both = (
        make_codec(like(settings, signing={"keys": keys}))
        for keys in ([ONE_KEY], [OTHER_KEY], [OTHER_KEY, ONE_KEY])
    )
    homes, homes_again = make_codec(settings), make_codec(settings)
    sealed = old.seal_payload(PAYLOAD)

    assert both.open_payload(sealed) == PAYLOAD
    assert new.open_payload(both.seal_payload(PAYLOAD)) == PAYLOAD
    assert homes_again.open_payload(homes.seal_payload(PAYLOAD)) == PAYLOAD
    for stranger in (new, homes):
        with pytest.raises(BadPayload):
            stranger.open_payload(sealed)


async def test_a_client_starts_what_it_needs_and_stops_it(settings: Settings) -> None:
    async with open_client(settings, jobs={}) as client:
        assert server_pid(settings.home)
        with pytest.raises(UnknownJob, match=r"maintenance\.system_health_check"):
            await client.enqueue(system_health_check)
    async with open_client(settings, jobs=JOBS) as client:
        assert (await client.enqueue(system_health_check)).is_new

    with pytest.raises(FileNotFoundError):
        server_pid(settings.home)
