"""An effect on the world outside, written down so that it happens once.

    absent ──begun──> BEGUN ──the act returned──> DONE       its result is kept: never again
       ^                │
       │                └──nobody can tell──> IN_DOUBT ──a person: it was done──> SETTLED
       └──────── it did not happen ──────────────┘ a person: it was not

It is written down before the act begins and again when that has returned. An attempt that finds it
begun by somebody else comes after a crash, or after an act that was cut off: the mail may have gone
out, or not. `REPEAT` then does it again (at least once). `ASK` leaves it in doubt, for a person to
say (at most once). Each beginning has a mark of its own, so whoever began and was then overtaken
changes nothing any more; and while nobody has decided, the one who began may still say how it went.

All of this is decided here, and written by a `Ledger`, which only compares and replaces.
"""

from enum import StrEnum

import msgspec

from app.engine.clock import Moment


class InDoubt(StrEnum):
    """What to do when nobody can tell whether an effect happened."""

    ASK = "ask"
    """Never twice: the run ends as a dead letter, until a person has said whether it happened."""
    REPEAT = "repeat"
    """Never not at all: do it again. For what does no harm twice."""


ASK, REPEAT = InDoubt.ASK, InDoubt.REPEAT


class EffectState(StrEnum):
    """How far an effect has come; one that was never begun, or did not happen, is absent."""

    BEGUN = "begun"
    DONE = "done"
    IN_DOUBT = "in_doubt"
    SETTLED = "settled"
    """A person says that it was done; its result is not known."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where an effect is written down: under its name in one run, or in one place for all."""

    run_id: str
    origin: str
    """The same for a run and for those that go on with it as its dead letter's replays."""
    name: str
    is_shared: bool = False
    """Whether the name means the same effect in whatever run."""

    @property
    def key(self) -> str:
        """The place in one word; no run's origin is empty, so the two kinds never meet."""
        return f"/{self.name}" if self.is_shared else f"{self.origin}/{self.name}"


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What is written down of an effect."""

    place: Place
    state: EffectState
    by: str
    """The mark of this beginning; no two have the same."""
    job: str
    attempt: int
    worker: str
    since: Moment
    """When it was begun, in ms."""
    asks: bool = False
    """Whether it is in doubt when it was begun by an attempt that is gone."""
    result: bytes = b""


def is_same(one: Effect | None, other: Effect | None) -> bool:
    """Whether both say the same: a state, by whom, and for which run."""
    if one is None or other is None:
        return one is other
    ours, theirs = (one.state, one.by), (other.state, other.by)
    return ours == theirs and one.place.run_id == other.place.run_id


def begun(found: Effect | None, mine: Effect, in_doubt: InDoubt) -> Effect:
    """What stands there after `mine` wanted to begin: itself, if the act may go on."""
    if found is None or is_same(found, mine):
        return mine
    here = msgspec.structs.replace(found, place=mine.place)  # it lives as long as the latest run
    if found.state in (EffectState.DONE, EffectState.SETTLED):
        return here
    return mine if in_doubt is REPEAT else doubted(here)


def doubted(found: Effect) -> Effect:
    """The same, for a person to look at."""
    return msgspec.structs.replace(found, state=EffectState.IN_DOUBT)


def ended(found: Effect | None, mine: Effect, then: Effect | None) -> Effect | None:
    """What stands there after the one who began `mine` says how it went: `then`, if it may."""
    is_open = found is not None and found.state in (EffectState.BEGUN, EffectState.IN_DOUBT)
    return then if is_open and found is not None and found.by == mine.by else found


def settled(found: Effect | None, *, happened: bool) -> Effect | None:
    """What stands there after a person has said whether it happened; only a doubt is settled."""
    if found is None or found.state is not EffectState.IN_DOUBT:
        return found
    return msgspec.structs.replace(found, state=EffectState.SETTLED) if happened else None
