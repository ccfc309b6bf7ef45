"""Text without the secrets it may carry: what is logged or printed goes through here.

Messages of libraries quote addresses with their passwords, headers with their tokens. What looks
like one of these is blanked; so is every secret of the settings, wherever it stands. The text may
be anybody's: no pattern looks at a part of it again and again.
"""

import re
from collections.abc import Iterable

_BLANK = "***"
_SHORTEST_SECRET = 4  # characters; blanking shorter ones would blank half of every sentence

_ADDRESS = re.compile(r"://[^\s\"'<>]*")
_PATTERNS = (
    re.compile(
        r"(?P<kept>\bauthorization[\"']?\s*[:=]\s*[\"']?(?:\w+\s+)?)[^\s\"',]+", re.IGNORECASE
    ),
    re.compile(r"(?P<kept>\bbearer\s+)[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(
        r"(?P<kept>(?:passw(?:or)?d|passphrase|secret|token|api[_-]?key|private[_-]?key)[\"']?"
        r"\s*[:=]\s*[\"']?)[^\s\"'&,;]+",
        re.IGNORECASE,
    ),
    re.compile(r"(?P<kept>\bsk-)[\w-]{12,}"),
)


class Redactor:
    """Blanks secrets: these, and whatever looks like one."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        """The longest is blanked first: one may be a part of another."""
        known = {each for each in secrets if len(each) >= _SHORTEST_SECRET}
        self._secrets = sorted(known, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """The text, with `***` in the place of secrets."""
        for secret in self._secrets:
            text = text.replace(secret, _BLANK)
        text = _ADDRESS.sub(_without_login, text)
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<kept>{_BLANK}", text)
        return text


def _without_login(address: re.Match[str]) -> str:
    _, at, place = address[0].rpartition("@")
    return f"://{_BLANK}@{place}" if at else address[0]
