"""How the settings want a worker to be watched."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from app.context import Services
from app.engine import Over
from app.observability.failures import FailureKeeper
from app.observability.readiness import Readiness, Working
from app.observability.sampler import Sampler
from app.observability.tally import Tally
from app.settings import Settings, secrets_in

Heard = Callable[[Over], None]
Role = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watching:
    """What a worker does so that it is watched."""

    roles: Sequence[Role]
    heard: Heard
    """Told of each run that ended here."""


def watching(
    settings: Settings, services: Services, worker: Callable[[], Working], *, also: Heard | None
) -> Watching:
    """Keep samples and failures, and serve what is to be seen if there is a port for it.

    `also` hears of every run as well.
    """
    keeper = FailureKeeper(services.failures, secrets=secrets_in(settings))
    sampler = Sampler(
        worker,
        services.database,
        settings.home,
        slots=settings.worker.concurrency,
        now=services.client.store.clock.now,
    )
    roles: list[Role] = [sampler.run, keeper.run]
    listeners = [keeper.heard, *([also] if also else [])]
    if settings.watch.port:
        tally = Tally()
        roles += [services.health.providers.run, _server(settings, services, worker, tally)]
        listeners.append(tally.heard)
    return Watching(roles=roles, heard=_each(listeners))


def _server(
    settings: Settings, services: Services, worker: Callable[[], Working], tally: Tally
) -> Role:
    from app.observability.watch import Watched, watch_app
    from app.observability.watch_server import WatchServer

    readiness = Readiness(
        worker,
        services.client,
        services.database,
        accepted=settings.redis.accept,
        providers=services.health.providers,
    )
    watched = Watched(
        client=services.client,
        readiness=readiness,
        health=services.health,
        tally=tally,
        slots=settings.worker.concurrency,
    )
    return WatchServer(
        watch_app(watched, token=settings.watch.token.get_secret_value()),
        host=settings.watch.host,
        port=settings.watch.port,
        ports=settings.worker.processes,
    ).run


def _each(listeners: Sequence[Heard]) -> Heard:
    if len(listeners) == 1:  # every run passes here
        return listeners[0]

    def heard(over: Over) -> None:
        for each in listeners:
            each(over)

    return heard
