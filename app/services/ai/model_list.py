"""Asks a provider for the list of its models: that is free, and tells whether it takes the key.

What is in the list is not looked at: names in it are often longer than the one that is asked for,
and aliases are missing. A provider without a list is there, and that is all that can be known.
"""

from http import HTTPStatus
from typing import Final

import anyio
import httpx2

from app.services.ai.account import Account
from app.services.ai.capped import CappedTransport
from app.services.ai.errors import AssistantError, AssistantUnavailable, KeyRefused

_NO_KEY: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
_NO_LIST: Final = (
    HTTPStatus.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED,
    HTTPStatus.NOT_IMPLEMENTED,
)


async def list_models(account: Account) -> None:
    """Raises `KeyRefused`, or `AssistantError` where there is no provider of the kind."""
    headers = {"Authorization": f"Bearer {account.key}"} if account.key else {}
    url, seconds = f"{account.base_url.rstrip('/')}/models", account.timeout.total_seconds()
    try:
        with anyio.fail_after(seconds):
            async with httpx2.AsyncClient(
                transport=CappedTransport(httpx2.AsyncHTTPTransport()),
                trust_env=False,
                follow_redirects=False,
                timeout=seconds,
            ) as http:
                answer = await http.get(url, headers=headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, TimeoutError):
        raise AssistantUnavailable("the provider can't be reached, or broke off") from None
    _judge(answer.status_code)


def _judge(status: int) -> None:
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES or status in _NO_LIST:
        return
    if status in _NO_KEY:
        raise KeyRefused(f"the provider refuses the key ({status})")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise AssistantUnavailable(f"the provider is in trouble, or asks to wait ({status})")
    raise AssistantError(f"that is no provider of the kind ({status})")
