"""Fetches something from the web, for at most so much time and so many bytes.

The size is counted after decompression: 200 kB of gzip can hold 200 MB. Every redirect is checked
like the first address. Neither a URL nor its password appears in any message: a feed's URL often is
its secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

import anyio
import httpx2

from app.services.web_guard import AddressRefused, Target, WebGuard, certificates, parse_url

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRIES = 3  # addresses of one host: an IPv6 that leads nowhere, and a broken mirror

_OURS: Final = {"Accept": "*/*", "Accept-Encoding": "gzip", "User-Agent": "Steward"}
_NOBODY: Final = {"username": None, "password": None}
_LONGEST_WAIT = 86_400.0  # s; a Retry-After of a year is a mistake


class DownloadFailed(ConnectionError):
    """It could not be fetched this time; `retry_after` is what the server asks for, if it does."""

    def __init__(self, message: str, *, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadLimits:
    """What a download may cost."""

    size: int = 10 * 1024**2
    """Bytes after decompression: a calendar of thirty years has five million."""
    time: timedelta = timedelta(seconds=30)
    """From the first look-up to the last byte, redirects included."""
    redirects: int = 5


USUAL = DownloadLimits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """What a server answered, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    host: str
    """Who answered in the end."""
    url: str = field(default="", repr=False)
    """Which address did, without a login."""

    @property
    def retry_after(self) -> timedelta | None:
        """How long the server asks to be left alone."""
        return _span(self.headers.get("retry-after", ""))


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a server is asked; redirected it is asked the same elsewhere."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    content: bytes = b""
    bearer: str = field(default="", repr=False)
    """A token that goes to the first address, and along no redirect that leads elsewhere."""


class Downloader:
    """Fetches what a guard lets through."""

    def __init__(self, guard: WebGuard, limits: DownloadLimits = USUAL) -> None:
        self._guard = guard
        self._limits = limits

    async def get(self, url: str, headers: Mapping[str, str]) -> Download:
        """The answer after redirects. Raises `DownloadFailed`, or `AddressRefused` for good."""
        return await self.ask(url, Question(headers=headers))

    async def ask(self, url: str, question: Question) -> Download:
        """The answer to any question, after redirects; raises the same."""
        seconds = self._limits.time.total_seconds()
        try:
            with anyio.fail_after(seconds):
                async with httpx2.AsyncClient(
                    trust_env=False, timeout=seconds, verify=certificates()
                ) as client:
                    return await self._follow(client, url, question)
        except TimeoutError as error:
            raise DownloadFailed(f"it took longer than {seconds:g} s") from error

    async def _follow(self, client: httpx2.AsyncClient, url: str, question: Question) -> Download:
        first = current = parse_url(url)
        for _ in range(self._limits.redirects + 1):
            answer = await self._ask(client, current, question)
            if answer.status not in _REDIRECTS or "location" not in answer.headers:
                return answer
            current = _next(first, current, answer.headers["location"])
            if not _is_home(current, first):
                question = replace(question, bearer="")
        raise DownloadFailed(f"it was redirected more than {self._limits.redirects} times")

    async def _ask(
        self, client: httpx2.AsyncClient, url: httpx2.URL, question: Question
    ) -> Download:
        try:
            target = await self._guard.check(str(url))
        except OSError as error:
            raise DownloadFailed(f"{url.host} can't be found: {error.strerror or error}") from error
        pinned = target.pinned[:_TRIES]
        for address in pinned:
            try:
                return await self._read(client, target, address, question)
            except httpx2.ConnectError as error:
                if address == pinned[-1]:
                    raise DownloadFailed(f"{url.host} can't be reached: {error}") from error
            except httpx2.HTTPError as error:
                raise DownloadFailed(f"{url.host}: {_said(error)}") from error
        raise AssertionError("a target has at least one address")

    async def _read(
        self,
        client: httpx2.AsyncClient,
        target: Target,
        address: httpx2.URL,
        question: Question,
    ) -> Download:
        bearer = {"Authorization": f"Bearer {question.bearer}"} if question.bearer else {}
        host = {"Host": target.url.netloc.decode("ascii")}
        request = client.build_request(
            question.method,
            address,
            content=question.content or None,
            headers={**_OURS, **question.headers, **bearer, **host},
            extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
        )
        login = (target.url.username, target.url.password) if target.url.username else None
        response = await client.send(request, auth=login, stream=True, follow_redirects=False)
        try:
            body = b"" if response.status_code in _REDIRECTS else await self._body(response)
        finally:
            await response.aclose()
        return Download(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            host=target.url.host,
            url=str(target.url.copy_with(**_NOBODY)),
        )

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > self._limits.size:
                raise DownloadFailed(f"it is larger than {self._limits.size // 1024} kB")
        return bytes(body)


def _next(first: httpx2.URL, current: httpx2.URL, location: str) -> httpx2.URL:
    """Where a redirect leads; the password goes along only to where it was meant for."""
    try:
        there = current.join(location)
    except (httpx2.InvalidURL, UnicodeError) as error:
        raise AddressRefused(f"{current.host} redirects to what is no web address") from error
    if current.scheme == "https" and there.scheme == "http":
        raise AddressRefused(f"{current.host} redirects from https to http")
    login = {"username": first.username, "password": first.password}
    return there.copy_with(**(login if _is_home(there, first) else _NOBODY))


def _is_home(there: httpx2.URL, first: httpx2.URL) -> bool:
    return (there.scheme, there.host, there.port) == (first.scheme, first.host, first.port)


def _said(error: httpx2.HTTPError) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _span(retry_after: str) -> timedelta | None:
    """Retry-After in either of its forms, up to a day; None for what is neither."""
    try:
        seconds = float(retry_after) if retry_after.isdigit() else _until(retry_after)
    except (TypeError, ValueError):
        return None
    return timedelta(seconds=min(max(seconds, 0.0), _LONGEST_WAIT))


def _until(date: str) -> float:
    moment = parsedate_to_datetime(date)
    return (moment.astimezone(UTC) - datetime.now(UTC)).total_seconds()
