"""What has to happen to one thing, by what became of it on either side.

Alike on both sides nothing happens, and what changed on one side goes to the other. Of a change
and a removal the change wins. Two changes are compared.
"""

from enum import StrEnum
from typing import Final


class Side(StrEnum):
    """What became of a thing on one side; what was not known before is changed, or absent."""

    AS_KNOWN = "as_known"
    CHANGED = "changed"
    ABSENT = "absent"


class Action(StrEnum):
    """What has to happen."""

    NOTHING = "nothing"
    FETCH = "fetch"
    SEND = "send"
    REMOVE_HERE = "remove_here"
    REMOVE_THERE = "remove_there"
    COMPARE = "compare"
    """Both were changed: alike they are linked, otherwise it is a conflict."""
    FORGET = "forget"


_ACTIONS: Final = {
    (Side.AS_KNOWN, Side.AS_KNOWN): Action.NOTHING,
    (Side.AS_KNOWN, Side.CHANGED): Action.FETCH,
    (Side.AS_KNOWN, Side.ABSENT): Action.REMOVE_HERE,
    (Side.CHANGED, Side.AS_KNOWN): Action.SEND,
    (Side.CHANGED, Side.CHANGED): Action.COMPARE,
    (Side.CHANGED, Side.ABSENT): Action.SEND,
    (Side.ABSENT, Side.AS_KNOWN): Action.REMOVE_THERE,
    (Side.ABSENT, Side.CHANGED): Action.FETCH,
    (Side.ABSENT, Side.ABSENT): Action.FORGET,
}


def decide(here: Side, there: Side) -> Action:
    """What has to happen to a thing."""
    return _ACTIONS[here, there]
