"""`check sms|slack|webhook`: what is missing, and a first message to real servers."""

import json
from collections.abc import AsyncGenerator

import pytest
from anyio.to_thread import run_sync

from tests.cli.command import Command, Done
from tests.services.notifications.receiver import SECRET, SLACK_PATH, Receiver, receiver
from tests.services.sms.twilio_like import ACCOUNT, SENDER, TOKEN, TwilioLike, twilio_like

PHONE = "+4915187654321"


@pytest.fixture
async def provider() -> AsyncGenerator[TwilioLike]:
    async with twilio_like() as provider:
        yield provider


@pytest.fixture
async def there() -> AsyncGenerator[Receiver]:
    async with receiver() as there:
        yield there


async def check(steward: Command, *words: str, **settings: str) -> Done:
    """Run the check, and see to it that it shows no secret."""
    done = await run_sync(lambda: steward("check", *words, **settings))
    for secret in (TOKEN, SECRET, SLACK_PATH, PHONE):
        assert secret not in done.out + done.err
    return done


async def test_what_is_not_configured_is_one_line_that_says_what_to_do(steward: Command) -> None:
    done = await check(steward, "sms")

    assert (done.code, done.out) == (1, "")
    assert "not configured" in done.line
    assert "STEWARD_SMS__ACCOUNT_SID" in done.line
    assert json.loads((await check(steward, "sms", "--json")).out)["outcome"] == "not_configured"


async def test_an_account_for_sms_is_tried_and_then_used(
    steward: Command, provider: TwilioLike
) -> None:
    account = {
        "STEWARD_SMS__BASE_URL": provider.url,
        "STEWARD_SMS__ACCOUNT_SID": ACCOUNT,
        "STEWARD_SMS__AUTH_TOKEN": TOKEN,
        "STEWARD_SMS__SENDER": SENDER,
    }

    wrong = await check(steward, "sms", **account | {"STEWARD_SMS__AUTH_TOKEN": "another"})
    assert provider.taken == []
    sent = await check(steward, "sms", "--send", **account, STEWARD_NOTIFY__PHONE=PHONE)

    assert (wrong.code, sent.code, sent.err) == (1, 0, "")
    assert "STEWARD_SMS__AUTH_TOKEN" in wrong.line
    assert "knows the account" in sent.out
    assert [(each["To"], each["Body"]) for each in provider.taken] == [
        (PHONE, "Hello from Steward")
    ]


@pytest.mark.tier("T2")
async def test_slack_and_a_webhook_are_told(steward: Command, there: Receiver) -> None:
    slack = {"STEWARD_NOTIFY__SLACK_URL": f"{there.url}{SLACK_PATH}"}
    hook = {
        "STEWARD_NOTIFY__WEBHOOK_URL": f"{there.url}/hook",
        "STEWARD_NOTIFY__WEBHOOK_SECRET": SECRET,
    }

    sent = [
        await check(steward, "slack", "--send", **slack),
        await check(steward, "webhook", "--send", **hook),
    ]

    assert [each.code for each in sent] == [0, 0]
    assert all("may be reached" in each.out for each in sent)
    assert there.slack[0]["text"] == ":information_source: *Hello from Steward*"
    assert [told["data"]["title"] for _, told in there.hooked] == ["Hello from Steward"]
