"""The roles of one worker, made for each other."""

import os
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from secrets import token_hex
from typing import Any, Generic, TypeVar

from arq.connections import RedisSettings

from app.engine.attempt import Attempt
from app.engine.books import Books
from app.engine.clock import span_ms, to_ms
from app.engine.doors.client import Client
from app.engine.doors.overview import WorkerSeen
from app.engine.job import Job
from app.engine.ledger import Ledger
from app.engine.memory import no_books
from app.engine.options import WorkerOptions
from app.engine.redis import keys
from app.engine.redis.book import RedisLedger, RedisShelf
from app.engine.redis.codec import Codec
from app.engine.redis.connection import make_blocking_redis
from app.engine.redis.suspects import Suspects
from app.engine.roles.admitter import Admitter
from app.engine.roles.ahead import Ahead
from app.engine.roles.claimer import Claimer
from app.engine.roles.committer import Committer
from app.engine.roles.dispatcher import Dispatcher
from app.engine.roles.guard import Guard
from app.engine.roles.hooks import Hooks, Teller
from app.engine.roles.keeper import Keeper
from app.engine.roles.lease import Lease, run_lease
from app.engine.roles.over import Over
from app.engine.roles.runner import Runner
from app.engine.roles.trials import Place, Trials
from app.engine.roles.undertaker import Undertaker
from app.engine.roles.urgency import Urgency
from app.engine.roles.watcher import Watcher

C = TypeVar("C")


class Crew(Generic[C]):
    """Who works together in one worker; nothing is started here."""

    def __init__(
        self,
        client: Client,
        redis: RedisSettings,
        *,
        jobs: Mapping[str, Job[Any, ..., Any]],
        queues: Sequence[str],
        make_context: Callable[[Attempt], C],
        options: WorkerOptions,
        ledger: Ledger | None,
        heard: Callable[[Over], None] | None,
        hooks: Hooks,
        retire: Callable[[str], None],
    ) -> None:
        """`queues`: the most urgent first. `heard` is told of every committed outcome.

        `retire` stops the worker, for a fresh process to go on, and is told why.
        """
        self.id = f"{socket.gethostname().replace(':', '-')[:40]}-{os.getpid()}-{token_hex(4)}"
        self._client, self._store, self._options = client, client.store, options
        self._jobs, self._queues, self._clock = jobs, tuple(queues), client.store.clock
        self._run_lease = run_lease(options, [job.timeout for job in jobs.values()])
        self._started_at = self._clock.now()
        self.admitter = self._make_admitter()
        self.teller = Teller(hooks)
        self.committer = self._make_committer(heard, self.teller.heard if hooks.after else None)
        self.books = self._make_books(ledger)
        self.trials = self._make_trials()
        self.dispatcher = self._make_dispatcher(make_context, retire)
        self.slots = self.dispatcher.slots
        self.urgency = self._make_urgency()
        self.ahead = Ahead(
            self.slots,
            reserved=self.urgency.reserved,
            start=self.dispatcher.start,
            give_back=self.dispatcher.give_back,
        )
        self.watcher = Watcher(self.slots, max_block=options.max_block)
        self.lease = self._make_lease(redis)
        self.claimer = self._make_claimer()
        self.keeper = self._make_keeper()
        self.place = Place(
            slots=self.slots, settled=self.claimer.settled, start=self.dispatcher.start
        )
        self.undertaker = Undertaker(
            self._store, keep=options.keep_dead, find_doubts=self._doubts_of(ledger)
        )

    def _make_committer(self, *heard: Callable[[Over], None] | None) -> Committer:
        limits = self.admitter.committed if self._has_limits else None
        return Committer(
            self._store,
            self._client.codec,
            clock=self._clock,
            worker=self.id,
            keep_result=self._options.keep_result,
            heard=[each for each in (limits, *heard) if each],
        )

    @property
    def _has_limits(self) -> bool:
        return any(job.limits for job in self._jobs.values())

    def _make_admitter(self) -> Admitter:
        return Admitter(self._store, lease=self._run_lease, is_needed=self._has_limits)

    def _make_books(self, ledger: Ledger | None) -> Books:
        store, codec = self._store, self._client.codec
        if not isinstance(codec, Codec):  # an arq project's serializer keeps nothing but its own
            return no_books()
        return Books(
            ledger or RedisLedger(store, codec),
            RedisShelf(store, codec),
            now_ms=self._clock.now_ms,
            is_at_work=self._is_at_work,
        )

    def _doubts_of(self, ledger: Ledger | None) -> Callable[[], Awaitable[int]] | None:
        """How to find effects of runs that died in Redis; a database is looked after elsewhere."""
        codec = self._client.codec
        if ledger is None and isinstance(codec, Codec):
            ledger = RedisLedger(self._store, codec)
        return ledger.find_doubts if isinstance(ledger, RedisLedger) else None

    def _is_at_work(self, attempt: Attempt) -> bool:
        return any(running.attempt is attempt for running in self.slots.running)

    def _make_dispatcher(
        self, make_context: Callable[[Attempt], C], retire: Callable[[str], None]
    ) -> Dispatcher[C]:
        runner = Runner(
            self._jobs,
            self._client.codec,
            make_context,
            clock=self._clock,
            worker=self.id,
            books=self.books,
            accept_plain=self._options.accept_plain,
            fatal=self._options.max_crashes,
        )
        return Dispatcher(
            runner,
            self.committer,
            self.trials,
            admitter=self.admitter,
            jobs=self._jobs,
            clock=self._clock,
            concurrency=self._options.concurrency,
            abandon_after=self._options.abandon_after,
            lease=self._options.lease,
            retire=retire,
            around=self.teller.body,
        )

    def _make_trials(self) -> Trials:
        return Trials(
            Suspects(self._store),
            worker=self.id,
            queues=self._queues,
            fatal=self._options.max_crashes,
            sign=self._options.lease,
            lease=self._run_lease,
        )

    def _make_lease(self, redis: RedisSettings) -> Lease:
        options = self._options
        guard = Guard(redis, worker=self.id, length=options.lease, max_block=options.max_block)
        return Lease(
            partial(make_blocking_redis, redis),
            worker=self.id,
            length=options.lease,
            watcher=self.watcher,
            describe=self.describe,
            guard=guard if options.guarded else None,
        )

    def _make_keeper(self) -> Keeper:
        return Keeper(
            self._store,
            self.slots,
            self.lease,
            self._jobs,
            worker=self.id,
            queues=self._queues,
            describe=self.describe,
            restored=self.claimer.look_for_ours,
            lifting=self._queues_of_plain_clients(),
        )

    def _queues_of_plain_clients(self) -> list[str]:
        """Where plain clients may put runs of ours; an arq project's own expire as it says."""
        is_plain = self._options.accept_plain
        return [name for name in self._queues if is_plain and not name.startswith(keys.THEIRS)]

    def _make_claimer(self) -> Claimer:
        return Claimer(
            self._store,
            self.slots,
            worker=self.id,
            urgency=self.urgency,
            ahead=self.ahead,
            poll=self._options.poll,
            patience=self._options.lease,
            fatal=self._options.max_crashes,
            mine=self._held,
            show=self._show_alive,
        )

    def _held(self) -> set[str]:
        """The ids of all runs here that are not committed."""
        return {*self.dispatcher.held(), *(run.id for run in self.ahead.waiting)}

    async def _show_alive(self) -> None:
        """Have the sign of life, if the lease's thread may not have come to it yet."""
        if not self.lease.is_shown:
            await self._store.greet(self.id, self.describe(), self._options.lease)

    def _make_urgency(self) -> Urgency:
        return Urgency(
            [(name, self._run_lease) for name in self._queues],
            slots=self._options.concurrency,
            turn=self._options.turn,
            limits=self._options.limits,
        )

    def describe(self) -> bytes:
        """What this worker says of itself."""
        seen = WorkerSeen(
            id=self.id,
            host=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            slots=self._options.concurrency,
            running=len(self.slots.running),
            started_ms=to_ms(self._started_at),
            blocked_ms=span_ms(self.watcher.blocked),
        )
        return seen.pack()
