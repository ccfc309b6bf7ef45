"""Notion's answers and refusals, in our words; the client library speaks its protocol.

The library's own retries are off. Notion says 429 and how long to wait: a short wait is waited for
here, a long one ends the sync, and the engine leaves Notion alone for that long. What was refused
before anything happened (429, 409) is asked again; what may have happened (a timeout, 5xx) is asked
again only where that does no harm.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, cast

import anyio

from app.services.mirror import BadItem, Gone, RemoteRefused, RemoteUnavailable

if TYPE_CHECKING:
    from notion_client import AsyncClient

_SECONDS: Final = 30.0  # for one answer
_PATIENCE: Final = 60.0  # s of waiting in one sync, all waits together
_LONG: Final = 20.0  # s; whoever asks for more is left alone
_TRIES: Final = 3
_PAUSE: Final = 0.2  # s before what broke is asked again
_BROKEN: Final = 500

Ask = Callable[["AsyncClient"], Any]


class NotionApi:
    """One account. Use it as a context: the connections are closed at its end."""

    def __init__(self, token: str, *, address: str) -> None:
        self._token = token
        self._address = address.rstrip("/")
        self._patience = _PATIENCE
        self._client: AsyncClient | None = None

    async def __aenter__(self) -> "NotionApi":
        import httpx
        from notion_client import AsyncClient

        self._client = AsyncClient(
            auth=self._token,
            base_url=self._address,
            retry=False,
            timeout_ms=int(_SECONDS * 1000),
            logger=logging.getLogger(f"{__name__}.client"),
            log_level=logging.CRITICAL,  # what fails is told in our words
            client=httpx.AsyncClient(trust_env=False),
        )
        self._patience = _PATIENCE
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None

    async def ask(self, what: Ask, *, is_repeatable: bool = True) -> Mapping[str, Any]:
        """The answer. Raises `BadItem` and `Gone` for what was asked for, or `RemoteError`.

        With `is_repeatable` unset it is not asked again when it may have happened.
        """
        for attempt in range(1, _TRIES + 1):
            try:
                return await self._once(what)
            except _Refusal as refusal:
                is_last = attempt == _TRIES
                wait = refusal.wait(is_repeatable=is_repeatable)
                if wait is None or is_last or not self._may_wait(wait):
                    raise refusal.told(wait) from refusal
                await anyio.sleep(wait)
        raise AssertionError("the last try returns or raises")

    def _may_wait(self, wait: float) -> bool:
        self._patience -= wait
        return wait <= _LONG and self._patience > 0

    async def _once(self, what: Ask) -> Mapping[str, Any]:
        import httpx
        from notion_client.errors import HTTPResponseError, RequestTimeoutError

        assert self._client is not None
        try:
            with anyio.fail_after(_SECONDS):
                answer = await what(self._client)
        except HTTPResponseError as error:
            asked = error.headers.get("retry-after", "")
            raise _Refusal(error.status, str(error.code), str(error), asked) from error
        except (RequestTimeoutError, TimeoutError) as error:
            raise _Refusal(0, "timeout", "Notion does not answer", "") from error
        except (httpx.HTTPError, ValueError) as error:
            raise _Refusal(0, "network", f"Notion can't be reached: {error}", "") from error
        if not isinstance(answer, dict):
            raise RemoteUnavailable("Notion answers something else than Notion does")
        return cast("Mapping[str, Any]", answer)


class _Refusal(Exception):
    """Notion did not do what it was asked to."""

    def __init__(self, status: int, code: str, message: str, retry_after: str) -> None:
        super().__init__(message)
        self._status = status
        self._code = code.rpartition(".")[2]
        self._asked = float(retry_after) if retry_after.isdecimal() else None

    def wait(self, *, is_repeatable: bool) -> float | None:
        """How long to wait before it is asked again; None if that is of no use."""
        match self._status:
            case HTTPStatus.TOO_MANY_REQUESTS:
                return 1.0 if self._asked is None else self._asked
            case HTTPStatus.CONFLICT:
                return _PAUSE
            case status if status >= _BROKEN or status == 0:
                return max(_PAUSE, self._asked or 0) if is_repeatable else None
            case _:
                return None

    def told(self, wait: float | None) -> Exception:
        """What it means for the sync."""
        match self._status:
            case HTTPStatus.UNAUTHORIZED:
                return RemoteRefused("Notion refuses the token")
            case HTTPStatus.TOO_MANY_REQUESTS:
                asked = timedelta(seconds=wait or 0)
                said = f"Notion asks to be left alone for {asked.total_seconds():g} s"
                return RemoteUnavailable(said, retry_after=asked)
            case 0:
                return RemoteUnavailable(str(self))
            case HTTPStatus.NOT_FOUND:
                return Gone("it is not there, or not shared with the integration")
            case _:
                return BadItem(f"Notion answered {self._status}: {self}")
