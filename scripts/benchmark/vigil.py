"""All contestants wait for something at once, each with a server of its own."""

import time
from collections.abc import Generator, Sequence
from contextlib import ExitStack
from pathlib import Path

from benchmark.contestant import Contestant
from benchmark.failed import Failed
from benchmark.measured import Measured, all_failed
from benchmark.progress import say, say_what
from benchmark.server import Server
from benchmark.sizes import Sizes
from benchmark.workload import Wait

_LOOK = 0.02  # s between two looks at all of them

Waiting = Generator[None, None, Measured]


def keep_vigil(
    wait: Wait, contestants: Sequence[Contestant], *, binary: Path, sizes: Sizes
) -> dict[str, Measured]:
    """What the contestants showed, by their titles."""
    say(f"{wait.name}: all wait at once, for up to {sizes.crash:.0f} s")
    found = dict[str, Measured]()
    with ExitStack() as stack:
        waiting = dict[str, Waiting]()
        for each in contestants:
            server = stack.enter_context(Server(binary))
            waiting[each.about.title] = wait.begin(each, server, sizes)
            stack.callback(waiting[each.about.title].close)
        while left := [title for title in waiting if title not in found]:
            for title in left:
                if over := _look(waiting[title], wait.rows(sizes)):
                    say_what(f"{wait.name} {title}", over)
                    found[title] = over
            time.sleep(_LOOK)
    return found


def _look(waiting: Waiting, rows: Sequence[str]) -> Measured | None:
    """What came of it; None while it goes on."""
    try:
        next(waiting)
    except StopIteration as over:
        measured: Measured = over.value
        return measured
    except Failed as error:
        return all_failed(rows, error)
    return None
