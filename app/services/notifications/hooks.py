"""The ways to Slack and to webhooks: one POST each, and what its answer means.

taken      any 2xx
not now    429, 503, and to a webhook anything else that is no refusal
never      a redirect, 410, and from Slack any other 4xx
who knows  from Slack any other 5xx, and no answer at all
"""

import json
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final, NoReturn, Protocol

from app.services.download import Download
from app.services.notifications.signature import secrets_in, signed
from app.services.once import Taken
from app.services.web_post import Poster, PostFailed, PostUnanswered
from app.storage.clock import Now, utc_now
from app.storage.ways import Channel, Way

_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}
_NOT_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class HookRefused(ValueError):
    """It does not take this, now or later."""


class HookTrouble(ConnectionError):
    """It did not take this now; `retry_after` is what it asks for, if it does."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Carrier(Protocol):
    """Brings something to the address that a user gave."""

    async def send(self, way: Way, content: str, *, key: str) -> Taken:
        """Return once it is taken; raises `HookRefused`, `HookTrouble` or `PostUnanswered`.

        `AddressRefused` and `InvalidSecret` are refusals, too: nothing was sent.
        """
        ...

    async def check(self, way: Way) -> str:
        """Look whether it can be reached, without sending: one line on what works."""
        ...


class Hooks:
    """Posts to Slack and to webhooks."""

    def __init__(self, poster: Poster, *, now: Now = utc_now) -> None:
        self._poster = poster
        self._now = now

    async def send(self, way: Way, content: str, *, key: str) -> Taken:
        """The same, over the web; a webhook is signed."""
        if way.channel is Channel.SLACK:
            return await self._to_slack(way, content)
        return await self._to_webhook(way, content.encode("utf-8", "replace"), key)

    async def check(self, way: Way) -> str:
        """Look for the host, and whether a webhook can be signed; raises what `send` would."""
        if way.channel is Channel.WEBHOOK:
            secrets_in(way.secret)
        return f"{await self._poster.find(way.address)} is there, and may be reached"

    async def _to_slack(self, way: Way, text: str) -> Taken:
        content = _slack_json(text)
        answer = await self._post(way, content, _JSON)
        if answer.status in _NOT_NOW:
            _put_off(way, answer)
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise PostUnanswered(f"slack: {answer.host} failed with {answer.status}")
        _refuse_unless_taken(way, answer)
        return Taken("", f"{answer.host} has it")

    async def _to_webhook(self, way: Way, body: bytes, key: str) -> Taken:
        headers = signed(way.secret, key=key, at=_seconds(self._now()), body=body)
        answer = await self._post(way, body, {**_JSON, **headers})
        is_final = answer.status < HTTPStatus.BAD_REQUEST or answer.status == HTTPStatus.GONE
        if not is_final:
            _put_off(way, answer)
        _refuse_unless_taken(way, answer)
        return Taken(headers["webhook-id"], f"{answer.host} has it")

    async def _post(self, way: Way, content: bytes, headers: dict[str, str]) -> Download:
        try:
            return await self._poster.ask(way.address, content=content, headers=headers)
        except PostFailed as error:
            raise HookTrouble(f"{way.channel}: {error}") from error


def _slack_json(text: str) -> bytes:
    """Slack is to fetch nothing that a text names: whose server that is gets to know by it."""
    said = {"text": text, "unfurl_links": False, "unfurl_media": False}
    return json.dumps(said).encode()


def _put_off(way: Way, answer: Download) -> NoReturn:
    said = f"{way.channel}: {answer.host} answered {answer.status}"
    raise HookTrouble(said, retry_after=answer.retry_after)


def _refuse_unless_taken(way: Way, answer: Download) -> None:
    if HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        return
    why = "redirects" if answer.status < HTTPStatus.BAD_REQUEST else f"says {answer.status}"
    raise HookRefused(f"{way.channel}: {answer.host} {why}: is the address still right?")


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())
