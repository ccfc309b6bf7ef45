"""What jobs are promised beside being done: room for only so many, and steps that are kept."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator

from tests.life.attempts import Attempt
from tests.life.ledger import Line

EFFECT = "effect"
"""What a job writes when it does what must happen once. The line has a key, and so has its last."""

STEPPED = "stepped"
"""What a job writes after each step: the key is the step's name and what it got from it."""


def place(room: int, name: str) -> str:
    """What an attempt writes as it begins that only so many may be at work on at once."""
    return f"{room} at {name}"


def crowded(attempts: Iterable[Attempt], has_expired: Callable[[Attempt], bool]) -> Iterator[str]:
    """The places in which more were at work at once than there is room for.

    An attempt whose lease expired has no place any more, however long its process lives.
    """
    moments = defaultdict[str, list[tuple[float, int]]](list)
    for each in attempts:
        if each.place and each.gone is not None and not has_expired(each):
            moments[each.place] += [(each.begun, 1), (each.gone, -1)]
    for name, changes in moments.items():
        most = at_work = 0
        for _, change in sorted(changes):
            at_work += change
            most = max(most, at_work)
        if most > int(name.partition(" ")[0]):
            yield f"{most} were at work at once where there is room for {name}"


def taken_again(lines: Iterable[Line]) -> Iterator[str]:
    """The steps that were taken again after an attempt had gone on from them."""
    found = dict[tuple[str, str], str]()
    for line in lines:
        if line.what == STEPPED:
            name, _, got = line.key.partition(" ")
            if found.setdefault((line.run, name), got) != got:
                yield f"step {name} of run {line.run} was taken again after it was done"
