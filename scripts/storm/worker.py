"""One worker process of the storm: `python -m storm.worker RELEASE LEASE SLOTS URL`."""

import sys

from arq.connections import RedisSettings

from app.engine import (
    Client,
    Codec,
    Unavailable,
    Worker,
    WorkerOptions,
    heeding_signals,
    run_process,
    seconds,
)
from storm.jobs import QUEUES, RELEASES, Context

KEY = b"a key that only storms sign with"
OPENED = "opened"
"""What a worker says when it is at work."""

_FAILED = 1


def main(release: str, lease: str, slots: str, url: str) -> int:
    """Work until told to stop; 1 when Redis was away at the start."""
    redis, jobs = RedisSettings.from_dsn(url), RELEASES[int(release)]
    options = WorkerOptions(
        concurrency=int(slots),
        lease=seconds(float(lease)),
        poll=seconds(0.5),
    )

    async def opened() -> None:
        print(OPENED, flush=True)

    async def work() -> int:
        async with Client.open(redis, Codec([KEY]), jobs=jobs) as client:
            worker = Worker(
                client,
                redis,
                jobs=jobs,
                queues=QUEUES,
                make_context=Context,
                roles=[opened],
                options=options,
            )
            async with heeding_signals(lambda _: worker.stop()):
                try:
                    await worker.run()
                except Unavailable as error:
                    print(f"storm: this worker can't start: {error}", file=sys.stderr)
                    return _FAILED
        return 0

    return run_process(work)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
