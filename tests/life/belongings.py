"""What the test's own process has at a moment: tasks of its loop, and open descriptors."""

import os
from asyncio import Task, all_tasks
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from app.engine import seconds
from tests.eventually import eventually

_DESCRIPTORS = "/dev/fd"
_PYTEST = "TestRunner."  # has a task for each fixture
_SOON = seconds(2)  # for what is closed in the next turns of the loop


@dataclass(frozen=True, slots=True)
class Belongings:
    """At a story's beginning."""

    tasks: frozenset[Task[Any]]
    descriptors: Counter[str]
    """How many lead to each kind of thing; a connection that was made anew is none too many."""

    @classmethod
    def now(cls) -> "Belongings":
        """What there is."""
        return cls(frozenset(all_tasks()), Counter(_kinds()))

    async def left_over(self) -> list[str]:
        """What came since and does not go, in words."""
        with suppress(TimeoutError):
            await eventually(lambda: not self._more(), within=_SOON)
        return self._more()

    def _more(self) -> list[str]:
        now = Belongings.now()
        coroutines = (str(each.get_coro()) for each in now.tasks - self.tasks)
        tasks = [f"task {each}" for each in coroutines if _PYTEST not in each]
        more = (now.descriptors - self.descriptors).items()
        return sorted(tasks) + [f"{count} descriptors of {kind}" for kind, count in sorted(more)]


def _kinds() -> list[str]:
    found = list[str]()
    for each in os.listdir(_DESCRIPTORS):
        with suppress(OSError):  # that with which they are listed is closed by now
            found.append(os.readlink(f"{_DESCRIPTORS}/{each}").partition(":[")[0])
    return found
