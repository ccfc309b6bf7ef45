"""A reminder that reaches its user everywhere: real servers, a real worker, and none told twice."""

from app.context import Services
from app.engine import Ending, seconds
from app.jobs import ai
from app.services.notifications import Channel
from app.storage.notifications import Notices
from app.storage.outgoing_posts import OutgoingPosts, PostStatus
from app.storage.run import Run
from app.storage.runs import Runs
from tests.eventually import eventually
from tests.life.home import STEWARD, Home
from tests.services.notifications.receiver import SECRET, SLACK_PATH, Fate, receiver
from tests.services.sms.twilio_like import ACCOUNT, SENDER, TOKEN, twilio_like

PHONE = "+4915112345678"


async def test_a_reminder_is_told_on_every_channel_and_one_that_fails_holds_up_none(
    home: Home, steward: Services
) -> None:
    async with twilio_like() as provider, receiver() as there:
        there.answers.append(Fate.CUT_AFTER)  # whoever comes first, Slack or the webhook
        await home.worker(
            STEWARD,
            STEWARD_SMS__BASE_URL=provider.url,
            STEWARD_SMS__ACCOUNT_SID=ACCOUNT,
            STEWARD_SMS__AUTH_TOKEN=TOKEN,
            STEWARD_SMS__SENDER=SENDER,
            STEWARD_NOTIFY__PHONE=PHONE,
            STEWARD_NOTIFY__SLACK_URL=f"{there.url}{SLACK_PATH}",
            STEWARD_NOTIFY__WEBHOOK_URL=f"{there.url}/hook",
            STEWARD_NOTIFY__WEBHOOK_SECRET=SECRET,
        ).ready(steward.client)
        owner = await steward.users.owner()
        soon = steward.client.store.clock.now() + seconds(0.2)

        handle = await steward.client.enqueue(
            ai.create_reminder, owner.id, "call Ann", soon, channels=tuple(Channel)
        )
        made = await handle.result()

        async def posted() -> bool:
            posts = await OutgoingPosts(steward.database).of(owner.id)
            return len(posts) == 2 and all(each.status is not PostStatus.PENDING for each in posts)

        await eventually(posted)
        await eventually(lambda: provider.taken)
        (ran,) = await eventually(lambda: _ended(steward, {"ai.run_task"}))

    (notice,) = await Notices(steward.database).of(owner.id)
    assert made.run_id == ran.id
    assert (ran.status, notice.title) == (Ending.SUCCEEDED, "call Ann")
    assert [(each["To"], each["Body"].partition("\n")[0]) for each in provider.taken] == [
        (PHONE, "call Ann")
    ]
    assert len(there.slack) == 1
    assert {told["data"]["title"] for _, told in there.hooked} == {"call Ann"}
    assert len({told_id for told_id, _ in there.hooked}) == 1
    said = "".join(each.said() for each in home.started)
    assert not [each for each in (TOKEN, SECRET, SLACK_PATH, PHONE) if each in said]


async def _ended(steward: Services, jobs: set[str]) -> list[Run]:
    runs = await Runs(steward.database).list(limit=100)
    return [each for each in runs if each.job in jobs and each.is_over]
