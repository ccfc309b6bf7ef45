"""What became of the mail that was waiting, in one mailbox or in several."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum


class SortStatus(StrEnum):
    """How the filing went as a whole."""

    SUCCESS = "success"
    PARTIAL_SUCCESS = "partial_success"


@dataclass(frozen=True, slots=True, kw_only=True)
class MailSorted:
    """What became of the mail that was waiting."""

    status: SortStatus = SortStatus.SUCCESS
    mailboxes: int = 0
    mailboxes_failed: int = 0
    """Those that could not be worked with at all; `errors` says why."""
    processed: int = 0
    categorized: int = 0
    filed: int = 0
    failed: int = 0
    refused: int = 0
    """Mails that their folder did not take, now or within the last hour: they are tried again."""
    notified: int = 0
    """Of how many mails the owner was told: important ones and invitations."""
    told: dict[str, int] = field(default_factory=dict[str, int])
    """What became of that on each channel, such as `sms queued`."""
    categories: dict[str, int] = field(default_factory=dict[str, int])
    priorities: dict[str, int] = field(default_factory=dict[str, int])
    """How much of it should be looked at how soon: high, normal, low."""
    errors: tuple[str, ...] = ()

    def __add__(self, other: "MailSorted") -> "MailSorted":
        is_well = self.status is other.status is SortStatus.SUCCESS
        return MailSorted(
            status=SortStatus.SUCCESS if is_well else SortStatus.PARTIAL_SUCCESS,
            mailboxes=self.mailboxes + other.mailboxes,
            mailboxes_failed=self.mailboxes_failed + other.mailboxes_failed,
            processed=self.processed + other.processed,
            categorized=self.categorized + other.categorized,
            filed=self.filed + other.filed,
            failed=self.failed + other.failed,
            refused=self.refused + other.refused,
            notified=self.notified + other.notified,
            told=dict(Counter(self.told) + Counter(other.told)),
            categories=dict(Counter(self.categories) + Counter(other.categories)),
            priorities=dict(Counter(self.priorities) + Counter(other.priorities)),
            errors=self.errors + other.errors,
        )
