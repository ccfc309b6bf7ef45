from collections.abc import AsyncGenerator
from datetime import timedelta

import pytest
from starlette.responses import RedirectResponse, Response

from app.services.notifications.hooks import HookRefused, Hooks, HookTrouble
from app.services.notifications.signature import InvalidSecret
from app.services.web_guard import AddressRefused, WebGuard
from app.services.web_post import Poster, PostLimits, PostUnanswered
from app.storage.ways import Channel, Way
from tests.services.notifications.receiver import SECRET, Fate, Receiver, receiver

BRIEF = PostLimits(connect=timedelta(seconds=1), answer=timedelta(seconds=0.3))


@pytest.fixture
async def there() -> AsyncGenerator[Receiver]:
    async with receiver() as there:
        yield there


def hooks(there: Receiver) -> Hooks:
    return Hooks(Poster(WebGuard(trusted=[there.url]), BRIEF))


async def test_slack_gets_the_text(there: Receiver) -> None:
    slack, _ = there.ways

    await hooks(there).send(slack, "Grüße *Ann*", key="k")

    nothing_fetched = {"unfurl_links": False, "unfurl_media": False}
    assert there.slack == [{"text": "Grüße *Ann*", **nothing_fetched}]


async def test_a_webhook_gets_json_that_it_believes(there: Receiver) -> None:
    _, hook = there.ways

    taken = await hooks(there).send(hook, '{"title": "Grüße"}', key="k")
    again = await hooks(there).send(hook, '{"title": "Grüße"}', key="k")

    assert there.hooked == [(taken.id, {"title": "Grüße"})] * 2
    assert (taken.id, there.refused) == (again.id, 0)


async def test_a_webhook_that_shares_another_secret_does_not_take_it(there: Receiver) -> None:
    _, hook = there.ways
    other = Way(channel=Channel.WEBHOOK, address=hook.address, secret=SECRET[:-4] + "AAAA")

    with pytest.raises(HookTrouble, match="401"):
        await hooks(there).send(other, "{}", key="k")

    assert (there.refused, there.hooked) == (1, [])


LATER = {"Retry-After": "7"}
SLACK = [
    (Response("rate_limited", 429, LATER), HookTrouble, 7),
    (Response("later", 503, LATER), HookTrouble, 7),
    (Response("no_service", 404), HookRefused, None),
    (Response("channel_is_archived", 410), HookRefused, None),
    (Response("invalid_payload", 400), HookRefused, None),
    (RedirectResponse("http://127.0.0.1:1/"), HookRefused, None),
    (Response("oh", 500), PostUnanswered, None),
    (Fate.CUT_AFTER, PostUnanswered, None),
    (Fate.SILENT, PostUnanswered, None),
]
WEBHOOK = [
    (Response("", 429, LATER), HookTrouble, 7),
    (Response("", 503), HookTrouble, None),
    (Response("", 500), HookTrouble, None),
    (Response("", 400), HookTrouble, None),
    (Response("", 410), HookRefused, None),
    (RedirectResponse("http://127.0.0.1:1/"), HookRefused, None),
    (Fate.CUT_AFTER, PostUnanswered, None),
    (Fate.SILENT, PostUnanswered, None),
]


@pytest.mark.parametrize(
    ("channel", "answer", "raised", "later"),
    [
        *((Channel.SLACK, *each) for each in SLACK),
        *((Channel.WEBHOOK, *each) for each in WEBHOOK),
    ],
)
async def test_every_answer_says_whether_it_was_taken(
    there: Receiver,
    channel: Channel,
    answer: Response | Fate,
    raised: type[Exception],
    later: int | None,
) -> None:
    there.answers.append(answer)
    (way,) = (each for each in there.ways if each.channel is channel)

    with pytest.raises(raised) as caught:
        await hooks(there).send(way, "{}", key="k")

    asked = getattr(caught.value, "retry_after", None)
    assert asked == (timedelta(seconds=later) if later else None)
    assert "canary" not in str(caught.value)
    assert SECRET not in str(caught.value)


async def test_an_address_at_home_is_reached_only_if_the_settings_say_so(there: Receiver) -> None:
    strict = Hooks(Poster(WebGuard(), BRIEF))

    for way in there.ways:
        with pytest.raises(AddressRefused):
            await strict.send(way, "{}", key="k")

    assert (there.slack, there.hooked) == ([], [])


async def test_a_server_that_is_away_has_taken_nothing() -> None:
    url = "http://127.0.0.1:1/canary"
    away = Hooks(Poster(WebGuard(trusted=[url]), BRIEF))

    with pytest.raises(HookTrouble) as caught:
        await away.send(Way(channel=Channel.SLACK, address=url), "Hi", key="k")

    assert "canary" not in str(caught.value)


async def test_without_a_secret_nothing_is_told(there: Receiver) -> None:
    _, hook = there.ways

    with pytest.raises(InvalidSecret):
        await hooks(there).send(Way(channel=Channel.WEBHOOK, address=hook.address), "{}", key="k")

    assert there.refused == 0
