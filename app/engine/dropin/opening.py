"""Everything that an arq project's worker needs, opened in arq's order and closed again."""

import logging
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Any

import anyio

from app.engine.doors.client import Client
from app.engine.doors.fitness import warn_of_unfit
from app.engine.dropin.burst import Allowance
from app.engine.dropin.ctx import ctx_of, open_pool
from app.engine.dropin.envelope import ArqEnvelope, payload_of, refuse_pickle
from app.engine.dropin.health import HealthCheck
from app.engine.dropin.hooks import Hooks
from app.engine.dropin.jobs import arq_jobs
from app.engine.dropin.settings import ArqSettings
from app.engine.dropin.ticker import Ticker
from app.engine.errors import EngineError, Unavailable
from app.engine.options import USUAL, WorkerOptions
from app.engine.redis import keys
from app.engine.redis.steps import answering
from app.engine.redis.store import Store
from app.engine.redis.together import Together
from app.engine.roles.over import Over
from app.engine.roles.worker import Worker

log = logging.getLogger(__name__)

_CLOSING = 60.0  # s that `on_shutdown` may take


class StartupFailed(EngineError):
    """The project's `on_startup` has raised: its jobs have nothing to work with."""


@asynccontextmanager
async def open_arq_worker(
    settings: ArqSettings,
    *,
    burst: bool = False,
    is_trusted: bool = False,
    options: WorkerOptions = USUAL,
    heard: Callable[[Over], None] | None = None,
) -> AsyncGenerator[Worker[dict[Any, Any]]]:
    """A worker of ours over an arq project's functions, on its queue and in its words.

    `is_trusted`: who can write to that Redis may run code here, as arq allows by default.
    `options` are for what arq has no setting for. Raises `DeclarationError` (`Untrusted`
    is one) or `StartupFailed`.
    """
    if not is_trusted:
        refuse_pickle(settings.deserializer)
    for remark in settings.remarks:
        log.warning("%s", remark)
    envelope = ArqEnvelope(
        settings.serializer, settings.deserializer, queue_name=settings.queue_name
    )
    async with Client.open(settings.redis, envelope) as client:
        await warn_of_unfit(client)
        project = _Project(settings, client, envelope, heard)
        async with project.open() as ctx:
            yield project.worker(ctx, options, burst=burst or settings.burst)


class _Project:
    """The parts of one worker that speak arq's language."""

    def __init__(
        self,
        settings: ArqSettings,
        client: Client,
        envelope: ArqEnvelope,
        heard: Callable[[Over], None] | None,
    ) -> None:
        self._settings = settings
        self._client = client
        self._heard = heard
        self._queue = keys.THEIRS + settings.queue_name
        self._hooks = Hooks(settings)
        self._ticker = Ticker(
            settings.cron_jobs,
            settings.timezone,
            client.store,
            queue=self._queue,
            seal=partial(_sealed, envelope, client.store),
        )
        self._health = HealthCheck(
            client.store,
            key=settings.health_check_key,
            interval=settings.health_check_interval,
            queue=self._queue,
            ongoing=lambda: self._hooks.ongoing,
        )

    @asynccontextmanager
    async def open(self) -> AsyncGenerator[dict[Any, Any]]:
        """The ctx that all runs share, between `on_startup` and `on_shutdown`."""
        settings, ctx = self._settings, self._settings.ctx
        async with open_pool(settings) as ctx["redis"]:
            try:
                await self._begin(ctx)
                async with self._hooks.running():
                    await self._ticker.begin()
                    yield ctx
            finally:
                with anyio.move_on_after(_CLOSING, shield=True):
                    await self._close(ctx)

    async def _begin(self, ctx: dict[Any, Any]) -> None:
        if self._settings.on_startup is None:
            return
        try:
            await self._settings.on_startup(ctx)
        except Exception as error:  # whatever the project's code raises
            raise StartupFailed(f"on_startup failed: {type(error).__name__}: {error}") from error

    async def _close(self, ctx: dict[Any, Any]) -> None:
        with suppress(Unavailable):
            await self._health.remove()
        if self._settings.on_shutdown is not None:
            await self._settings.on_shutdown(ctx)

    def worker(
        self, ctx: dict[Any, Any], options: WorkerOptions, *, burst: bool
    ) -> Worker[dict[Any, Any]]:
        """Our engine's worker, over the project's functions."""
        due = Together(partial(_due, self._client.store, self._queue))
        return Worker(
            self._client,
            self._settings.redis,
            jobs=arq_jobs(self._settings, self._hooks, due, queue=self._queue),
            queues=[self._queue],
            make_context=partial(ctx_of, ctx),
            roles=[self._ticker.run, self._health.run],
            options=self._options(options, burst=burst),
            heard=self._committed,
        )

    def _options(self, options: WorkerOptions, *, burst: bool) -> WorkerOptions:
        settings, most = self._settings, self._settings.max_burst_jobs
        chosen = replace(
            options,
            concurrency=settings.max_jobs,
            grace=settings.job_completion_wait,
            keep_result=settings.keep_result,
            accept_plain=True,
            burst=burst,
        )
        if not burst or most < 0:
            return chosen
        allowance = Allowance(self._queue, most, lambda: self._hooks.over)
        return replace(chosen, max_runs=most, limits=allowance)

    def _committed(self, over: Over) -> None:
        self._health.committed(over)
        self._hooks.committed(over)
        if self._heard is not None:
            self._heard(over)


async def _due(store: Store, queue: str, run_ids: Sequence[str]) -> Sequence[float | None]:
    """When these runs stand in their queue, in ms; nothing where Redis can't say."""
    try:
        async with answering():
            found = await store.redis.line.call("ZMSCORE", keys.queue(queue), *run_ids)
    except Unavailable:
        return [None] * len(run_ids)
    return [None if score is None else float(score) for score in found]


def _sealed(envelope: ArqEnvelope, store: Store, name: str) -> bytes:
    """A payload that calls a cron job."""
    now = store.clock.now_ms()
    return envelope.seal_payload(payload_of(name, (), {}, first_try=1, enqueued_ms=now))
