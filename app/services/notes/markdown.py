"""What lies in the folder of notes: a Markdown file a note, its name being the title."""

from hashlib import sha256
from typing import Final

from app.services.mirror import BadItem

_LONGEST: Final = 400_000  # bytes; a request to Notion may have half a million


class MarkdownFormat:
    """Tells apart what people see apart: not blank lines, nor blanks at the end of a line."""

    suffix = ".md"

    def digest(self, data: bytes) -> str:
        """Of the lines that have something in them."""
        lines = (line.rstrip() for line in data.removeprefix(b"\xef\xbb\xbf").splitlines())
        return sha256(b"\n".join(filter(None, lines))).hexdigest()

    def check(self, data: bytes) -> None:
        """Refuse what is no text, or more than a page."""
        if len(data) > _LONGEST:
            raise BadItem(f"it is larger than {_LONGEST // 1000} kB, which Notion does not take")
        try:
            data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise BadItem("it is not text in UTF-8") from error

    def copied(self, data: bytes) -> bytes:
        """The same: its name is another."""
        return data
