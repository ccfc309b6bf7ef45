from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from starlette.responses import JSONResponse, RedirectResponse, Response

from app.services.sms import (
    SmsError,
    SmsMisconfigured,
    SmsRejected,
    SmsTrouble,
    SmsUnanswered,
)
from app.services.sms.provider import Standing, Whereabouts
from app.services.sms.twilio import TwilioSms
from app.services.web_guard import WebGuard
from app.services.web_post import Poster, PostLimits
from tests.services.sms.twilio_like import (
    ACCOUNT,
    SENDER,
    TOKEN,
    Answer,
    Fate,
    Refusal,
    TwilioLike,
    twilio_like,
)

ANN = "+4915112345678"
BRIEF = PostLimits(connect=timedelta(seconds=1), answer=timedelta(seconds=0.3))


@pytest.fixture
async def provider() -> AsyncGenerator[TwilioLike]:
    async with twilio_like() as provider:
        yield provider


def sms_over(url: str, *, token: str = TOKEN, sender: str = SENDER) -> TwilioSms:
    poster = Poster(WebGuard(trusted=[url]), BRIEF)
    return TwilioSms(poster, base_url=url, account=ACCOUNT, token=token, sender=sender)


async def test_an_sms_is_taken_under_the_providers_id(provider: TwilioLike) -> None:
    taken = await sms_over(provider.url).send(ANN, "Grüße & 50 % = 1/2 +x")

    (sms,) = provider.taken
    assert (sms["To"], sms["From"], sms["Body"]) == (ANN, SENDER, "Grüße & 50 % = 1/2 +x")
    assert taken.id == sms["sid"]


async def test_a_messaging_service_is_named_as_one(provider: TwilioLike) -> None:
    await sms_over(provider.url, sender="MG1234").send(ANN, "Hi")

    assert provider.taken[0]["MessagingServiceSid"] == "MG1234"
    assert "From" not in provider.taken[0]


REDIRECT = RedirectResponse("http://127.0.0.1:1/", status_code=307)


@pytest.mark.parametrize(
    ("answer", "raised"),
    [
        (Refusal(400, 21211), SmsRejected),
        (Refusal(400, 30003), SmsRejected),
        (JSONResponse({"sid": "SM1", "status": "failed", "error_code": 30001}, 201), SmsRejected),
        (Refusal(401, 20003), SmsMisconfigured),
        (Refusal(403, 20403), SmsMisconfigured),
        (Refusal(404, 20404), SmsMisconfigured),
        (REDIRECT, SmsMisconfigured),
        (Refusal(429, 20429, {"Retry-After": "7"}), SmsTrouble),
        (Refusal(503, 0, {"Retry-After": "7"}), SmsTrouble),
        (Refusal(500), SmsUnanswered),
        (Refusal(502), SmsUnanswered),
        (Fate.CUT_BEFORE, SmsUnanswered),
        (Fate.CUT_AFTER, SmsUnanswered),
        (Fate.SILENT, SmsUnanswered),
    ],
)
async def test_every_failure_says_whether_it_may_have_been_taken(
    provider: TwilioLike, answer: Answer, raised: type[SmsError]
) -> None:
    provider.answers.append(answer)

    with pytest.raises(raised) as caught:
        await sms_over(provider.url).send(ANN, "Hi")

    assert len(provider.taken) == (answer in (Fate.CUT_AFTER, Fate.SILENT))
    if isinstance(caught.value, SmsTrouble):
        assert caught.value.retry_after == timedelta(seconds=7)
    for canary in (TOKEN, ANN, "canary"):
        assert canary not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "code"),
    [({"code": 21610}, 21610), ({"code": "21614"}, 21614), ({}, 400), ({"code": [1]}, 400)],
)
async def test_a_refusal_is_known_by_its_code(
    provider: TwilioLike, said: dict[str, object], code: int
) -> None:
    provider.answers.append(JSONResponse(said, 400))

    with pytest.raises(SmsRejected) as caught:
        await sms_over(provider.url).send(ANN, "Hi")

    assert caught.value.code == code


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b'{"sid": "../../x"}', b"\xff"])
async def test_what_is_taken_and_oddly_answered_is_taken_all_the_same(
    provider: TwilioLike, body: bytes
) -> None:
    provider.answers.append(Response(body, 201))

    assert (await sms_over(provider.url).send(ANN, "Hi")).id == ""


async def test_a_provider_that_is_away_has_taken_nothing() -> None:
    with pytest.raises(SmsTrouble, match="STEWARD_SMS__BASE_URL"):
        await sms_over("http://127.0.0.1:1").send(ANN, "Hi")


@pytest.mark.parametrize("text", ["", "x" * 1_601, "😀" * 801])
async def test_what_no_provider_takes_is_not_even_sent(provider: TwilioLike, text: str) -> None:
    with pytest.raises(SmsRejected, match="21617"):
        await sms_over(provider.url).send(ANN, text)

    assert provider.requests == 0


async def test_the_longest_text_is_sent_whole(provider: TwilioLike) -> None:
    await sms_over(provider.url).send(ANN, "😀" * 800)

    assert provider.taken[0]["Body"] == "😀" * 800


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ({"status": "delivered"}, Whereabouts(Standing.DELIVERED)),
        ({"status": "undelivered", "error_code": 30003}, Whereabouts(Standing.LOST, 30003)),
        ({"status": "failed", "error_code": None}, Whereabouts(Standing.LOST, 30008)),
        ({"status": "sending"}, Whereabouts(Standing.ON_ITS_WAY)),
        ({"status": {"odd": 1}}, Whereabouts(Standing.ON_ITS_WAY)),
        (Refusal(404, 20404), Whereabouts(Standing.ON_ITS_WAY)),
        (Refusal(410), Whereabouts(Standing.ON_ITS_WAY)),
    ],
)
async def test_a_taken_sms_can_be_asked_for(
    provider: TwilioLike, said: dict[str, object] | Refusal, found: Whereabouts
) -> None:
    provider.standings["SM1"] = said

    assert await sms_over(provider.url).look("SM1") == found


@pytest.mark.parametrize(
    ("said", "raised"),
    [
        (Refusal(401, 20003), SmsMisconfigured),
        (Refusal(429, 20429), SmsTrouble),
        (Refusal(500), SmsUnanswered),
    ],
)
async def test_a_provider_that_does_not_say_where_an_sms_is_is_an_error(
    provider: TwilioLike, said: Refusal, raised: type[SmsError]
) -> None:
    provider.standings["SM1"] = said

    with pytest.raises(raised):
        await sms_over(provider.url).look("SM1")


async def test_the_check_sends_nothing_and_names_the_setting(provider: TwilioLike) -> None:
    line = await sms_over(provider.url).check()
    with pytest.raises(SmsMisconfigured, match="STEWARD_SMS__AUTH_TOKEN"):
        await sms_over(provider.url, token="wrong").check()

    assert SENDER in line
    assert TOKEN not in line
    assert provider.taken == []
