"""`steward queues`: how many runs wait in each queue, and who works on them."""

from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import Facts, show_json, show_table
from app.cli.options import Json

if TYPE_CHECKING:
    from app.engine import QueueDepth, WorkerSeen

queues = App(name="queues")

_QUEUE = ("queue", "ready", "running", "deferred", "parked", "oldest_wait")
_WORKER = ("worker", "queues", "running", "slots", "started_at")


@queues.default
async def show_queues(*, json: Json = False) -> None:
    """Show what waits in each queue, the most urgent first, and the workers."""
    from app.connection import open_client
    from app.settings import read_settings

    async with open_client(read_settings()) as client:
        depths, workers = await client.queues(), await client.workers()
    waiting, working = [*map(_queue, depths)], [*map(_worker, workers)]
    if json:
        show_json({"queues": waiting, "workers": working})
        return
    show_table(waiting, _QUEUE, empty="There are no queues.")
    print()
    show_table(working, _WORKER, empty="No worker is running: type scripts/start.")


def _queue(depth: "QueueDepth") -> Facts:
    return {
        "queue": depth.name,
        "ready": depth.ready,
        "running": depth.running,
        "deferred": depth.deferred,
        "parked": depth.parked,
        "oldest_wait": depth.oldest_wait,
    }


def _worker(worker: "WorkerSeen") -> Facts:
    from app.engine import queue_title

    return {
        "worker": worker.id,
        "host": worker.host,
        "pid": worker.pid,
        "queues": [*map(queue_title, worker.queues)],
        "slots": worker.slots,
        "running": worker.running,
        "started_at": worker.started_at,
        "blocked": worker.blocked,
    }
