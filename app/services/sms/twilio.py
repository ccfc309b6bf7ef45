"""SMS over HTTP, as Twilio takes them, and those who do as Twilio does.

What counts is whether the provider has the SMS. An answer of success means that it has; a refusal,
"too many" (429) and "not now" (503) mean that it has not. After any other failure of theirs, and
after none at all, it may have.
"""

import re
from http import HTTPStatus
from typing import Any, Final, NoReturn, cast
from urllib.parse import urlencode

import msgspec

from app.services.download import Download
from app.services.once import Taken
from app.services.sms.errors import SmsMisconfigured, SmsRejected, SmsTrouble, SmsUnanswered
from app.services.sms.provider import Standing, Whereabouts
from app.services.web_post import Poster, PostFailed, PostUnanswered

LONGEST: Final = 1_600
"""Characters that a provider takes; one outside of the first 65,536 counts twice."""
_NOT_NOW = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
_FORGOTTEN = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)
_WRONG_SETTING = {
    HTTPStatus.UNAUTHORIZED: "STEWARD_SMS__AUTH_TOKEN is not this account's",
    HTTPStatus.FORBIDDEN: "this account may not send: see STEWARD_SMS__ACCOUNT_SID",
    HTTPStatus.NOT_FOUND: "STEWARD_SMS__ACCOUNT_SID or STEWARD_SMS__BASE_URL is wrong",
}
_ID = re.compile(r"[A-Za-z0-9]{1,100}")
_CODE = re.compile(r"[0-9]{1,6}")
_LOST = ("failed", "undelivered", "canceled")
_TOO_LONG = 21617
_NO_REASON = 30008
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class TwilioSms:
    """Sends SMS by one account."""

    def __init__(
        self, poster: Poster, *, base_url: str, account: str, token: str, sender: str
    ) -> None:
        """`sender` is a number, a name, or a messaging service, whose id begins with MG."""
        self._poster = poster
        self._place = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account}"
        self._login = (account, token)
        self._sender = sender

    async def send(self, to: str, text: str) -> Taken:
        """Have it taken. Raises `SmsRejected` at once for a text that no provider takes."""
        if not 0 < len(text.encode("utf-16-le", "replace")) // 2 <= LONGEST:
            raise SmsRejected(_TOO_LONG)
        by = "MessagingServiceSid" if self._sender.startswith("MG") else "From"
        form = urlencode({"To": to, by: self._sender, "Body": text}, errors="replace")
        answer = await self._ask("POST", "/Messages.json", form.encode())
        said = _read(answer)
        if said.get("status") in _LOST:
            raise SmsRejected(_number(said.get("error_code")) or _NO_REASON)
        provider_id = str(said.get("sid", ""))
        known = provider_id if _ID.fullmatch(provider_id) else ""
        return Taken(known, f"{answer.host} has it")

    async def look(self, provider_id: str) -> Whereabouts:
        """Ask for it by its id; of one that it does not know any more it says nothing."""
        answer = await self._given("GET", f"/Messages/{provider_id}.json")
        if answer.status in _FORGOTTEN:
            return Whereabouts(Standing.ON_ITS_WAY)
        said = _read(_taken(answer))
        match said.get("status"):
            case "delivered" | "read":
                return Whereabouts(Standing.DELIVERED)
            case "failed" | "undelivered" | "canceled":
                return Whereabouts(Standing.LOST, _number(said.get("error_code")) or _NO_REASON)
            case _:
                return Whereabouts(Standing.ON_ITS_WAY)

    async def check(self) -> str:
        """Ask for the account, which costs nothing."""
        answer = await self._ask("GET", ".json")
        status = _read(answer).get("status", "active")
        if status != "active":
            raise SmsMisconfigured(f"sms: {answer.host} says that the account is not active")
        return f"{answer.host} knows the account; SMS go out as {self._sender}"

    async def _ask(self, method: str, path: str, content: bytes = b"") -> Download:
        return _taken(await self._given(method, path, content))

    async def _given(self, method: str, path: str, content: bytes = b"") -> Download:
        try:
            return await self._poster.ask(
                f"{self._place}{path}",
                method=method,
                content=content,
                headers=_FORM if content else {},
                login=self._login,
            )
        except PostFailed as error:
            raise SmsTrouble(f"sms: {error}: see STEWARD_SMS__BASE_URL") from error
        except PostUnanswered as error:
            raise SmsUnanswered(f"sms: {error}") from error


def _taken(answer: Download) -> Download:
    if not HTTPStatus.OK <= answer.status < HTTPStatus.MULTIPLE_CHOICES:
        _refuse(answer)
    return answer


def _refuse(answer: Download) -> NoReturn:
    status, who = answer.status, f"sms: {answer.host}"
    if status in _NOT_NOW:
        raise SmsTrouble(f"{who} says {status}: not now", retry_after=answer.retry_after)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise SmsUnanswered(f"{who} failed with {status}")
    if status < HTTPStatus.BAD_REQUEST:
        raise SmsMisconfigured(f"{who} redirects: see STEWARD_SMS__BASE_URL")
    if status in _WRONG_SETTING:
        raise SmsMisconfigured(f"{who} says {status}: {_WRONG_SETTING[HTTPStatus(status)]}")
    raise SmsRejected(_number(_read(answer).get("code")) or status)


def _read(answer: Download) -> dict[str, Any]:
    """What it says, if it says anything that can be read."""
    try:
        said: object = msgspec.json.decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return {}
    return cast("dict[str, Any]", said) if isinstance(said, dict) else {}


def _number(code: object) -> int:
    """A code, as a number or in digits; 0 for what is none."""
    text = str(code)
    return int(text) if _CODE.fullmatch(text) else 0
