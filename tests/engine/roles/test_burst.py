"""A burst goes on as long as somebody still brings runs to its queues."""

import anyio

from app.engine import Worker, WorkerOptions
from tests.engine.conftest import QUEUES, Bench, Open
from tests.engine.jobs import write


async def test_a_burst_goes_on_until_no_role_has_anything_left(workshop: Open) -> None:
    async with workshop(write) as shop:
        looks = list[int]()

        async def more() -> bool:
            """Bring one run after the other, each when the queues are empty."""
            looks.append(len(shop.page))
            if len(shop.page) < 3:
                await shop.client.enqueue(write.with_options(key="one"), str(len(shop.page)))
            return len(shop.page) < 3

        worker = Worker(
            shop.client,
            shop.redis,
            jobs=shop.jobs,
            queues=QUEUES,
            make_context=lambda attempt: Bench(
                attempt=attempt, client=shop.client, page=shop.page, gate=shop.gate
            ),
            options=WorkerOptions(burst=True),
            more=more,
        )
        with anyio.fail_after(20):
            await worker.run()

    assert shop.page == ["0", "1", "2"]
    assert looks[-1] == 3
