"""Mails that the folder they belong into did not take: they stay, and are tried again later.

It is known in this process alone: another one tries them once more, which does no harm.
"""

from datetime import datetime, timedelta

_LATER = timedelta(hours=1)
_NAMED = 5  # mails in one line; the others are counted


class Refused:
    """Those of one mailbox."""

    def __init__(self) -> None:
        self._mails = dict[tuple[str, str], tuple[datetime, str]]()

    def __len__(self) -> int:
        return len(self._mails)

    def note(self, epoch: str, name: str, reason: object, *, now: datetime) -> None:
        """Leave this mail alone for a while."""
        self._mails[epoch, name] = (now + _LATER, str(reason))

    def left_alone(self, epoch: str, *, now: datetime) -> frozenset[str]:
        """The names of those that it is too early for; the others are forgotten."""
        kept = {k: v for k, v in self._mails.items() if k[0] == epoch and v[0] > now}
        self._mails = kept
        return frozenset(name for _, name in kept)

    def lines(self) -> tuple[str, ...]:
        """A line for each reason, with the names of some of its mails."""
        found = dict[str, list[str]]()
        for (_, name), (_, reason) in self._mails.items():
            found.setdefault(reason, []).append(name)
        return tuple(_line(reason, names) for reason, names in sorted(found.items()))


def _line(reason: str, names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    which = f"{', '.join(names[:_NAMED])}{more}"
    return f"{reason}; left where they are, and tried again in an hour: mail {which}"
