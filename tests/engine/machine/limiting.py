"""Runs that start as far as limits allow: what admit.lua must never do, and never forget.

Here it is not said whom a limit lets in; but that whoever starts has room, whoever may not has
none or waits behind others, and nobody waits beside a free place. One limit of each kind; a run's
id says which of them it has.
"""

from collections.abc import Sequence, Set

from hypothesis import strategies as st

from app.engine import Breaker
from app.engine.ended import Ended
from app.engine.limits import Ask
from app.engine.run import Claimed
from app.engine.verdict import Asking, Told, Verdict
from tests.engine.machine.bench import Bench
from tests.engine.machine.draws import losses
from tests.engine.machine.hand import Hand
from tests.engine.machine.picture import Picture
from tests.engine.machine.runs import Place, Run, Span
from tests.engine.machine.turns import turn
from tests.engine.machine.working import Steps
from tests.engine.steps import LEASE

AT_ONCE, RATE, BREAKER = "at_once", "rate", "breaker"
_SPAN_MS, _ASKED_MS, _MOST = 600_000, 30_000, {AT_ONCE: 2, RATE: 3, BREAKER: 2}
ASKS = {
    AT_ONCE: Ask(AT_ONCE, "at_once:it", _MOST[AT_ONCE], 0),
    RATE: Ask(RATE, "rate/600000:it", _MOST[RATE], _SPAN_MS),
    BREAKER: Ask(BREAKER, "breaker:it", _MOST[BREAKER], 60_000, Breaker()),
}
_OF = {1: AT_ONCE, 2: AT_ONCE, 3: RATE, 4: BREAKER}
_KINDS = 7  # of runs; the others have no limit


def limit_of(id: str) -> str:
    """Which limit a run has, if any."""
    number = id.removeprefix("run-")
    return _OF.get(int(number) % _KINDS, "") if number.isdigit() else ""


class Limiting(Steps):
    """Workers that ask before they start what is limited."""

    def __init__(self, bench: Bench) -> None:
        self.started: dict[str, str] = {}
        """The lease under which a limited run started last."""
        self.starts: list[float] = []
        self.home: dict[str, tuple[float, float]] = {}
        """When runs that wait for room were due."""
        self.opened, self.failures = 0.0, 0
        super().__init__(bench)

    def _begun(self, hand: Hand, runs: Sequence[Claimed]) -> None:
        super()._begun(hand, runs)
        limited = [run for run in runs if limit_of(run.id)]
        if not limited:
            return
        asking = [Asking(run, (ASKS[limit_of(run.id)],)) for run in limited]
        answer = self.bench.do(self.bench.store.admit([], asking, lease=LEASE))
        span = self._span()
        for run, is_in in zip(limited, answer.admitted, strict=True):
            (self._start if is_in else self._put_off)(hand, run, span)
        self._settle()

    def _start(self, _hand: Hand, claimed: Claimed, span: Span) -> None:
        kind, id = limit_of(claimed.id), claimed.id
        others = [other for other in self._at_work(kind) if other != id]
        match kind:
            case "at_once":
                assert len(others) < _MOST[kind], f"{id} started beside {others}"
            case "rate":
                self.starts = [min(each, span.before) for each in self.starts]
                recent = [each for each in self.starts if each > span.after - _SPAN_MS]
                assert len(recent) < _MOST[kind], f"{id} started after {len(recent)} others"
                self.starts.append(span.before)
            case _:
                assert self.opened <= span.after, f"{id} started while the provider is left alone"
        self.started[id] = claimed.lease

    def _at_work(self, kind: str) -> list[str]:
        """What has started and not ended, by workers that live."""
        runs = self.model.runs
        return [
            id
            for id, lease in self.started.items()
            if limit_of(id) == kind
            and id in runs
            and runs[id].lease_text == lease
            and self.model.is_at_work(runs[id])
        ]

    def _put_off(self, hand: Hand, claimed: Claimed, _span: Span) -> None:
        run = self.model.runs[claimed.id]
        assert claimed.id in self.picture.put_off, "whoever may not start waits in line"
        line = self.picture.lines[ASKS[limit_of(claimed.id)].name]
        is_first = line[claimed.id] == min(line.values())
        full = _is_full(self.picture, limit_of(claimed.id), self._now(), asker=hand.name)
        assert not is_first or full
        hand.attempts = [each for each in hand.attempts if each[0].id != claimed.id]
        self.home.setdefault(claimed.id, (run.earliest, run.latest))
        self.model.put_off(run)

    def _settle(self) -> None:
        """Where those stand that wait for room, and those that were let in."""
        for id in [*self.home]:
            run, due = self.model.runs.get(id), self.picture.waiting.get(id)
            if run is None or run.place is not Place.QUEUED or due is None:
                del self.home[id]
            elif id in self.picture.put_off:
                run.earliest = run.latest = due
            else:
                self._came_back(run, due, self.home.pop(id))
        super()._settle()

    def _came_back(self, run: Run, due: float, home: tuple[float, float]) -> None:
        """Let in, it stands where it was; or it was claimed in line, an hour later."""
        if due != run.latest:
            run.earliest, run.latest = home
            run.may_hide = True

    def _ended(self, ended: Sequence[Ended], *, is_lost: bool) -> None:
        """Limits are told how runs ended; a worker that died tells nothing."""
        super()._ended(ended, is_lost=is_lost)
        ids = [each.run.id for each in ended if limit_of(each.run.id)]
        if ids and not is_lost:
            verdicts = [each for each in Verdict if len(ids) % 2 or each is not Verdict.FAILED]
            self._tell([(id, verdicts[len(id + ids[0]) % len(verdicts)]) for id in ids])

    @turn(verdict=st.sampled_from(Verdict), is_lost=losses)
    def tell(self, verdict: Verdict, is_lost: bool) -> None:
        """Somebody heard from the provider, perhaps long ago."""
        if not is_lost:
            self._tell([("nobody", verdict)])

    def _tell(self, said: Sequence[tuple[str, Verdict]]) -> None:
        told = [Told(id, ASKS[limit_of(id) or BREAKER], verdict, _ASKED_MS) for id, verdict in said]
        before = self.picture.breakers.get(ASKS[BREAKER].name, {})
        self.bench.do(self.bench.store.admit(told, [], lease=LEASE))
        span = self._span()
        self._judge([each for each in told if each.ask.breaker], before, span)
        self._settle()

    def _judge(self, told: Sequence[Told], before: dict[str, str], span: Span) -> None:
        """How long the provider has to be left alone, at least."""
        probe = before.get("probe", "")
        for each in told:
            match each.verdict:
                case Verdict.ASKED:
                    self.opened = max(self.opened, span.before + _ASKED_MS)
                case Verdict.OK if not self.opened or (
                    each.run_id == probe and self.opened <= span.after
                ):
                    self.opened, self.failures = 0.0, 0
                case Verdict.FAILED if self.opened:
                    if each.run_id == probe:
                        self.opened = max(self.opened, span.before + ASKS[BREAKER].span_ms)
                case Verdict.FAILED:
                    self.failures += 1
                    if self.failures >= _MOST[BREAKER]:
                        self.opened = span.before + ASKS[BREAKER].span_ms
                case _:
                    pass

    @turn(2)
    def look_for_room(self) -> None:
        """Some worker looks, as each does when it is time."""
        gates = self.picture.gates
        self.bench.do(self.bench.store.admit([], [], lease=LEASE))
        span = self._span()
        self._settle()
        for kind, ask in ASKS.items():
            if ask.name in gates and gates[ask.name] <= span.before:
                waits = ask.name in self.picture.lines
                is_full = _is_full(self.picture, kind, span.after)
                assert not waits or is_full, f"{kind}: somebody waits beside a free place"


def _is_full(picture: Picture, kind: str, now: float, *, asker: str = "") -> bool:
    """Whether nobody may start; what `asker` has just been given counts, sign of life or not."""
    name = ASKS[kind].name
    workers = {*picture.workers, asker}
    places = picture.places.get(name, [])
    taken = sum(_is_taken(picture, id, held, now, workers) for id, held in places)
    if kind == BREAKER:
        until = picture.breakers.get(name, {}).get("until")
        return until is not None and (float(until) > now or taken > 0)
    starts = [each for each in picture.starts.get(name, []) if each > now - _SPAN_MS - 1_000]
    return taken + len(starts) >= _MOST[kind]


def _is_taken(picture: Picture, id: str, held: str, now: float, workers: Set[str]) -> bool:
    lease = picture.leases.get(id, "")
    is_granted, is_alive = ":" not in held, lease.rpartition(":")[0] in workers
    if is_granted and float(held) > now - 1_000:
        return True
    return is_alive and (is_granted or lease == held)
