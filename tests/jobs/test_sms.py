from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import pytest

from app.context import Context
from app.context.notifications import make_sms
from app.engine import Breaker, ManualClock, RetryLater, days, minutes, seconds, settle
from app.engine.retry import is_permanent
from app.jobs.sms import cleanup_old_retries, process_sms_retries, send_sms, sms_health
from app.services.notifications import DeliveryStatus, Parcels
from app.services.once import Doubtful
from app.services.sms import SmsMisconfigured, SmsRejected, SmsTrouble, SmsUnanswered
from app.services.sms.health import SmsLevel
from app.services.sms.memory import MemorySms
from app.services.sms.provider import Standing, Whereabouts
from app.services.sms.retries import RoundStatus
from app.storage.effects import Effects
from app.storage.outgoing_sms import OutgoingSmses, SmsStatus
from app.storage.restored import bring_up
from app.storage.users import UnknownUser, User
from tests.jobs.phones import NUMBER, give_phone, other_run, take_phone, the_sms, working


@pytest.fixture
async def ann(context: Context, owner: User) -> User:
    """The owner, with a phone."""
    await give_phone(context, owner)
    return owner


async def sent_in_vain(context: Context, phones: MemorySms, user: User, code: int) -> None:
    """An SMS that the provider refused once."""
    phones.failing = [SmsRejected(code)]
    with suppress(SmsRejected):
        await send_sms(context, user.id, "Hi", f"key-{code}")


async def test_a_user_is_texted_at_their_number(
    context: Context, ann: User, phones: MemorySms
) -> None:
    delivered = await send_sms(context, ann.id, "Call Bob.")

    sms = await the_sms(context, ann)
    assert phones.sent == [(NUMBER, "Call Bob.")]
    assert delivered.status is DeliveryStatus.DELIVERED
    assert (sms.status, sms.attempts, sms.provider_id) == (SmsStatus.ACCEPTED, 1, "SM1")


async def test_a_repeat_of_the_run_and_another_with_its_key_text_nobody_again(
    context: Context, ann: User, phones: MemorySms
) -> None:
    first = await send_sms(context, ann.id, "Hi")
    assert await send_sms(context, ann.id, "Hi") == first
    await send_sms(context, ann.id, "Hi", "key")
    await send_sms(other_run(context), ann.id, "Hi", "key")

    assert len(phones.sent) == 2


async def test_everybody_is_texted_at_their_own_number(
    context: Context, ann: User, phones: MemorySms
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    await give_phone(context, bob, "+4915187654321")

    await send_sms(context, bob.id, "Hi")

    assert phones.sent == [("+4915187654321", "Hi")]
    assert await OutgoingSmses(context.database).of(ann.id) == ()


async def test_who_has_no_number_or_wants_no_sms_or_left_gets_none(
    context: Context, ann: User, phones: MemorySms
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    eve = await context.users.add(name="Eve", address="eve@example.org", active=False)
    await take_phone(context, ann)

    found = [await send_sms(context, each.id, "Hi") for each in (ann, bob, eve)]

    assert [each.status for each in found] == [
        DeliveryStatus.DECLINED,
        DeliveryStatus.NOT_CONFIGURED,
        DeliveryStatus.DECLINED,
    ]
    assert phones.sent == []
    with pytest.raises(UnknownUser):
        await send_sms(context, 999, "Hi")


@pytest.mark.parametrize(
    ("error", "permanent"),
    [
        (SmsTrouble("away", retry_after=seconds(7)), False),
        (SmsMisconfigured("wrong token"), True),
        (SmsRejected(21614), True),
    ],
)
async def test_an_sms_that_is_not_taken_is_never_a_success(
    context: Context, ann: User, phones: MemorySms, error: Exception, *, permanent: bool
) -> None:
    phones.failing = [error]

    with pytest.raises(type(error)) as caught:
        await send_sms(context, ann.id, "Hi")

    status = (await the_sms(context, ann)).status
    assert is_permanent(caught.value) is permanent
    assert status is (SmsStatus.FAILED if isinstance(error, SmsRejected) else SmsStatus.PENDING)
    assert phones.sent == []


async def test_what_is_refused_for_now_is_queued_and_goes_out_when_its_time_comes(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    phones.failing = [SmsRejected(30001)]

    delivered = await send_sms(context, ann.id, "Hi")
    early = await process_sms_retries(context)
    clock.advance(seconds(61))
    late = await process_sms_retries(context)

    assert delivered.status is DeliveryStatus.QUEUED
    assert "try 2 follows" in delivered.detail
    assert (early.status, early.processed) == (RoundStatus.SUCCESS, 0)
    assert (late.status, late.processed, late.successful) == (RoundStatus.SUCCESS, 1, 1)
    assert phones.sent == [(NUMBER, "Hi")]
    assert (await the_sms(context, ann)).attempts == 2


@pytest.mark.parametrize(
    ("code", "waits"),
    [(30001, [60, 120, 240]), (30003, [300, 600]), (30004, [180, 360]), (30005, [90, 180, 360])],
)
async def test_a_class_waits_as_it_should_and_is_given_up_after_its_retries(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock, code: int, waits: list[int]
) -> None:
    await sent_in_vain(context, phones, ann, code)

    for wait in waits:
        phones.failing = [SmsRejected(code)]
        clock.advance(seconds(wait - 5))
        assert (await process_sms_retries(context)).processed == 0
        clock.advance(seconds(6))
        assert (await process_sms_retries(context)).failed == 1
        assert phones.failing == []

    sms = await the_sms(context, ann)
    assert (sms.status, sms.attempts) == (SmsStatus.FAILED, len(waits) + 1)
    assert (sms.text, sms.next_at) == ("", None)
    clock.advance(days(1))
    assert (await process_sms_retries(context)).processed == 0
    assert phones.sent == []


@pytest.mark.parametrize("code", [21211, 21214, 21610, 21614, 21617, 30006, 30007, 30008, 99999])
async def test_a_permanent_code_is_never_sent_again(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock, code: int
) -> None:
    await sent_in_vain(context, phones, ann, code)
    clock.advance(days(1))

    result = await process_sms_retries(context)

    sms = await the_sms(context, ann)
    assert (result.processed, phones.sent) == (0, [])
    assert (sms.status, sms.code, sms.attempts) == (SmsStatus.FAILED, code, 1)
    with pytest.raises(SmsRejected):
        await send_sms(context, ann.id, "Hi", f"key-{code}")
    assert phones.sent == []


async def test_a_round_takes_fifty_and_the_next_one_the_rest(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for number in range(60):
        phones.failing = [SmsRejected(30001)]
        await send_sms(context, ann.id, "Hi", f"key-{number}")
    clock.advance(minutes(2))

    rounds = [await process_sms_retries(context) for _ in range(3)]

    assert [each.processed for each in rounds] == [50, 10, 0]
    assert len(phones.sent) == 60


async def test_a_provider_that_goes_away_in_the_middle_leaves_the_rest_for_later(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for code in (30001, 30002, 30005):
        await sent_in_vain(context, phones, ann, code)
    clock.advance(minutes(3))
    phones.failing = [SmsRejected(21610), SmsTrouble("away")]

    cut_off = await process_sms_retries(context)
    clock.advance(minutes(3))
    late = await process_sms_retries(context)

    assert cut_off.status is RoundStatus.PARTIAL_SUCCESS
    assert (cut_off.processed, cut_off.failed, cut_off.given_up, cut_off.left) == (1, 1, 1, 2)
    assert (late.status, late.successful) == (RoundStatus.SUCCESS, 2)


async def test_a_round_that_gets_nothing_through_is_an_error_that_says_when_to_come_again(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await sent_in_vain(context, phones, ann, 30001)
    clock.advance(minutes(3))
    phones.failing = [SmsTrouble("busy", retry_after=minutes(9))]

    with pytest.raises(SmsTrouble):
        await process_sms_retries(context)

    clock.advance(minutes(8))
    assert (await process_sms_retries(context)).processed == 0
    clock.advance(minutes(2))
    assert (await process_sms_retries(context)).successful == 1


async def test_what_may_have_gone_out_does_not_go_out_again_until_somebody_says_so(
    context: Context, ann: User, phones: MemorySms
) -> None:
    phones.failing = [SmsUnanswered("cut off")]
    with working(context), pytest.raises(Doubtful, match="needs review"):
        await send_sms(context, ann.id, "Hi")

    again = other_run(context)
    with working(again), pytest.raises(Doubtful):
        await send_sms(again, ann.id, "Hi", f"run:{context.attempt.origin}")

    sms = await the_sms(context, ann)
    assert (sms.status, phones.sent) == (SmsStatus.UNKNOWN, [])
    assert is_permanent(Doubtful())


async def test_one_out_of_a_backup_may_have_gone_out_since_so_a_person_is_asked(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for code in (30001, 30002):
        await sent_in_vain(context, phones, ann, code)
    bring_up(context.database.path)
    bring_up(context.database.path)
    ledger = Effects(context.database, now=clock.now)
    clock.advance(minutes(15))

    asked = await process_sms_retries(context)
    doubt, _ = await ledger.in_doubt()
    await settle(ledger, doubt, happened=False)
    clock.advance(minutes(11))
    told = await process_sms_retries(context)

    assert (asked.processed, told.processed, len(phones.sent)) == (0, 1, 1)
    found = await OutgoingSmses(context.database).of(ann.id)
    assert {each.status for each in found} == {SmsStatus.ACCEPTED, SmsStatus.UNKNOWN}
    assert await ledger.count_in_doubt() == 1


async def test_in_a_round_one_doubt_ends_it_and_costs_nobody_an_sms(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for code in (30001, 30002):
        await sent_in_vain(context, phones, ann, code)
    clock.advance(minutes(3))
    phones.failing = [SmsUnanswered("silent")]

    with working(context):
        cut_off = await process_sms_retries(context)
    clock.advance(minutes(3))
    with working(other_run(context)) as later:
        late = await process_sms_retries(later)

    assert (cut_off.status, cut_off.in_doubt, cut_off.left) == (RoundStatus.PARTIAL_SUCCESS, 1, 1)
    assert (late.processed, late.successful, len(phones.sent)) == (1, 1, 1)
    found = await OutgoingSmses(context.database).of(ann.id)
    assert [each.status for each in found] == [SmsStatus.ACCEPTED, SmsStatus.UNKNOWN]


async def test_who_wants_no_sms_any_more_gets_no_retry(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await sent_in_vain(context, phones, ann, 30001)
    await take_phone(context, ann)
    clock.advance(minutes(2))

    result = await process_sms_retries(context)

    assert (result.dropped, phones.sent) == (1, [])
    assert (await the_sms(context, ann)).status is SmsStatus.DROPPED


async def test_what_was_taken_is_asked_for_until_it_has_arrived(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await send_sms(context, ann.id, "Hi")
    clock.advance(minutes(1.1))
    assert (await process_sms_retries(context)).delivered == 0
    phones.whereabouts["SM1"] = Whereabouts(Standing.DELIVERED)
    clock.advance(minutes(2))

    result = await process_sms_retries(context)

    sms = await the_sms(context, ann)
    assert (result.delivered, sms.status, sms.text) == (1, SmsStatus.DELIVERED, "")


async def test_what_was_taken_and_got_lost_goes_out_again_by_its_class(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await send_sms(context, ann.id, "Hi")
    phones.whereabouts["SM1"] = Whereabouts(Standing.LOST, 30003)
    clock.advance(minutes(1.1))

    found = await process_sms_retries(context)
    waiting = await the_sms(context, ann)
    clock.advance(minutes(5.1))
    again = await process_sms_retries(context)

    assert (found.lost, waiting.status, waiting.code) == (1, SmsStatus.RETRYING, 30003)
    assert (again.successful, len(phones.sent)) == (1, 2)


async def test_a_provider_that_cannot_be_asked_is_never_a_success(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await send_sms(context, ann.id, "Hi")
    phones.whereabouts["SM1"] = SmsTrouble("away")
    clock.advance(minutes(1.1))

    with pytest.raises(SmsTrouble):
        await process_sms_retries(context)

    assert (await the_sms(context, ann)).status is SmsStatus.ACCEPTED


async def test_one_sms_that_cannot_be_asked_for_keeps_no_other_from_it(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for key in ("one", "two"):
        await send_sms(context, ann.id, "Hi", key)
    phones.whereabouts["SM1"] = SmsUnanswered("failed with 500")
    phones.whereabouts["SM2"] = Whereabouts(Standing.LOST, 30003)
    clock.advance(minutes(1.1))
    with pytest.raises(SmsUnanswered):
        await process_sms_retries(context)
    await sent_in_vain(context, phones, ann, 30001)
    clock.advance(minutes(2.1))

    later = await process_sms_retries(context)

    assert (later.lost, later.successful) == (1, 1)


async def test_what_is_not_heard_of_is_counted_and_no_whole_success(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for key in ("one", "two", "three"):
        await send_sms(context, ann.id, "Hi", key)
    phones.whereabouts["SM1"] = Whereabouts(Standing.DELIVERED)
    phones.whereabouts["SM2"] = SmsTrouble("away")
    clock.advance(minutes(1.1))

    result = await process_sms_retries(context)

    assert (result.status, result.delivered) == (RoundStatus.PARTIAL_SUCCESS, 1)
    assert result.unheard == 2


async def test_a_round_with_a_slow_provider_ends_before_it_is_cut_off(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    for number in range(6):
        phones.failing = [SmsRejected(30001)]
        await send_sms(context, ann.id, "Hi", f"key-{number}")
    clock.advance(minutes(2))
    phones.on_sent = lambda: clock.advance(minutes(1))

    began = clock.now()
    first = await process_sms_retries(context)
    took = clock.now() - began
    clock.advance(minutes(2.1))
    second = await process_sms_retries(context)

    assert took < process_sms_retries.timeout - seconds(45)
    assert first.status is RoundStatus.PARTIAL_SUCCESS
    assert (first.successful, first.left, second.successful) == (3, 3, 3)


async def test_a_retry_goes_to_the_number_that_its_user_has_by_then(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await sent_in_vain(context, phones, ann, 30001)
    await give_phone(context, ann, "+4915187654321")
    clock.advance(minutes(2))

    await process_sms_retries(context)

    assert phones.sent == [("+4915187654321", "Hi")]
    assert (await the_sms(context, ann)).recipient == "+4915187654321"


async def test_a_run_that_comes_again_texts_the_number_that_its_user_has_by_then(
    context: Context, ann: User, phones: MemorySms
) -> None:
    phones.failing = [SmsTrouble("away")]
    with pytest.raises(SmsTrouble):
        await send_sms(context, ann.id, "Hi")
    await give_phone(context, ann, "+4915187654321")

    await send_sms(context, ann.id, "Hi")

    assert phones.sent == [("+4915187654321", "Hi")]


async def test_who_has_no_number_any_more_gets_no_retry_at_the_old_one(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await sent_in_vain(context, phones, ann, 30001)
    await give_phone(context, ann, "")
    clock.advance(minutes(2))

    result = await process_sms_retries(context)

    assert (result.dropped, phones.sent) == (1, [])
    assert (await the_sms(context, ann)).detail == "no phone number of the user is known"


async def test_nobody_is_asked_about_an_sms_for_more_than_a_day(
    context: Context, ann: User, clock: ManualClock
) -> None:
    await send_sms(context, ann.id, "Hi")
    clock.advance(days(1.1))

    await process_sms_retries(context)

    sms = await the_sms(context, ann)
    assert (sms.status, sms.next_at, sms.text) == (SmsStatus.ACCEPTED, None, "")


async def test_retries_older_than_a_week_are_unscheduled_and_younger_ones_stay(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    await sent_in_vain(context, phones, ann, 30001)
    clock.advance(days(6))
    await sent_in_vain(context, phones, ann, 30002)
    clock.advance(days(1) + timedelta(seconds=1))

    cleaned = await cleanup_old_retries(context)
    again = await cleanup_old_retries(context)

    young, old = await OutgoingSmses(context.database).of(ann.id)
    assert (cleaned.cleaned_records, again.cleaned_records) == (1, 0)
    assert (young.status, old.status) == (SmsStatus.RETRYING, SmsStatus.EXPIRED)
    assert (old.text, old.next_at) == ("", None)
    with pytest.raises(ValueError, match="days: must be 1 or more"):
        await cleanup_old_retries(context, days=0)


async def test_health_is_the_share_that_went_out_in_the_last_day(
    context: Context, ann: User, phones: MemorySms, clock: ManualClock
) -> None:
    nothing = await sms_health(context)
    for code in (21610, 21611):
        await sent_in_vain(context, phones, ann, code)
    clock.advance(days(2))
    for number in range(3):
        await send_sms(context, ann.id, "Hi", f"good-{number}")
    await sent_in_vain(context, phones, ann, 21614)

    found = await sms_health(context)

    assert (nothing.status, nothing.line) == (SmsLevel.HEALTHY, "no SMS was sent")
    assert (found.status, found.success_rate, found.total) == (SmsLevel.WARNING, 75.0, 4)
    assert found.counts == {"accepted": 3, "failed": 1}


async def test_without_a_provider_nothing_is_called_healthy(context: Context) -> None:
    alone = replace(
        context, sms=make_sms(context.database, Parcels(context.database), context.client)
    )

    judged = await sms_health(alone)

    assert (judged.status, judged.success_rate) == (SmsLevel.NOT_CONFIGURED, None)
    assert judged.line == "no provider is named; no SMS was sent"


async def test_what_is_not_wanted_any_more_when_its_run_comes_is_under_way_no_longer(
    context: Context, ann: User, phones: MemorySms
) -> None:
    phones.failing = [SmsTrouble("away")]
    with pytest.raises(SmsTrouble):
        await send_sms(context, ann.id, "Hi")
    await take_phone(context, ann)

    delivered = await send_sms(context, ann.id, "Hi")

    sms = await the_sms(context, ann)
    assert delivered.status is DeliveryStatus.DECLINED
    assert (sms.status, sms.text, sms.detail) == (SmsStatus.DROPPED, "", delivered.detail)
    assert (await sms_health(context)).line == "no SMS was sent"


async def test_in_quiet_hours_an_sms_waits_unless_it_is_urgent(
    context: Context, ann: User, phones: MemorySms
) -> None:
    now = context.client.store.clock.now()
    hours = f"{now - minutes(30):%H:%M}-{now + minutes(30):%H:%M}"
    await context.users.change(ann.id, quiet_hours=hours)

    with pytest.raises(RetryLater) as waits:
        await send_sms(context, ann.id, "Hi")
    await send_sms(context, ann.id, "Fire!", urgent=True)

    assert minutes(28) < waits.value.delay <= minutes(30)
    assert phones.sent == [(NUMBER, "Fire!")]


async def test_no_number_or_text_is_logged(
    context: Context, ann: User, phones: MemorySms, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "app")

    await send_sms(context, ann.id, "canary")
    await sent_in_vain(context, phones, ann, 30001)

    assert "was taken" in caplog.text
    assert "canary" not in caplog.text
    assert NUMBER not in caplog.text


def test_the_jobs_share_one_breaker_and_try_four_times_five_minutes_apart() -> None:
    for limits in (send_sms.limits, process_sms_retries.limits):
        assert [each.limit for each in limits] == [Breaker(name="sms")]
    for job in (send_sms, process_sms_retries, cleanup_old_retries, sms_health):
        assert (job.queue, job.retry.attempts) == ("sms", 4)
        assert job.retry.wait(1, SmsTrouble("")) == minutes(5)
