"""How many jobs a burst may run: `max_burst_jobs`, as the limit of the queue that is asked."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Allowance(Mapping[str, int]):
    """A limit that falls with every run that is over, so that no more than `most` are begun."""

    queue: str
    most: int
    over: Callable[[], int]
    """Tells how many are over."""

    def __getitem__(self, queue: str) -> int:
        """How many may be at work now, besides those that are over."""
        if queue != self.queue:
            raise KeyError(queue)
        return self.most - self.over()

    def __iter__(self) -> Iterator[str]:
        yield self.queue

    def __len__(self) -> int:
        return 1
