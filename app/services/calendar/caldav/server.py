"""Asks a CalDAV server, through the guard of the web and within limits.

The server is the one that the settings name: it may be at home, and it alone gets the login.
What it says of other hosts is asked without one, over https, and only where the internet is.
"""

from dataclasses import replace
from http import HTTPStatus
from typing import Final

import httpx2

from app.services.calendar.caldav.multistatus import BadAnswer, Multistatus, parse
from app.services.download import (
    USUAL,
    Download,
    Downloader,
    DownloadFailed,
    DownloadLimits,
    Question,
)
from app.services.mirror import RemoteRefused, RemoteUnavailable
from app.services.web_guard import AddressRefused, Resolve, WebGuard, parse_url, resolve

_XML: Final = {"Content-Type": "application/xml; charset=utf-8"}
_NO_ENTRY: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_BROKEN: Final = 500  # and what is above
_SAID_OF_ONE: Final = frozenset({HTTPStatus.NOT_IMPLEMENTED, HTTPStatus.INSUFFICIENT_STORAGE})
"""It does not do that, or has no room for this: the next question may be answered."""
_LABELS: Final = 3  # of a host name such as dav.example.com, whose siblings belong to it


class CalDavServer:
    """One account on one server."""

    def __init__(
        self,
        url: str,
        *,
        username: str = "",
        password: str = "",
        token: str = "",
        limits: DownloadLimits = USUAL,
        resolve: Resolve = resolve,
    ) -> None:
        """`url` may be at home: it is from the settings. Raises `AddressRefused` if it is none.

        A token is shown in place of a name and a password.
        """
        self.url = parse_url(url.strip()).copy_with(username=None, password=None)
        self.host = self.url.host
        self._login = {"username": username, "password": password}
        self._token = token
        self.login = "with a token" if token else f"as {username!a}" if username else ""
        """How it lets us in, without a secret; empty when nobody logs in."""
        guard = WebGuard(trusted=[str(self.url)], resolve=resolve)
        self._downloader = Downloader(guard, limits)

    def join(self, base: str, href: str) -> str:
        """The address that an answer names; raises `RemoteUnavailable` for what is none."""
        try:
            return str(httpx2.URL(base).join(href))
        except (httpx2.InvalidURL, UnicodeError, ValueError) as error:
            raise RemoteUnavailable(f"{self.host} names an address that is none") from error

    def with_login(self, url: str) -> str:
        """The address, and the password in it where it is meant to go."""
        there = parse_url(url)
        if self._login["username"] and self._is_ours(there):
            there = there.copy_with(**self._login)
        return str(there)

    async def find(self, url: str, question: bytes, *, depth: int) -> tuple[str, Multistatus]:
        """Ask for properties; returns the address that answered, too."""
        headers = {**_XML, "Depth": str(depth)}
        answer = await self.ask(url, Question(method="PROPFIND", headers=headers, content=question))
        return answer.url, self.read(answer)

    async def report(self, url: str, question: bytes) -> Download:
        """Ask for a report; whatever the server says to that."""
        headers = {**_XML, "Depth": "1"}
        return await self.ask(url, Question(method="REPORT", headers=headers, content=question))

    async def ask(self, url: str, question: Question) -> Download:
        """Ask anything. Raises `RemoteError` when it is not answered, or not before a wait."""
        try:
            if self._token and self._is_ours(parse_url(url)):
                question = replace(question, bearer=self._token)
            answer = await self._downloader.ask(self.with_login(url), question)
        except AddressRefused as error:
            raise RemoteRefused(str(error)) from error
        except DownloadFailed as error:
            raise RemoteUnavailable(str(error), retry_after=error.retry_after) from error
        if answer.status == HTTPStatus.UNAUTHORIZED:
            what = "token: has it expired?" if self._token else "user name or the password"
            raise RemoteRefused(f"{answer.host} refuses the {what}")
        is_over = answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= _BROKEN
        if is_over and answer.status not in _SAID_OF_ONE:
            said = f"{answer.host} answered {answer.status}"
            raise RemoteUnavailable(said, retry_after=answer.retry_after)
        return answer

    def read(self, answer: Download) -> Multistatus:
        """What it says of many things; raises `RemoteError` if it says no such thing."""
        if answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
            raise RemoteRefused(f"{answer.host} has no such calendar: has its address changed?")
        if answer.status in _NO_ENTRY:
            raise RemoteRefused(f"{answer.host} does not let this user in there")
        if answer.status != HTTPStatus.MULTI_STATUS:
            raise RemoteRefused(
                f"{answer.host} answered {answer.status}: is this the address of a CalDAV server?"
            )
        try:
            return parse(answer.body)
        except BadAnswer as error:
            raise RemoteUnavailable(f"{answer.host}: {error}") from error

    def _is_ours(self, there: httpx2.URL) -> bool:
        """Whether the password is meant for it: the same place, or a sibling over https."""
        ours = (self.url.scheme, self.url.host, self.url.port)
        if (there.scheme, there.host, there.port) == ours:
            return True
        _, dot, family = self.url.host.partition(".")
        is_name = self.url.host.count(".") >= _LABELS - 1 and not family.replace(".", "").isdigit()
        is_safe = there.scheme == self.url.scheme == "https" and there.port == self.url.port
        return is_safe and is_name and there.host.endswith(dot + family)
