"""What comes over one connection to a server, and how much of it is taken.

imaplib believes a server: it reads as much as was announced. Here an announced length has a limit,
and so has all that one command may be answered with.
"""

import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass

from imapclient.imap4 import IMAP4WithTimeout

LARGEST_LITERAL = 2_097_152  # bytes; we ask for the first megabyte of a mail, and never for more
MOST_BYTES = 33_554_432  # bytes that one command may be answered with


@dataclass(slots=True)
class Line:
    """The connection, as soon as there is one, so that whoever is tired of waiting can cut it."""

    timeout: float
    trust: ssl.SSLContext | None
    """What a server has to show for TLS from the start; None for a plain connection."""
    open: socket.socket | None = None
    left: int = MOST_BYTES

    def begin(self) -> None:
        """Another command: it may be answered at length again."""
        self.left = MOST_BYTES

    def cut(self) -> None:
        """End it at once, whoever is reading; safe from any thread."""
        if self.open is not None:
            with suppress(OSError):
                self.open.shutdown(socket.SHUT_RDWR)


class Imap(IMAP4WithTimeout):
    """The protocol, over a `Line`."""

    def __init__(self, host: str, port: int, line: Line) -> None:
        self._line = line
        super().__init__(host, port, line.timeout)

    def _create_socket(self, timeout: float | None = None) -> socket.socket:
        del timeout  # the line's
        line = self._line
        line.open = socket.create_connection((self.host, self.port), line.timeout)
        if line.trust is not None:
            line.open = line.trust.wrap_socket(line.open, server_hostname=self.host)
        return line.open

    def read(self, size: int) -> bytes:
        """As many bytes as were announced, if that is not too much."""
        if size > LARGEST_LITERAL:
            raise self.abort(f"it announces {size} bytes at once")
        self._take(size)
        return super().read(size)

    def readline(self) -> bytes:
        """One line; imaplib has a limit for it."""
        line = super().readline()
        self._take(len(line))
        return line

    def _take(self, size: int) -> None:
        self._line.left -= size
        if self._line.left < 0:
            raise self.abort(f"it answers with more than {MOST_BYTES} bytes")
