"""Each channel brings an alert to a real server of its kind, and says what became of it."""

import hmac
import json
import logging
from base64 import b64encode
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.engine import ManualClock
from app.observability.alert_channels import (
    Addresses,
    AlertChannels,
    ChannelRefused,
)
from app.services.alert_report import Channel, TellStatus
from app.services.mail import Outbox
from app.services.mail.memory import MemorySender
from app.services.mail.security import Security
from app.services.mail.smtp import SmtpSender
from app.services.web_guard import AddressRefused, WebGuard
from app.services.web_post import Poster, PostFailed
from app.storage.address import Address
from app.storage.alerts import Alert, Severity
from app.storage.database import Database
from app.storage.users import User, Users
from tests.observability.hooks import hooks
from tests.servers import free_port
from tests.services.mail.capture import Capture, smtp_server

KEY = b"a key of the tests, long enough"
NOON = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ALERT = Alert(
    id=3,
    rule="queue",
    subject="email",
    severity=Severity.CRITICAL,
    line="email: 500 runs or more are ready <!channel> & \x1b[31mmore",
    value=500,
    raised_at=NOON,
    seen_at=NOON,
    told_at=NOON,
    told=1,
    acknowledged_by="",
    acknowledged_at=None,
    resolved_at=None,
)


@pytest.fixture
def outbox(database: Database, sender: MemorySender, clock: ManualClock) -> Outbox:
    return Outbox(database, sender, now=clock.now)


def channels(
    database: Database, outbox: Outbox, addresses: Addresses, *, trusted: tuple[str, ...] = ()
) -> AlertChannels:
    return AlertChannels(
        addresses,
        outbox=outbox,
        users=Users(database),
        poster=Poster(WebGuard(trusted=trusted)),
        now=lambda: NOON,
    )


async def test_the_log_has_the_alert_without_what_steers_a_terminal(
    database: Database, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    told = await channels(database, outbox, Addresses()).tell(ALERT, Channel.LOG, times=1)

    assert told.status is TellStatus.TOLD
    (line,) = [each for each in caplog.records if each.name == "app.alerts"]
    assert line.levelno == logging.ERROR
    assert line.getMessage().startswith("alert 3, queue: email: 500 runs")
    assert "\x1b" not in line.getMessage()


async def test_mail_reaches_a_server(database: Database, owner: User, clock: ManualClock) -> None:
    del owner
    async with smtp_server(Capture()) as server:
        smtp = SmtpSender(
            address="steward@example.org",
            host="127.0.0.1",
            port=server.port,
            security=Security.NONE,
            username="",
            password="",
        )
        to = Addresses(mail=(Address("ops@example.org"), Address("ann@example.org")))
        told = await channels(database, Outbox(database, smtp, now=clock.now), to).tell(
            ALERT, Channel.MAIL, times=1
        )

    (mail,) = server.mails
    assert told.status is TellStatus.TOLD
    assert mail.recipients == ("ops@example.org", "ann@example.org")
    assert mail.message["Subject"] == "[Steward] critical: queue"
    assert "email: 500 runs or more are ready" in mail.body
    assert "steward alerts ack 3" in mail.body


async def test_without_addresses_mail_goes_to_the_owner_once_a_telling(
    database: Database, outbox: Outbox, sender: MemorySender, owner: User
) -> None:
    ours = channels(database, outbox, Addresses())
    for times in (1, 1, 2):
        await ours.tell(ALERT, Channel.MAIL, times=times)

    assert [each.to for each in sender.sent.values()] == [(owner.address,)] * 2


async def test_slack_is_posted_a_text_that_mentions_nobody(
    database: Database, outbox: Outbox
) -> None:
    async with hooks() as site:
        url = site.url("slack")
        ours = channels(database, outbox, Addresses(slack=url), trusted=(url,))
        told = await ours.tell(ALERT, Channel.SLACK, times=1)

    (post,) = site.posts
    said = json.loads(post.body)
    text = said.pop("text")
    assert (told.status, told.detail) == (TellStatus.TOLD, "answered 200")
    assert post.headers["content-type"] == "application/json"
    assert said == {"unfurl_links": False, "unfurl_media": False}
    assert text.startswith("*critical: queue*\nemail: 500 runs")
    assert "<" not in text
    assert "\x1b" not in text


async def test_a_webhook_is_posted_signed_json(database: Database, outbox: Outbox) -> None:
    async with hooks() as site:
        url, key = (
            site.url("hook"),
            "whsec_" + b64encode(b"a key of the tests, long enough").decode(),
        )
        to = Addresses(webhook=url, webhook_key=key)
        await channels(database, outbox, to, trusted=(url,)).tell(ALERT, Channel.WEBHOOK, times=1)

    (post,) = site.posts
    said = json.loads(post.body)
    assert (said["id"], said["rule"], said["subject"], said["value"]) == (3, "queue", "email", 500)
    seconds = int(NOON.timestamp())
    signed_text = f"{post.headers['webhook-id']}.{seconds}.".encode() + post.body
    digest = hmac.digest(KEY, signed_text, "sha256")
    assert post.headers["webhook-timestamp"] == str(seconds)
    assert post.headers["webhook-signature"] == f"v1,{b64encode(digest).decode()}"


async def test_a_webhook_has_one_id_for_each_telling(database: Database, outbox: Outbox) -> None:
    async with hooks() as site:
        url = site.url("hook")
        to = Addresses(webhook=url, webhook_key="whsec_" + b64encode(KEY).decode())
        ours = channels(database, outbox, to, trusted=(url,))
        for alert, times in ((ALERT, 1), (replace(ALERT, told=2), 1), (replace(ALERT, told=2), 2)):
            await ours.tell(alert, Channel.WEBHOOK, times=times)

    first, late, second = (post.headers["webhook-id"] for post in site.posts)
    assert first == late != second


@pytest.mark.parametrize("channel", [Channel.SLACK, Channel.WEBHOOK])
async def test_what_is_not_configured_says_so(
    database: Database, outbox: Outbox, channel: Channel
) -> None:
    told = await channels(database, outbox, Addresses()).tell(ALERT, channel, times=1)

    assert told.status is TellStatus.NOT_CONFIGURED
    assert told.detail == f"STEWARD_ALERTS__{channel.upper()} is empty"


@pytest.mark.parametrize(
    ("code", "error"),
    [(500, ConnectionError), (429, ConnectionError), (404, ChannelRefused), (302, ChannelRefused)],
)
async def test_who_is_away_is_tried_again_and_who_refuses_is_not(
    database: Database, outbox: Outbox, code: int, error: type[Exception]
) -> None:
    async with hooks() as site:
        site.answers.append(code)
        url = site.url("hook")
        ours = channels(database, outbox, Addresses(webhook=url), trusted=(url,))
        with pytest.raises(error, match=f"127.0.0.1 answered {code}"):
            await ours.tell(ALERT, Channel.WEBHOOK, times=1)


async def test_a_dead_hook_is_no_success(database: Database, outbox: Outbox) -> None:
    url = f"http://127.0.0.1:{free_port()}/secret-path"
    ours = channels(database, outbox, Addresses(webhook=url), trusted=(url,))

    with pytest.raises(PostFailed) as caught:
        await ours.tell(ALERT, Channel.WEBHOOK, times=1)
    assert "secret-path" not in str(caught.value)


@pytest.mark.case(55)
async def test_an_address_at_home_that_is_not_the_settings_is_not_reached(
    database: Database, outbox: Outbox
) -> None:
    async with hooks() as site:
        ours = channels(database, outbox, Addresses(webhook=site.url("hook")))
        with pytest.raises(AddressRefused):
            await ours.tell(ALERT, Channel.WEBHOOK, times=1)

    assert site.posts == []
