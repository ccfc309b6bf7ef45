from datetime import timedelta

import pytest

from app.engine import ManualClock, days, minutes
from app.storage.database import Database
from app.storage.outgoing_posts import NewPost, OutgoingPosts, PostStatus
from app.storage.outgoing_sms import NewSms, OutgoingSms, OutgoingSmses, SmsStatus
from app.storage.users import User, Users
from app.storage.ways import Channel

LEASE = minutes(5)


@pytest.fixture
async def ann(database: Database) -> User:
    return await Users(database).add(name="Ann", address="ann@example.org")


@pytest.fixture
def smses(database: Database, clock: ManualClock) -> OutgoingSmses:
    return OutgoingSmses(database, now=clock.now)


async def written(smses: OutgoingSmses, user: User, key: str = "k") -> OutgoingSms:
    new = NewSms(key=key, user_id=user.id, recipient="+4915112345678", text="Hi")
    return await smses.ensure(new)


async def retrying(smses: OutgoingSmses, user: User, key: str, *, wait: timedelta) -> OutgoingSms:
    sms = await written(smses, user, key)
    at = smses.now() + wait
    return await smses.settle(
        sms, SmsStatus.RETRYING, detail="busy", next_at=at, code=30001, is_attempt=True
    )


async def test_a_key_has_one_sms_as_it_was_first_written(smses: OutgoingSmses, ann: User) -> None:
    first = await written(smses, ann)

    assert await written(smses, ann) == first
    assert (first.status, first.attempts, first.text) == (SmsStatus.PENDING, 0, "Hi")


async def test_what_is_due_is_claimed_once_the_longest_due_first(
    smses: OutgoingSmses, ann: User, clock: ManualClock
) -> None:
    late = await retrying(smses, ann, "late", wait=minutes(2))
    soon = await retrying(smses, ann, "soon", wait=minutes(1))
    await retrying(smses, ann, "later", wait=days(1))
    clock.advance(minutes(3))

    first = await smses.claim((SmsStatus.RETRYING,), limit=1, lease=LEASE)
    second = await smses.claim((SmsStatus.RETRYING,), limit=9, lease=LEASE)
    nothing = await smses.claim((SmsStatus.RETRYING,), limit=9, lease=LEASE)
    clock.advance(minutes(6))
    again = await smses.claim((SmsStatus.RETRYING,), limit=9, lease=LEASE)

    assert [each.id for each in (*first, *second)] == [soon.id, late.id]
    assert (nothing, len(again)) == ((), 2)


async def test_what_is_over_stays_so_and_its_text_is_gone(smses: OutgoingSmses, ann: User) -> None:
    sms = await written(smses, ann)
    over = await smses.settle(sms, SmsStatus.FAILED, detail="never", code=21610, is_attempt=True)

    late = await smses.settle(sms, SmsStatus.ACCEPTED, detail="taken", provider_id="SM1")

    assert late == over
    assert (over.status, over.text, over.code, over.attempts) == (SmsStatus.FAILED, "", 21610, 1)


async def test_who_has_been_overtaken_settles_nothing(smses: OutgoingSmses, ann: User) -> None:
    sms = await written(smses, ann)
    newer = await smses.settle(sms, SmsStatus.RETRYING, detail="busy", is_attempt=True)

    assert await smses.settle(sms, SmsStatus.FAILED, detail="late", is_attempt=True) == newer


async def test_numbers_are_of_the_time_asked_for_and_old_retries_expire(
    smses: OutgoingSmses, ann: User, clock: ManualClock
) -> None:
    await retrying(smses, ann, "old", wait=minutes(1))
    clock.advance(days(3))
    since = smses.now()
    await written(smses, ann, "new")

    assert await smses.count(since=since) == {SmsStatus.PENDING: 1}
    assert await smses.expire(before=since) == 1
    assert await smses.expire(before=since) == 0
    assert await smses.count(since=since - days(4)) == {SmsStatus.PENDING: 1, SmsStatus.EXPIRED: 1}


async def test_a_post_that_was_sent_stays_sent(database: Database, ann: User) -> None:
    posts = OutgoingPosts(database)
    new = NewPost(key="k", user_id=ann.id, channel=Channel.SLACK)
    post = await posts.ensure(new)
    sent = await posts.settle(post.id, PostStatus.SENT, detail="taken")

    assert await posts.settle(post.id, PostStatus.FAILED, detail="late") == sent
    assert await posts.ensure(new) == sent
    assert await posts.of(ann.id) == (sent,)
