import json

import pytest

from app.context import Context
from app.engine import Breaker, Job, minutes, seconds
from app.engine.retry import is_permanent
from app.jobs.letters import send_letter
from app.jobs.notifications import post, send_slack, send_webhook
from app.jobs.sms import send_sms
from app.services.mail.memory import MemorySender
from app.services.notifications import Channel, Delivered, DeliveryStatus, Kind, Told
from app.services.notifications.first_steps import NotReady
from app.services.notifications.hooks import HookRefused, HookTrouble
from app.services.notifications.memory import MemoryCarrier
from app.services.once import Doubtful
from app.services.sms.memory import MemorySms
from app.services.web_post import PostUnanswered
from app.storage.key_taken import KeyTaken
from app.storage.notifications import Notices
from app.storage.outgoing_posts import OutgoingPosts, PostStatus
from app.storage.users import User
from app.storage.ways import Way, Ways
from tests.jobs.phones import NUMBER, other_run, working

SLACK = Way(channel=Channel.SLACK, address="https://hooks.example.org/T/B/canary")
HOOK = Way(channel=Channel.WEBHOOK, address="https://example.org/hook", secret="whsec_canary")
PHONE = Way(channel=Channel.SMS, address=NUMBER)
EVERY = tuple(Channel)
Bring = Job[Context, ..., Delivered]


@pytest.fixture
async def ann(context: Context, owner: User) -> User:
    """The owner, who can be reached in every way."""
    await Ways(context.database).put(owner.id, PHONE, SLACK, HOOK)
    return owner


async def tell(
    context: Context, user: User, *, fails: bool = False, channels: tuple[Channel, ...] = EVERY
) -> Told:
    """Tell them on all channels, with the runs that bring it; or fail at the end of it."""
    async with context.database.write() as session:
        told = await context.notifications.tell(
            session,
            user,
            "The roof",
            "It leaks <now> & again.",
            channels=channels,
            dedupe_key="k",
            kind=Kind.FAILED,
        )
        await post(context, session, told)
        if fails:
            raise RuntimeError
    return told


async def test_every_channel_is_told_and_each_that_leaves_has_a_run_of_its_own(
    context: Context, ann: User
) -> None:
    told = await tell(context, ann)

    assert {each.channel: each.status for each in told.delivered} == {
        Channel.IN_APP: DeliveryStatus.DELIVERED,
        Channel.EMAIL: DeliveryStatus.QUEUED,
        Channel.SMS: DeliveryStatus.QUEUED,
        Channel.SLACK: DeliveryStatus.QUEUED,
        Channel.WEBHOOK: DeliveryStatus.QUEUED,
    }
    (notice,) = await Notices(context.database).of(ann.id)
    assert notice.title == "Failed: The roof"
    rows = await context.outbox.next(most=20)
    assert [each.job for each in rows] == [
        "email.send_letter",
        "sms.send_sms",
        "notifications.send_slack",
        "notifications.send_webhook",
    ]


@pytest.mark.parametrize("bring", [send_sms, send_slack, send_webhook, send_letter])
async def test_a_key_of_one_user_is_not_taken_for_anothers(
    context: Context,
    ann: User,
    phones: MemorySms,
    carrier: MemoryCarrier,
    sender: MemorySender,
    bring: Job[Context, ..., object],
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    await Ways(context.database).put(bob.id, PHONE, SLACK, HOOK)
    given = ("Welcome", "Hi", "key") if bring.name == send_letter.name else ("Welcome", "key")
    await bring(context, ann.id, *given)

    with pytest.raises(KeyTaken, match="another user"):
        await bring(other_run(context), bob.id, *given)

    assert len(phones.sent) + len(carrier.sent) + len(sender.sent) == 1


async def test_what_is_told_twice_is_brought_once(context: Context, ann: User) -> None:
    await tell(context, ann)
    again = await tell(context, ann)

    assert len(await context.outbox.next(most=20)) == 4
    assert (again.letter, again.parcels) == (None, ())


async def test_of_a_transaction_that_fails_nothing_is_told_and_nothing_is_brought(
    context: Context, ann: User
) -> None:
    with pytest.raises(RuntimeError):
        await tell(context, ann, fails=True)

    assert await context.outbox.next(most=20) == []
    assert await Notices(context.database).of(ann.id) == ()
    assert await OutgoingPosts(context.database).of(ann.id) == ()


async def test_a_parcel_is_brought_in_the_words_of_its_channel(
    context: Context, ann: User, carrier: MemoryCarrier
) -> None:
    told = await tell(context, ann)
    texts = {each.channel: each for each in told.parcels}

    slack, hook = texts[Channel.SLACK], texts[Channel.WEBHOOK]
    assert texts[Channel.SMS].content == "Failed: The roof\nIt leaks <now> & again."
    first = await send_slack(context, ann.id, slack.content, slack.key)
    second = await send_webhook(context, ann.id, hook.content, hook.key)

    assert (first.status, second.status) == (DeliveryStatus.DELIVERED,) * 2
    (to_slack, text), (to_hook, body) = carrier.sent
    assert (to_slack, to_hook) == (SLACK, HOOK)
    assert text == ":x: *Failed: The roof*\nIt leaks &lt;now&gt; &amp; again."
    said = json.loads(body)
    assert said["type"] == "notification.failed"
    assert said["data"] == {
        "user_id": ann.id,
        "title": "Failed: The roof",
        "body": "It leaks <now> & again.",
    }


@pytest.mark.parametrize("job", [send_slack, send_webhook])
async def test_a_repeat_of_the_run_and_another_with_its_key_bring_nothing_again(
    context: Context, ann: User, carrier: MemoryCarrier, job: Bring
) -> None:
    first = await job(context, ann.id, "{}")
    assert await job(context, ann.id, "{}") == first
    await job(context, ann.id, "{}", "key")
    await job(other_run(context), ann.id, "{}", "key")

    assert len(carrier.sent) == 2
    found = await OutgoingPosts(context.database).of(ann.id)
    assert [each.status for each in found] == [PostStatus.SENT] * 2


@pytest.mark.parametrize("job", [send_slack, send_webhook])
@pytest.mark.parametrize(
    ("error", "permanent", "status"),
    [
        (HookTrouble("busy", retry_after=seconds(7)), False, PostStatus.PENDING),
        (HookRefused("gone"), True, PostStatus.FAILED),
        (PostUnanswered("cut off"), False, PostStatus.UNKNOWN),
    ],
)
async def test_what_is_not_taken_is_never_a_success(
    context: Context,
    ann: User,
    carrier: MemoryCarrier,
    job: Bring,
    error: Exception,
    *,
    permanent: bool,
    status: PostStatus,
) -> None:
    carrier.failing = error

    with pytest.raises(type(error)) as caught:
        await job(context, ann.id, "{}")

    (found,) = await OutgoingPosts(context.database).of(ann.id)
    assert (found.status, carrier.sent) == (status, [])
    assert is_permanent(caught.value) is permanent


async def test_what_slack_may_have_got_does_not_go_out_again_by_itself(
    context: Context, ann: User, carrier: MemoryCarrier
) -> None:
    carrier.failing = PostUnanswered("cut off")
    with working(context), pytest.raises(Doubtful, match="needs review"):
        await send_slack(context, ann.id, "Hi", "key")
    carrier.failing = None

    with working(other_run(context)) as again, pytest.raises(Doubtful):
        await send_slack(again, ann.id, "Hi", "key")

    assert carrier.sent == []


async def test_what_a_webhook_may_have_got_is_told_again(
    context: Context, ann: User, carrier: MemoryCarrier
) -> None:
    carrier.failing = PostUnanswered("cut off")
    with working(context), pytest.raises(PostUnanswered):
        await send_webhook(context, ann.id, "{}", "key")
    carrier.failing = None

    with working(other_run(context)) as again:
        told = await send_webhook(again, ann.id, "{}", "key")

    assert (told.status, len(carrier.sent)) == (DeliveryStatus.DELIVERED, 1)


@pytest.mark.parametrize("job", [send_slack, send_webhook])
async def test_who_has_no_address_or_wants_nothing_there_or_left_is_not_told(
    context: Context, ann: User, carrier: MemoryCarrier, job: Bring
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    eve = await context.users.add(name="Eve", address="eve@example.org", active=False)
    silent = [Way(channel=each, is_wanted=False) for each in (Channel.SLACK, Channel.WEBHOOK)]
    await Ways(context.database).put(ann.id, *silent)

    found = [await job(context, each.id, "{}") for each in (ann, bob, eve)]

    assert [each.status for each in found] == [
        DeliveryStatus.DECLINED,
        DeliveryStatus.NOT_CONFIGURED,
        DeliveryStatus.DECLINED,
    ]
    assert carrier.sent == []


async def test_one_channel_that_fails_keeps_no_other_from_working(
    context: Context,
    ann: User,
    carrier: MemoryCarrier,
    phones: MemorySms,
    sender: MemorySender,
) -> None:
    carrier.failing = HookTrouble("busy")

    found = await context.notifications.send(ann, "Hi", "", channels=EVERY, dedupe_key="k")

    assert {each.channel: each.status for each in found} == {
        Channel.IN_APP: DeliveryStatus.DELIVERED,
        Channel.EMAIL: DeliveryStatus.DELIVERED,
        Channel.SMS: DeliveryStatus.DELIVERED,
        Channel.SLACK: DeliveryStatus.FAILED,
        Channel.WEBHOOK: DeliveryStatus.FAILED,
    }
    assert phones.sent == [(NUMBER, "Hi")]
    assert len(sender.sent) == 1
    assert "canary" not in str(found)


async def test_each_user_is_reached_at_their_own_address(
    context: Context, ann: User, carrier: MemoryCarrier, phones: MemorySms
) -> None:
    bob = await context.users.add(name="Bob", address="bob@example.org")
    theirs = Way(channel=Channel.SLACK, address="https://hooks.example.org/bob")
    await Ways(context.database).put(bob.id, theirs)

    found = await context.notifications.send(bob, "Hi", "", channels=EVERY, dedupe_key="k")

    assert [way.address for way, _ in carrier.sent] == [theirs.address]
    assert phones.sent == []
    assert {each.channel for each in found if each.status is DeliveryStatus.NOT_CONFIGURED} == {
        Channel.SMS,
        Channel.WEBHOOK,
    }
    assert await Notices(context.database).of(ann.id) == ()


async def test_an_excluded_channel_is_skipped_with_a_reason(
    context: Context, ann: User, sender: MemorySender
) -> None:
    silent = [Way(channel=each, is_wanted=False) for each in (Channel.EMAIL, Channel.IN_APP)]
    await Ways(context.database).put(ann.id, *silent)

    told = await tell(context, ann, channels=(Channel.EMAIL, Channel.IN_APP))

    assert {each.status for each in told.delivered} == {DeliveryStatus.DECLINED}
    assert {each.detail for each in told.delivered} == {"the user does not want this channel"}
    assert told.letter is None
    assert (sender.sent, await Notices(context.database).of(ann.id)) == ({}, ())


@pytest.mark.parametrize(
    ("channel", "missing"),
    [
        (Channel.SMS, "STEWARD_NOTIFY__PHONE"),
        (Channel.SLACK, "STEWARD_NOTIFY__SLACK_URL"),
        (Channel.WEBHOOK, "STEWARD_NOTIFY__WEBHOOK_SECRET"),
    ],
)
async def test_the_check_of_a_channel_says_what_is_missing_or_what_works(
    context: Context, owner: User, carrier: MemoryCarrier, channel: Channel, missing: str
) -> None:
    with pytest.raises(NotReady, match=missing):
        await context.notifications.check(owner, channel)
    await Ways(context.database).put(owner.id, PHONE, SLACK, HOOK)

    lines = await context.notifications.check(owner, channel)

    assert "in memory" in lines[0]
    assert "canary" not in str(lines)
    assert carrier.sent == []


def test_each_users_slack_and_webhook_has_a_breaker_of_its_own() -> None:
    slack, hook = send_slack.limits[0].limit, send_webhook.limits[0].limit

    assert (slack, hook) == (
        Breaker(name="slack", by="user_id"),
        Breaker(name="webhook", by="user_id"),
    )
    assert (send_slack.queue, send_webhook.queue) == ("email", "email")
    assert [send_webhook.retry.wait(each, HookTrouble("")) for each in (1, 2, 5)] == [
        seconds(30),
        minutes(1),
        minutes(8),
    ]
