"""Speaks for an adapter, in a process of its own; its answer is the last line it prints.

agent about FILE                                what the adapter says of itself
agent enqueue FILE MODE TASK FIRST N SECONDS... enqueue N runs, from number FIRST on; MODE is
                                                each, at-once:100, bulk or paced:40
"""

import asyncio
import importlib.metadata
import importlib.util
import inspect
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import uvloop

_CHUNK = 50_000  # calls made at a time: a million of them need not lie in memory at once

Call = tuple[float, ...]


def about(adapter: Any, file: Path) -> dict[str, object]:
    """What the adapter says of itself, as `benchmark.contestant.About` reads it."""
    variant = getattr(adapter, "VARIANT", "")
    name = f"{file.stem}:{variant}" if variant else file.stem
    return {
        "title": getattr(adapter, "TITLES", {}).get(variant, name),
        "variants": getattr(adapter, "VARIANTS", [""]),
        "versions": {each: importlib.metadata.version(each) for each in adapter.PACKAGES},
        "concurrency": adapter.CONCURRENCY,
        "command": adapter.worker_command("W2"),
        "most_runs": getattr(adapter, "MAX_JOBS", None),
        "most_queued": getattr(adapter, "MAX_QUEUED", None),
        "is_crowd": getattr(adapter, "CROWD", False),
    }


async def enqueue(adapter: Any, mode: str, task: str, calls: Sequence[Call]) -> dict[str, object]:
    """Enqueue them the way that `mode` says; only that is on the clock."""
    client = await _settled(adapter.connect())
    way, _, number = mode.partition(":")
    send = {"each": _each, "at-once": _at_once, "bulk": _bulk, "paced": _paced}[way]
    started, cpu = time.perf_counter(), time.process_time()
    times = await send(adapter, client, task, calls, float(number or 0))
    spent = {"seconds": time.perf_counter() - started, "cpu": time.process_time() - cpu}
    if hasattr(adapter, "close"):
        await _settled(adapter.close(client))
    return {**spent, "times": times}


async def _each(
    adapter: Any, client: Any, task: str, calls: Sequence[Call], _: float
) -> list[float]:
    for call in calls:
        await _settled(adapter.enqueue(client, task, *call))
    return []


async def _at_once(
    adapter: Any, client: Any, task: str, calls: Sequence[Call], size: float
) -> list[float]:
    for first in range(0, len(calls), int(size)):
        some = calls[first : first + int(size)]
        await asyncio.gather(*[_settled(adapter.enqueue(client, task, *call)) for call in some])
    return []


async def _bulk(
    adapter: Any, client: Any, task: str, calls: Sequence[Call], _: float
) -> list[float]:
    for first in range(0, len(calls), _CHUNK):
        await _settled(adapter.enqueue_many(client, task, calls[first : first + _CHUNK]))
    return []


async def _paced(
    adapter: Any, client: Any, task: str, calls: Sequence[Call], pace: float
) -> list[float]:
    begin, times = time.monotonic(), list[float]()
    for number, call in enumerate(calls):
        await asyncio.sleep(max(0.0, begin + number / pace - time.monotonic()))
        times.append(time.monotonic())
        await _settled(adapter.enqueue(client, task, *call))
    return times


async def _settled(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


def _load(file: Path) -> Any:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec, f"{file} is no Python file"
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[file.stem] = module  # where what it declares is looked up by name
    spec.loader.exec_module(module)
    return module


def main() -> None:
    """Answer the question on the command line."""
    what, name, *rest = sys.argv[1:]
    adapter = _load(Path(name))
    if what == "about":
        answer = about(adapter, Path(name))
    else:
        mode, task, first, size, *seconds = rest
        numbers = range(int(first), int(first) + int(size))
        calls = [(number, *map(float, seconds)) for number in numbers]
        answer = uvloop.run(enqueue(adapter, mode, task, calls))
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
