"""Brings something to the web, and says whether it was taken, was not, or may have been.

A POST that was cut off after it began may have been taken, and whether it may go out again is not
for this file to say: `PostFailed` comes before a server had it, `PostUnanswered` after. An answer
counts from its status on; of its body, which is never unpacked, some kilobytes are read, and one
that stays away or never ends changes nothing. Redirects are not followed: what is told to one
address is not for another. Neither a URL nor its password appears in any message.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import anyio
import httpx2

from app.services.download import Download
from app.services.web_guard import Target, WebGuard, certificates, parse_url

_TRIES = 3  # addresses of one host: an IPv6 that leads nowhere, and a broken mirror
_OURS: Final = {"Accept": "*/*", "Accept-Encoding": "identity", "User-Agent": "Steward"}
_NOT_BEGUN = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class PostFailed(ConnectionError):
    """No server was given it."""


class PostUnanswered(ConnectionError):
    """A server was given it, and did not say what it makes of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostLimits:
    """What a post may cost."""

    connect: timedelta = timedelta(seconds=5)
    """For each address of the host, and for finding them."""
    answer: timedelta = timedelta(seconds=20)
    """From the first byte sent to the answer's status."""
    body: timedelta = timedelta(seconds=2)
    """For the answer's body, once the status is known."""
    size: int = 64 * 1024
    """Bytes of the answer that are read."""


USUAL = PostLimits()


class Poster:
    """Posts to what a guard lets through."""

    def __init__(self, guard: WebGuard, limits: PostLimits = USUAL) -> None:
        self._guard = guard
        self._limits = limits

    async def ask(
        self,
        url: str,
        *,
        method: str = "POST",
        content: bytes = b"",
        headers: Mapping[str, str],
        login: tuple[str, str] | None = None,
    ) -> Download:
        """The answer, whatever its status.

        Raises `PostFailed` or `PostUnanswered`, and `AddressRefused` for good.
        """
        target = await self._found(url)
        seconds = self._limits.answer.total_seconds()
        timeout = httpx2.Timeout(seconds, connect=self._limits.connect.total_seconds())
        async with httpx2.AsyncClient(
            trust_env=False, timeout=timeout, verify=certificates()
        ) as client:
            requests = [
                _request(client, method, target, address, content, headers)
                for address in target.pinned[:_TRIES]
            ]
            for request in requests:
                try:
                    return await self._send(client, target, request, login or _login(target))
                except _NOT_BEGUN as error:
                    if request is requests[-1]:
                        said = f"{target.url.host} can't be reached: {_said(error)}"
                        raise PostFailed(said) from error
        raise AssertionError("a target has at least one address")

    async def find(self, url: str) -> str:
        """The host, if it may be reached; connects to nobody. Raises as `ask` does."""
        return (await self._found(url)).url.host

    async def _found(self, url: str) -> Target:
        try:
            with anyio.fail_after(self._limits.connect.total_seconds()):
                return await self._guard.check(url)
        except OSError as error:  # a TimeoutError, too
            said = error.strerror or "its name was not resolved"
            host = parse_url(url).host
            raise PostFailed(f"{host} can't be found: {said}") from error

    async def _send(
        self,
        client: httpx2.AsyncClient,
        target: Target,
        request: httpx2.Request,
        login: tuple[str, str] | None,
    ) -> Download:
        patience = self._limits.connect + self._limits.answer
        try:
            with anyio.fail_after(patience.total_seconds()):
                response = await client.send(
                    request, auth=login, stream=True, follow_redirects=False
                )
        except _NOT_BEGUN:
            raise
        except (httpx2.HTTPError, TimeoutError) as error:
            said = f"{target.url.host} did not answer: {_said(error)}"
            raise PostUnanswered(said) from error
        try:
            body = await self._body(response)
        finally:
            await response.aclose()
        return Download(
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            host=target.url.host,
        )

    async def _body(self, response: httpx2.Response) -> bytes:
        body = bytearray()
        with anyio.move_on_after(self._limits.body.total_seconds()):
            try:
                async for piece in response.aiter_raw():
                    body += piece
                    if len(body) >= self._limits.size:
                        break
            except httpx2.HTTPError:  # the status is what counts
                pass
        return bytes(body[: self._limits.size])


def _request(
    client: httpx2.AsyncClient,
    method: str,
    target: Target,
    address: httpx2.URL,
    content: bytes,
    headers: Mapping[str, str],
) -> httpx2.Request:
    return client.build_request(
        method,
        address,
        content=content,
        headers={**_OURS, **headers, "Host": target.url.netloc.decode("ascii")},
        extensions={"sni_hostname": target.url.raw_host.decode("ascii")},
    )


def _login(target: Target) -> tuple[str, str] | None:
    url = target.url
    return (url.username, url.password) if url.username else None


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
