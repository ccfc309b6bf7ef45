"""What the queue should do, by rules that know nothing of Lua.

A run waits until it is due, is leased to a worker and is over when its attempt's outcome counts:
that of the attempt whose lease stands, and of no other. The model is told of every step and of its
answer; it says what is wrong with the answer, and changes as the queue should have.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

from app.engine.clock import span_ms
from app.engine.ended import Buried, Completed, Ended, PutBack, SetAside
from app.engine.run import Claim, Claimed, NewRun, Receipt
from app.engine.run_options import Held
from tests.engine.machine.draws import Look
from tests.engine.machine.runs import Place, Run, Span

_ROUNDING = 0.01  # ms: scores have three decimals


@dataclass(kw_only=True)
class Model:
    """The queue."""

    runs: dict[str, Run] = field(default_factory=dict[str, Run])
    alive: set[str] = field(default_factory=set[str])
    held: dict[str, tuple[str, float | None]] = field(
        default_factory=dict[str, tuple[str, float | None]]
    )
    cursor: str = ""
    events: Counter[tuple[str, str]] = field(default_factory=Counter[tuple[str, str]])
    receipts: Counter[str] = field(default_factory=Counter[str])
    offers: dict[str, str] = field(default_factory=dict[str, str])
    """Of each worker that has made one: whether it is open, or taken."""
    forgotten: int = 0

    # enqueue

    def put(self, new: NewRun, span: Span) -> Receipt:
        """What enqueuing it answers, and does."""
        known = self.runs.get(new.id)
        if known:
            return Receipt(new.id, is_new=False)
        holder = self._holder(new, span)
        if holder:
            return Receipt(holder, is_new=False)
        if new.key:
            window = span_ms(new.held) if isinstance(new.held, timedelta) else None
            self.held[new.key] = (new.id, None if window is None else span.before + window)
        self.runs[new.id] = Run(
            new=new,
            earliest=span.before + new.delay_ms,
            latest=span.after + new.delay_ms,
            is_counted=new.is_counted,
        )
        self.receipts[new.id] += 1
        return Receipt(new.id, is_new=True)

    def _holder(self, new: NewRun, span: Span) -> str:
        id, until = self.held.get(new.key, ("", None))
        if until is not None:
            return id if until > span.before else ""
        holder = self.runs.get(id)
        if holder is None or holder.is_over or (new.held is Held.QUEUED and holder.lease):
            return ""
        return id

    def has_it(self, new: NewRun) -> bool:
        """Whether these very bytes wait or run."""
        run = self.runs.get(new.id)
        return run is not None and not run.is_over and run.new.payload == new.payload

    # claim

    def claim(
        self,
        worker: str,
        look: Look,
        *,
        mine: Collection[str] | None,
        answer: Claim,
        span: Span,
    ) -> None:
        """Check what a claim brought, and lease it."""

        def due(by: float) -> list[Run]:
            runs = (run for run in self.runs.values() if run.place is Place.QUEUED)
            free = (run for run in runs if self._is_free(run, worker, mine, look))
            return sorted(
                (run for run in free if run.latest <= by), key=lambda r: (r.latest, r.new.id)
            )

        brought = [run.id for run in answer.runs]
        surely, maybe = due(span.before), due(span.after)
        assert set(brought) <= {run.new.id for run in maybe}, "only what is due and free"
        if len(surely) == len(maybe):
            found = [run for run in surely if answer.is_all or not _is_hidden(run, brought)]
            expected = _share_out(found, look)
            assert brought == expected, f"{brought}, not all that is due: {expected}"
        for each in answer.runs:
            self._lease(self.runs[each.id], worker, each)
        for id in mine or ():
            if id in self.runs:
                self.runs[id].may_hide = True

    def _is_free(self, run: Run, worker: str, mine: Collection[str] | None, look: Look) -> bool:
        if run.new.id in (mine or ()):
            return False
        if run.lease is None:
            return True
        holder = run.lease[0]
        if holder == worker:
            return mine is not None
        return look.may_take_over and holder not in self.alive

    def _lease(self, run: Run, worker: str, answer: Claimed) -> None:
        is_again = run.lease is not None and run.lease[0] == worker and run.lease[1] > 0
        number = run.charged if is_again else run.charged + 1
        is_counted = run.is_counted or run.lease is not None
        said = (answer.attempt, answer.is_counted, answer.cancelled, answer.payload, answer.queue)
        expected = (number, is_counted, run.is_asked, run.new.payload, run.new.queue)
        assert said == expected, "its attempt, whether it is cancelled, and its bytes"
        if run.lease and run.lease[0] != worker and run.lease[1] > 0:
            run.failures += 1  # its worker died
        run.lease, run.charged, run.is_counted = (worker, number), number, is_counted
        run.may_hide = False

    def offer(self, worker: str, *, was_offering: bool) -> str:
        """What a claim finds of an offer that may be open, and takes back."""
        return self.offers.pop(worker, "") if was_offering else ""

    def hand_over(self, id: str, worker: str) -> None:
        """A run is leased to a worker that offered, before anybody claims it."""
        run = self.runs[id]
        assert run.place is Place.QUEUED, "it waits"
        assert run.lease is None, "nobody has it"
        run.lease, run.charged = (worker, 1), 1

    # the end of an attempt

    def commit(self, ended: Sequence[Ended], lost: dict[str, str], span: Span) -> None:
        """End these attempts, those whose lease stands."""
        theirs = {
            each.run.id: self._lease_text(each.run.id)
            for each in ended
            if self._lease_text(each.run.id) != each.run.lease
        }
        assert lost == theirs, "an outcome counts under its lease, and under no other"
        for each in ended:
            if each.run.id not in theirs:
                self._end(self.runs[each.run.id], each, span)

    def _lease_text(self, id: str) -> str:
        return self.runs[id].lease_text if id in self.runs else ""

    def _end(self, run: Run, ended: Ended, span: Span) -> None:
        match ended:
            case Completed():
                self._over(run, Place(ended.ending), keeps_result=ended.keep_ms > 0)
            case Buried():
                run.failures += 1
                self._over(run, Place.DEAD, keeps_result=ended.keep_ms > 0)
            case PutBack():
                self._put_back(run, ended, span)
            case SetAside():
                self._uncharge(run)
                run.place, run.lease = Place.PARKED, None
                self.events[run.new.id, "parked"] += 1

    def _put_back(self, run: Run, ended: PutBack, span: Span) -> None:
        self.events[run.new.id, "retrying"] += 1
        if ended.is_charged:
            run.is_counted = True
            run.failures += 1
        else:
            self._uncharge(run)
        if ended.delay is not None:
            delay = span_ms(ended.delay)
            run.earliest, run.latest = span.before + delay, span.after + delay
        run.lease = None

    def _uncharge(self, run: Run) -> None:
        run.charged -= 1
        run.is_counted |= run.charged > 0

    def put_off(self, run: Run) -> None:
        """There is no room for it: it waits uncharged, and nobody has it."""
        self._uncharge(run)
        run.lease = None

    def _over(self, run: Run, place: Place, *, keeps_result: bool) -> None:
        run.place, run.lease, run.keeps_result = place, None, keeps_result
        run.is_asked = False
        self.events[run.new.id, place] += 1
        if self.held.get(run.new.key) == (run.new.id, None):
            del self.held[run.new.key]

    # from outside

    def cancel(self, id: str) -> str:
        """What cancelling answers, and does."""
        run = self.runs.get(id)
        if run is None or run.is_over:
            return "gone"
        if self.is_at_work(run):
            run.is_asked = True
            return "asked"
        self._over(run, Place.CANCELLED, keeps_result=True)
        return "cancelled"

    def unpark(self, worker: str) -> int:
        """Restore every parked run, for this worker to claim."""
        parked = [run for run in self.runs.values() if run.place is Place.PARKED]
        for run in parked:
            run.place, run.lease = Place.QUEUED, (worker, 0)
        return len(parked)

    def lapse(self) -> list[str]:
        """The leases of workers that show no sign of life end; returns of which runs."""
        leased = [run for run in self.runs.values() if run.lease]
        held = [run for run in leased if not self.is_at_work(run)]
        for run in held:
            run.lease, run.may_hide = None, True
            run.charged = run.charged if run.is_counted else 0
        return [run.new.id for run in held]

    def forget(self, id: str) -> Run:
        """Nothing is kept of a run that is over."""
        self.forgotten += 1
        return self.runs.pop(id)

    def without_letter(self, id: str) -> None:
        """A dead letter is gone: only a result that is kept tells of it."""
        run = self.forget(id)
        if run.keeps_result:
            self.forgotten -= 1
            self.runs[id] = replace(run, place=Place.REPLAYED, failures=0)

    def is_at_work(self, run: Run) -> bool:
        """Whether a live worker has it."""
        return run.lease is not None and run.lease[0] in self.alive

    def settle(self, scores: dict[str, float]) -> None:
        """Learn when exactly each run is due, from the server; it must be within what we know."""
        for id, run in self.runs.items():
            if run.place is Place.QUEUED and id in scores:
                score = scores[id]
                assert run.earliest - _ROUNDING <= score <= run.latest + _ROUNDING, "due in time"
                run.earliest = run.latest = score


def _is_hidden(run: Run, brought: Collection[str]) -> bool:
    """Whether a claim that looked only behind the last one may have passed it by."""
    return (run.lease is not None or run.may_hide) and run.new.id not in brought


def _share_out(runs: Sequence[Run], look: Look) -> list[str]:
    taken: list[str] = []
    for queue in look.order:
        ids = [run.new.id for run in runs if run.new.queue == queue]
        taken += ids[: min(look.most, look.want - len(taken))]
    return taken
