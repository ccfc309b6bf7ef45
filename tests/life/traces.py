"""What Redis has of runs: of each at one moment, all that there is."""

from collections.abc import Sequence
from typing import Any

from app.engine import Client
from app.engine.redis import keys
from app.engine.redis.steps import answering
from tests.life.evidence import Trace

_AT_ONCE = 500
_TRACES = """
-- What is there of each run, at one moment. KEYS: the prefixes of keys, then the queues. ARGV: ids
local found = {}
for i, id in ipairs(ARGV) do
  local function has(prefix) return redis.call('EXISTS', prefix .. id) end
  local queued = 0
  for k = 6, #KEYS do if redis.call('ZSCORE', KEYS[k], id) then queued = 1 end end
  local listed = redis.call('ZSCORE', 'steward:dead', id) and 1 or 0
  local kept = redis.call('HSTRLEN', KEYS[4] .. id, 'payload') > 0 and 1 or 0
  found[i] = has(KEYS[1]) + 2 * queued + 4 * has(KEYS[2]) + 8 * has(KEYS[3]) + 16 * has(KEYS[4])
    + 32 * listed + 64 * kept + 128 * has(KEYS[5])
end
return found
"""
_PREFIXES = (keys.JOB, keys.RESULT, keys.FINISHED, keys.DEAD_LETTER, keys.LEASE)


async def traces_of(
    client: Client, runs: Sequence[str], *, queues: Sequence[str]
) -> dict[str, Trace]:
    """What there is of each."""
    places = (*_PREFIXES, *map(keys.queue, queues))
    anybody: Any = client.store.redis
    found = dict[str, Trace]()
    for first in range(0, len(runs), _AT_ONCE):
        some = runs[first : first + _AT_ONCE]
        async with answering():
            traces = await anybody.eval(_TRACES, len(places), *places, *some)
        found |= zip(some, map(Trace, traces), strict=True)
    return found


async def standing(client: Client, *, queues: Sequence[str], most: int = -1) -> list[str]:
    """The runs on the queues, at most so many of each, and the dead letters."""
    redis, found = client.store.redis, list[bytes]()
    async with answering():
        for place in (*map(keys.queue, queues), keys.DEAD):
            found += await redis.zrange(place, 0, most)
    return [each.decode(errors="replace") for each in found]
