"""How values stand among the arguments of the steps, and in their answers.

Runs that are alike go in groups: what they share is said once, then what each has of its own.
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import chain, groupby
from typing import Any

from msgspec.structs import replace

from app.engine import wire
from app.engine.clock import span_ms
from app.engine.ended import Buried, Completed, PutBack, SetAside
from app.engine.limits import Ask
from app.engine.run import Claimed, NewRun, lease_of
from app.engine.verdict import Asking, Told

_UNUSUAL = 6  # what claim.lua tells of each run that is not in its first attempt
_MOST_UNREADABLE = 64 * 1024  # bytes of a payload that nobody can read: enough to see what it was


def of_new_runs(runs: Iterable[NewRun]) -> list[object]:
    """For enqueue.lua, grouped likewise; of one run, for the steps that put one on its queue."""
    args: list[object] = []
    for alike, group in groupby(runs, _kind_of_new):
        own = [(each.id, each.payload) for each in group]
        args += (*alike, len(own))
        args += chain.from_iterable(own)
    return args


def of_completed(ended: Iterable[Completed]) -> list[object]:
    """For complete.lua: of each group of neighbours what they share, and how many there are."""
    args: list[object] = []
    for alike, group in groupby(ended, _kind_of_completed):
        queue, worker, attempt, is_counted, *others = alike
        own = [(each.run.id, each.result, each.event) for each in group]
        args += (queue, lease_of(worker, attempt), int(is_counted), *others, len(own))
        args += chain.from_iterable(own)
    return args


def of_put_back(ended: Iterable[PutBack]) -> list[object]:
    """For retry.lua."""
    return [field for each in ended for field in _put_back(each)]


def of_buried(ended: Iterable[Buried]) -> list[object]:
    """For bury.lua."""
    return [field for each in ended for field in _buried(each)]


def of_set_aside(ended: Iterable[SetAside]) -> list[object]:
    """For park.lua."""
    return [field for each in ended for field in _set_aside(each)]


def of_told(told: Iterable[Told]) -> list[object]:
    """For admit.lua: how others ended."""
    return [
        field
        for each in told
        for field in (*_of_ask(each.ask), each.run_id, each.verdict.value, each.asked_ms)
    ]


def of_asking(asking: Iterable[Asking]) -> list[object]:
    """For the same: who wants to start."""
    return [
        field
        for each in asking
        for field in (
            *_held(each.run),
            each.run.attempt,
            len(each.asks),
            *chain.from_iterable(map(_of_ask, each.asks)),
        )
    ]


def claimed(
    worker: str,
    queues: Sequence[Any],
    ids: Sequence[bytes],
    payloads: Sequence[bytes | None],
    unusual: Sequence[int],
) -> tuple[Claimed, ...]:
    """The runs a claim brought: `queues` says how many came from each, `unusual` which differ."""
    names = list[str]()
    for name, count in zip(queues[::2], queues[1::2], strict=True):
        names += [name.decode()] * count
    runs = [
        Claimed(id=as_text(id), queue=queue, payload=payload, worker=worker)
        for id, queue, payload in zip(ids, names, payloads, strict=True)
    ]
    for start in range(0, len(unusual), _UNUSUAL):
        place, attempt, cancelled, crashes, uncharged, is_over = unusual[start : start + _UNUSUAL]
        runs[place - 1] = replace(
            runs[place - 1],
            attempt=attempt or 1,
            is_counted=attempt > 0,
            cancelled=bool(cancelled),
            crashes=crashes,
            uncharged=uncharged,
            is_over=bool(is_over),
        )
    return tuple(runs)


def as_text(id: bytes) -> str:
    """The id, with what is no text in it spelled out."""
    return str(id, "utf-8", "backslashreplace")


def no_text(runs: Iterable[Claimed], ids: Sequence[bytes]) -> list[object]:
    """For rename.lua: those of a claim's runs whose ids are no text."""
    try:
        b" ".join(ids).decode()
    except UnicodeDecodeError:
        pairs = zip(runs, ids, strict=True)
        odd = ((run, id) for run, id in pairs if run.id.encode() != id)
        return [field for run, id in odd for field in (run.queue, id, run.id, run.lease)]
    return []


def _kind_of_new(run: NewRun) -> tuple[object, ...]:
    at = "" if run.at_ms is None else run.at_ms
    special = _special(run) if run.key or run.most else ""
    return (run.queue, at, run.delay_ms, special, int(run.is_counted))


def _special(run: NewRun) -> str:
    held = span_ms(run.held) if isinstance(run.held, timedelta) else run.held.value
    return f"{run.key}|{held}|{run.longest_ms}|{run.most}"


def _kind_of_completed(each: Completed) -> tuple[str, str, int, bool, int, str, str]:
    run, keep_ms, ending, key = each.run, each.keep_ms, each.ending, each.key
    return (run.queue, run.worker, run.attempt, run.is_counted, keep_ms, ending, key)


def _held(run: Claimed) -> tuple[str, str, str]:
    return (run.id, run.queue, run.lease)


def _of_ask(ask: Ask) -> tuple[object, ...]:
    return (ask.kind, ask.name, ask.count, ask.span_ms)


def _put_back(each: PutBack) -> tuple[object, ...]:
    delay = "" if each.delay is None else span_ms(each.delay)
    counted = (each.run.attempt, int(each.is_charged))
    return (*_held(each.run), *counted, delay, each.failure, each.event)


def _buried(each: Buried) -> tuple[object, ...]:
    kept = (each.keep_ms, each.result)
    most = -1 if each.is_readable else _MOST_UNREADABLE
    cause = (each.cause.id, wire.pack(each.cause))
    return (*_held(each.run), each.job, *kept, each.failure, *cause, most, each.key, each.event)


def _set_aside(each: SetAside) -> tuple[object, ...]:
    return (*_held(each.run), each.run.attempt, each.name, each.version, each.event)
