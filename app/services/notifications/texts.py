"""A notification in the words of each channel, and within what each takes.

    in the application   10,000 characters       mail    the same, the title as its subject
    SMS                  1,500 of 1,600; 500 of what the assistant wrote
    Slack                4,000                   webhook 4,000, as JSON

What is longer is cut, and ends with a mark that says so.
"""

import json
from datetime import datetime
from enum import StrEnum
from typing import Final

from app.services.mail.message import LONGEST_SUBJECT, is_control

LONGEST_BODY: Final = 10_000
"""Characters of a notice; whoever has more to say says where it is."""
LONGEST_SMS: Final = 1_500
"""Characters; a provider refuses 1,601, and the mark of a cut comes on top."""
LONGEST_AI_SMS: Final = 500
"""Characters of what the assistant wrote: each 153 of an SMS cost as much as one."""
LONGEST_SLACK: Final = 4_000
"""Characters; Slack cuts at 40,000, and a character may be written as five."""
LONGEST_WEBHOOK: Final = 4_000
"""Characters; with four bytes each it is below the 20 kB that receivers expect."""
_CUT: Final = " [...]"  # what every phone can show


class Kind(StrEnum):
    """What a notification is about, for whoever sees it to tell at a glance."""

    INFO = "info"
    SUCCESS = "success"
    FAILED = "failed"


_HEADS = {Kind.INFO: "", Kind.SUCCESS: "Done: ", Kind.FAILED: "Failed: "}
_SIGNS = {
    Kind.INFO: ":information_source:",
    Kind.SUCCESS: ":white_check_mark:",
    Kind.FAILED: ":x:",
}


def headline(title: str, kind: Kind = Kind.INFO) -> str:
    """The title on one line without control characters, short enough for a subject."""
    words = "".join(" " if is_control(c) else c for c in title).split()
    return cut(_HEADS[kind] + (" ".join(words) or "(no title)"), LONGEST_SUBJECT)


def body_text(body: str) -> str:
    """The body without control characters other than tabs and line ends."""
    return cut("".join(c for c in body if c in "\n\t" or not is_control(c)), LONGEST_BODY)


def sms_text(title: str, body: str, *, is_ai: bool = False) -> str:
    """Both, as short as an SMS has to be; counted as a provider counts."""
    if is_ai:
        body = _marked(body, LONGEST_AI_SMS)
    return _marked(f"{title}\n{body}".rstrip(), LONGEST_SMS)


def slack_text(title: str, body: str, kind: Kind) -> str:
    """Both in Slack's own marks; what they bring along calls nobody and links nowhere."""
    bare = _marked(f"{title}\n{body}".rstrip(), LONGEST_SLACK)
    first, _, rest = _harmless(bare).partition("\n")
    return f"{_SIGNS[kind]} *{first}*\n{rest}".rstrip()


def webhook_json(title: str, body: str, kind: Kind, *, at: datetime, user_id: int) -> str:
    """Both as JSON: what it is, when, and about whom."""
    data = {"user_id": user_id, "title": title, "body": _marked(body, LONGEST_WEBHOOK)}
    said = {"type": f"notification.{kind}", "timestamp": at.isoformat(), "data": data}
    return json.dumps(said, ensure_ascii=False)


def cut(text: str, longest: int) -> str:
    """Its beginning, with an ellipsis in the last place if that is not all."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def units(text: str) -> int:
    """How long a provider of SMS says it is: what is outside of the first plane counts twice."""
    return len(text) + sum(c > "\uffff" for c in text)


def _marked(text: str, longest: int) -> str:
    if units(text) <= longest:
        return text
    kept = text[:longest]
    while units(kept) > longest:
        kept = kept[: len(kept) - max(1, (units(kept) - longest) // 2)]
    return kept.rstrip() + _CUT


def _harmless(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
