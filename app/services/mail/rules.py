"""Where incoming mail is filed, and why: the first rule that fits.

Rules look at what senders' machines say in the header, and at a few words of the subject. A
stranger can thus choose the folder their mail lands in, and nothing else.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from app.services.mail.letter import Letter


class Priority(StrEnum):
    """How soon somebody should look at it."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Category(StrEnum):
    """What kind of mail it is; the folder it is filed in has the same name."""

    INVITATIONS = "invitations"
    RECEIPTS = "receipts"
    NEWSLETTERS = "newsletters"
    IMPORTANT = "important"
    PERSONAL = "personal"

    @property
    def priority(self) -> Priority:
        """How soon somebody should look at mail of this kind."""
        return _PRIORITIES.get(self, Priority.NORMAL)


_PRIORITIES = {
    Category.IMPORTANT: Priority.HIGH,
    Category.INVITATIONS: Priority.HIGH,
    Category.NEWSLETTERS: Priority.LOW,
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A mail's category, and the rule that put it there."""

    category: Category
    reason: str


@dataclass(frozen=True, slots=True)
class Rule:
    """Puts the mail it fits into a category."""

    category: Category
    reason: str
    fits: Callable[[Letter], bool]


_BULK = frozenset({"bulk", "list", "junk"})
_RECEIPT = re.compile(r"\b(receipt|invoice|order confirmation|payment received|rechnung)\b", re.I)
_URGENT = re.compile(r"\b(urgent|asap|action required|dringend)\b", re.I)


def _field(letter: Letter, name: str) -> str:
    return letter.headers.get(name, "").lower()


RULES = (
    Rule(Category.INVITATIONS, "it holds a calendar entry", lambda mail: mail.has_invitation),
    Rule(
        Category.RECEIPTS,
        "its subject speaks of a receipt or an invoice",
        lambda mail: _RECEIPT.search(mail.subject) is not None,
    ),
    Rule(
        Category.NEWSLETTERS,
        "it says how to unsubscribe",
        lambda mail: bool(_field(mail, "list-unsubscribe") or _field(mail, "list-id")),
    ),
    Rule(
        Category.NEWSLETTERS,
        "it says it is bulk mail",
        lambda mail: _field(mail, "precedence") in _BULK,
    ),
    Rule(
        Category.IMPORTANT,
        "its sender marked it as important",
        lambda mail: (
            _field(mail, "importance") == "high"
            or _field(mail, "priority") == "urgent"
            or _field(mail, "x-priority")[:1] in {"1", "2"}
        ),
    ),
    Rule(
        Category.IMPORTANT,
        "its subject says it is urgent",
        lambda mail: _URGENT.search(mail.subject) is not None,
    ),
)


def categorize(letter: Letter) -> Verdict:
    """The category of the first rule that fits; personal when none does."""
    for rule in RULES:
        if rule.fits(letter):
            return Verdict(rule.category, rule.reason)
    return Verdict(Category.PERSONAL, "no rule fits it")
