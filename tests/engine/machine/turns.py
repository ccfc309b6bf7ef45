"""What may happen next, how often, and what is drawn for it.

Hypothesis leaves some rules of a machine out of each example, which finds bugs of few rules. Here
all take part, since nothing happens to a run unless somebody enqueues, claims and commits it: so
the machine has one rule, and that draws a turn.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from hypothesis import strategies as st

F = TypeVar("F", bound=Callable[..., None])


@dataclass(frozen=True, repr=False)
class Turn:
    """One kind of step: the name of its method, when it can be taken, its arguments."""

    name: str
    can_be_taken: Callable[[Any], object]
    draws: Mapping[str, st.SearchStrategy[Any]]

    def __repr__(self) -> str:
        return self.name

    def take(self, machine: object, data: st.DataObject) -> None:
        """Draw what it needs, and take it."""
        drawn = {name: data.draw(each, label=name) for name, each in self.draws.items()}
        getattr(machine, self.name)(**drawn)


TURNS: list[Turn] = []


def _always(_machine: object) -> bool:
    return True


def turn(
    often: int = 1,
    *,
    when: Callable[[Any], object] = _always,
    **draws: st.SearchStrategy[Any],
) -> Callable[[F], F]:
    """Let a method be a turn, `often` times as likely as others."""

    def listed(method: F) -> F:
        TURNS.extend([Turn(method.__name__, when, draws)] * often)
        return method

    return listed


def draw_turn(machine: object, data: st.DataObject) -> Turn:
    """One of those that can be taken now."""
    possible = [each for each in TURNS if each.can_be_taken(machine)]
    return data.draw(st.sampled_from(possible), label="turn")
