"""A wrong password, met by real runs on a real SMTP server."""

from dataclasses import replace

from arq.connections import RedisSettings

from app.context import Services
from app.engine import Breaker, ManualClock, RunStatus, minutes, seconds
from app.jobs import JOBS
from app.jobs.email import send_daily_summary, send_notification
from app.jobs.letters import send_letter
from app.services.mail import Outbox
from app.services.mail.resting import RestingSender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.storage.notifications import Notices
from app.storage.users import User
from tests.eventually import eventually
from tests.jobs.working import working
from tests.services.mail.capture import Capture, smtp_server


def mailing(services: Services, server: Capture, password: str, clock: ManualClock) -> Services:
    """The services of a process that was started with this password."""
    sender = SmtpSender(
        address="steward@example.org",
        host="127.0.0.1",
        port=server.port,
        username="ann",
        password=password,
        security=Security.NONE,
    )
    rest = services.rests.of(name="smtp", account=password[:5], label="outgoing mail")
    outbox = Outbox(services.database, RestingSender(sender, rest), now=clock.now)
    return replace(services, mail=replace(services.mail, outbox=outbox))


async def test_all_mail_waits_for_a_mended_password_and_one_login_is_tried(
    services: Services, owner: User, clean_redis: RedisSettings, clock: ManualClock
) -> None:
    async with smtp_server(Capture(), login=True) as server:
        runs = [
            await services.client.enqueue(
                send_letter, owner.id, f"Hi {number}", "Hi", f"{number}", urgent=True
            )
            for number in range(6)
        ]
        async with working(mailing(services, server, "wrong-canary", clock), clean_redis, JOBS):

            async def all_wait() -> bool:
                return {await each.status() for each in runs} == {RunStatus.DEFERRED}

            await eventually(all_wait)
            assert server.logins == ["ann"]
            (notice,) = await Notices(services.database).of(owner.id)
            clock.advance(minutes(10))
        async with working(mailing(services, server, "hunter2-canary", clock), clean_redis, JOBS):
            await eventually(lambda: len(server.mails) == len(runs), within=seconds(20))
            for each in runs:
                assert (await each.result()).sent

    assert notice.title == "An account refuses Steward"
    assert "Outgoing mail: smtp: 127.0.0.1" in notice.body
    assert "canary" not in notice.body
    assert server.logins.count("ann") == 1 + len(runs)


def test_the_jobs_that_send_mail_share_one_breaker() -> None:
    for job in (send_notification, send_letter, send_daily_summary):
        assert Breaker(name="smtp") in [each.limit for each in job.limits]
