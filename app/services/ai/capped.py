"""An HTTP transport that takes no more from a server than an answer can need.

The size is counted as it arrives; a compressed answer, which may be anything once unpacked, was
not asked for and is refused.
"""

from collections.abc import AsyncIterator
from typing import Final

import httpx2

LARGEST: Final = 2 * 1024 * 1024  # bytes: some hundred times what a model writes


class TooLong(httpx2.ReadError):
    """The answer is longer than any answer may be, or is packed."""


class CappedTransport(httpx2.AsyncBaseTransport):
    """Hands requests on, and cuts answers off."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, *, largest: int = LARGEST) -> None:
        self._inner = inner
        self._largest = largest

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Ask, and answer with a body of at most so many bytes."""
        request.headers["Accept-Encoding"] = "identity"
        response = await self._inner.handle_async_request(request)
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            await response.aclose()
            raise TooLong("the answer is packed, which was not asked for", request=request)
        stream = response.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        response.stream = _Capped(stream, request, self._largest)
        return response

    async def aclose(self) -> None:
        """Close what is behind it."""
        await self._inner.aclose()


class _Capped(httpx2.AsyncByteStream):
    def __init__(
        self, inner: httpx2.AsyncByteStream, request: httpx2.Request, largest: int
    ) -> None:
        self._inner = inner
        self._request = request
        self._left = largest

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            self._left -= len(part)
            if self._left < 0:
                raise TooLong("the answer does not end", request=self._request)
            yield part

    async def aclose(self) -> None:
        await self._inner.aclose()
