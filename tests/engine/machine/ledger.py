"""What the books of runs should hold, and the marks of relays: the model's part of both."""

from dataclasses import dataclass, field
from typing import Any

from app.engine import Brought, Effect, EffectState, Place
from app.engine.run import NewRun
from tests.engine.machine.model import Model
from tests.engine.machine.runs import Place as Where
from tests.engine.machine.runs import Run, Span

Stands = tuple[EffectState, str]
"""The state of an effect, and whose beginning it was."""
_NOT_AGAIN = (EffectState.DONE, EffectState.SETTLED)


@dataclass(kw_only=True)
class WholeModel(Model):
    """The queue, and what runs have done."""

    books: dict[str, dict[str, Stands]] = field(default_factory=dict[str, dict[str, Stands]])
    doubts: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    asking: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """The effects under way that are in doubt if their run is over."""
    origins: dict[str, str] = field(default_factory=dict[str, str])
    relay: Any = None
    """Who holds the relay's lease."""
    marks: set[str] = field(default_factory=set[str])

    def bring(self, mark: str, new: NewRun, span: Span) -> Brought:
        """What bringing a row answers, and does."""
        if mark in self.marks:
            return Brought.BEFORE
        if not self.put(new, span).is_new:
            return Brought.OTHER
        self.marks.add(mark)
        return Brought.NEW

    def origin_of(self, id: str) -> str:
        """Where a run's effects belong: the first of those that it goes on with."""
        return self.origins.get(id, id)

    def begin(self, mine: Effect, *, asks: bool) -> Stands:
        """What stands there once an attempt wants to act."""
        run_id, name = mine.place.run_id, mine.place.name
        book = self.books.setdefault(run_id, {})
        state, by = book.get(name, (None, ""))
        if state is None or (state not in _NOT_AGAIN and not asks):
            book[name] = (EffectState.BEGUN, mine.by)
            self._note(run_id, name, asks=asks)
        elif state not in _NOT_AGAIN:
            book[name] = (EffectState.IN_DOUBT, by)
        if book[name] != (EffectState.BEGUN, mine.by):
            self._note(run_id, name)
        self.runs[run_id].is_counted = True
        return book[name]

    def done(self, mine: Effect) -> Stands | None:
        """What stands there once somebody says that it is done."""
        run_id, name = mine.place.run_id, mine.place.name
        stands = self.books.get(run_id, {}).get(name)
        if stands and stands[1] == mine.by and stands[0] not in _NOT_AGAIN:
            self.books[run_id][name] = (EffectState.DONE, mine.by)
            self._note(run_id, name)
        elif not stands:
            self._note(run_id, name)
        return self.books.get(run_id, {}).get(name)

    def settle_effect(self, place: Place, *, happened: bool) -> Stands | None:
        """The same once a person has said it."""
        book = self.books.get(place.run_id, {})
        state, by = book.get(place.name, (None, ""))
        if state is EffectState.IN_DOUBT and happened:
            book[place.name] = (EffectState.SETTLED, by)
        elif state is EffectState.IN_DOUBT:
            del book[place.name]
            if not book:
                del self.books[place.run_id]
        if state in (EffectState.IN_DOUBT, None):
            self._note(place.run_id, place.name)
        return book.get(place.name)

    def find_doubts(self) -> int:
        """What was under way when its run ended is in doubt, if anything is known of it."""
        over = [id for id, _ in self.asking if id not in self.runs or self.runs[id].is_over]
        found = [each for each in self.asking if each[0] in over]
        doubted = 0
        for run_id, name in found:
            book = self.books.get(run_id, {})
            if name in book:
                book[name] = (EffectState.IN_DOUBT, book[name][1])
                doubted += 1
            self._note(run_id, name)
        return doubted

    def _note(self, run_id: str, name: str, *, asks: bool = False) -> None:
        """A doubt is told of as long as it stands, or until somebody looks in vain."""
        (self.asking.add if asks else self.asking.discard)((run_id, name))
        is_doubt = self.books.get(run_id, {}).get(name, (None,))[0] is EffectState.IN_DOUBT
        (self.doubts.add if is_doubt else self.doubts.discard)((run_id, name))

    def _over(self, run: Run, place: Where, *, keeps_result: bool) -> None:
        super()._over(run, place, keeps_result=keeps_result)
        if place is not Where.DEAD:
            self.books.pop(run.new.id, None)

    def move_book(self, dead: str, new: str) -> None:
        """A replay goes on in the book of its dead letter."""
        self.origins[new] = self.origin_of(dead)
        if dead in self.books:
            self.books[new] = self.books.pop(dead)
        if new in self.books:
            self.doubts, self.asking = (
                {(new if id == dead else id, name) for id, name in told}
                for told in (self.doubts, self.asking)
            )
