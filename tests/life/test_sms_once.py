"""A worker killed when the provider has just taken an SMS, and nobody has written that down."""

import json
from collections.abc import AsyncGenerator
from signal import SIGKILL

import pytest
from sqlalchemy import update

from app.context import Services
from app.engine import DeadLetters, RunStatus, seconds
from app.jobs.sms import process_sms_retries, send_sms
from app.services.notifications import DeliveryStatus
from app.storage.outgoing_sms import OutgoingSms, OutgoingSmses, OutgoingSmsRow, SmsStatus
from tests.eventually import eventually
from tests.life.home import LEASE, STEWARD, Home
from tests.life.processes import WorkerProcess
from tests.services.sms.twilio_like import (
    ACCOUNT,
    SENDER,
    TOKEN,
    Refusal,
    TwilioLike,
    twilio_like,
)

LONG = 2 * LEASE + seconds(30)


@pytest.fixture
async def provider() -> AsyncGenerator[TwilioLike]:
    async with twilio_like() as provider:
        yield provider


async def worker(home: Home, steward: Services, provider: TwilioLike) -> WorkerProcess:
    """Steward's own, texting through that provider."""
    started = home.worker(
        STEWARD,
        STEWARD_SMS__BASE_URL=provider.url,
        STEWARD_SMS__ACCOUNT_SID=ACCOUNT,
        STEWARD_SMS__AUTH_TOKEN=TOKEN,
        STEWARD_SMS__SENDER=SENDER,
        STEWARD_NOTIFY__PHONE="+4915112345678",
    )
    return await started.ready(steward.client)


def deadly(provider: TwilioLike, victim: WorkerProcess, *, text: str) -> None:
    """Kill it when this text was taken, before it can hear so."""

    def kill() -> None:
        if provider.taken[-1]["Body"] == text:
            victim.send(SIGKILL)

    provider.on_taken = kill


async def all_sms(steward: Services) -> dict[str, OutgoingSms]:
    """What is recorded, by its key."""
    found = await OutgoingSmses(steward.database).of(1)
    return {each.key: each for each in found}


async def make_due(steward: Services) -> None:
    """Let time pass for what waits to be sent again."""
    now = steward.client.store.clock.now()
    row = OutgoingSmsRow
    waiting = update(row).where(row.status == SmsStatus.RETRYING)
    async with steward.database.write() as session:
        await session.execute(waiting.values(next_at=now))


async def test_a_crash_in_the_middle_of_a_batch_sends_nothing_twice(
    home: Home, steward: Services, provider: TwilioLike
) -> None:
    victim = await worker(home, steward, provider)
    provider.answers.extend([Refusal(400, 30001)] * 3)
    for text in ("one", "two", "three"):
        handle = await steward.client.enqueue(send_sms, 1, text, text, urgent=True)
        assert (await handle.result(within=LONG)).status is DeliveryStatus.QUEUED
    deadly(provider, victim, text="two")

    await make_due(steward)
    await steward.client.enqueue(process_sms_retries)
    assert await victim.exit_code() == -SIGKILL
    await worker(home, steward, provider)
    for _ in range(2):
        await make_due(steward)
        again = await steward.client.enqueue(process_sms_retries)
        await again.result(within=LONG)

    wanted = {
        "one": SmsStatus.ACCEPTED,
        "two": SmsStatus.UNKNOWN,
        "three": SmsStatus.ACCEPTED,
    }

    async def is_settled() -> bool:  # the run that died begins again, too, and may have one of them
        return {key: each.status for key, each in (await all_sms(steward)).items()} == wanted

    await eventually(is_settled, within=LONG)
    texts = [each["Body"] for each in provider.taken]
    assert texts == ["one", "two", "three"]
    assert await steward.effects.count_in_doubt() == 1


@pytest.mark.tier("T2")
async def test_an_sms_that_may_have_gone_out_waits_for_a_person(
    home: Home, steward: Services, provider: TwilioLike
) -> None:
    victim = await worker(home, steward, provider)
    deadly(provider, victim, text="once")
    handle = await steward.client.enqueue(send_sms, 1, "once", urgent=True)
    assert await victim.exit_code() == -SIGKILL
    await worker(home, steward, provider)

    async def is_dead() -> bool:
        return await handle.status() is RunStatus.DEAD

    await eventually(is_dead, within=LONG)
    letter = await DeadLetters(steward.client).get(handle.id)
    (listed,) = json.loads(await home.command("effects", "list", "--json"))
    assert "unknown, needs review" in letter.last.message
    assert (listed["id"], listed["job"]) == (handle.id, "sms.send_sms")
    (settled,) = json.loads(await home.command("effects", "settle", handle.id, "done", "--json"))
    delivered = await steward.client.run(settled["new_id"]).result(within=LONG)

    (sms,) = (await all_sms(steward)).values()
    assert delivered.status is DeliveryStatus.DELIVERED
    assert sms.status is SmsStatus.ACCEPTED
    assert [each["Body"] for each in provider.taken] == ["once"]
    assert TOKEN not in "".join(each.said() for each in home.started)
