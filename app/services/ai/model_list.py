"""Asks a provider for the list of its models: that is free, and tells whether it takes the key.

That a name is not in the list means little: those in it are often longer, and aliases are missing.
So it is asked for by itself then, and unknown only where the provider says just that. One without a
list is there, and that is all that can be known.
"""

from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import anyio
import httpx2
import msgspec

from app.services.ai.account import Account
from app.services.ai.capped import CappedTransport
from app.services.ai.errors import (
    AssistantError,
    AssistantUnavailable,
    KeyRefused,
    UnknownModel,
)

_NO_KEY: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NO_LIST: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
)


class _Model(msgspec.Struct):
    id: str


class _List(msgspec.Struct):
    data: list[_Model]


class _Error(msgspec.Struct):
    code: str | int | None = None


class _Refusal(msgspec.Struct):
    error: _Error


async def list_models(account: Account) -> None:
    """Raises `KeyRefused`, `UnknownModel`, or `AssistantError` where there is no such provider."""
    headers = {"Authorization": f"Bearer {account.key}"} if account.key else {}
    url, seconds = f"{account.base_url.rstrip('/')}/models", account.timeout.total_seconds()
    try:
        with anyio.fail_after(seconds):
            async with httpx2.AsyncClient(
                transport=CappedTransport(httpx2.AsyncHTTPTransport()),
                trust_env=False,
                follow_redirects=False,
                timeout=seconds,
                headers=headers,
            ) as http:
                answer = await http.get(url)
                _judge(answer.status_code)
                listed = _listed(answer.content)
                if listed and account.model not in listed:
                    _look_at(await http.get(f"{url}/{quote(account.model)}"), account.model)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
        raise AssistantUnavailable("the provider can't be reached, or broke off") from None


def _listed(body: bytes) -> frozenset[str]:
    try:
        return frozenset(each.id for each in msgspec.json.decode(body, type=_List).data)
    except msgspec.DecodeError:
        return frozenset()


def _look_at(answer: httpx2.Response, model: str) -> None:
    """Raise `UnknownModel` where the answer says that; another says nothing of the model."""
    try:
        code = msgspec.json.decode(answer.content, type=_Refusal).error.code
    except msgspec.DecodeError:
        return
    if answer.status_code == HTTPStatus.NOT_FOUND and code == "model_not_found":
        raise UnknownModel(f"there is no such model at the provider's address: {model!a}")


def _judge(status: int) -> None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status in _NO_LIST:
        return
    if status in _NO_KEY:
        raise KeyRefused(f"the provider refuses the key ({status})")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AssistantUnavailable(f"the provider is in trouble, or asks to wait ({status})")
    raise AssistantError(f"that is no provider of the kind ({status})")
