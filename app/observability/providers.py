"""Providers: those outside whom Steward needs, asked as part of the health check.

One that is away is degraded and never unhealthy: the work of the others goes on, and restarting a
worker mends nothing. What it says is not repeated, since it may name an address; `steward check`
tells more to whoever sits at the machine.
"""

from collections.abc import Awaitable, Callable, Mapping
from time import monotonic

from app.services.health_report import Level, Part

Providers = Mapping[str, Callable[[], Awaitable[object]]]
"""By name, what tries them: it raises what is wrong."""
NOBODY: Providers = {}


async def ask_provider(name: str, try_it: Callable[[], Awaitable[object]]) -> Part:
    """One provider's part of the health check."""
    started = monotonic()
    try:
        await try_it()
    except Exception as error:  # whatever is wrong there, it is theirs
        line = f"it can't be used ({type(error).__name__}): `steward check {name}` tells why"
        return Part(name=name, level=Level.DEGRADED, line=line)
    milliseconds = round((monotonic() - started) * 1000, 1)
    return Part(
        name=name,
        level=Level.HEALTHY,
        measured=milliseconds,
        unit="ms",
        line=f"tried in {milliseconds:g} ms",
    )
