"""Every job, its worker killed in the middle: another finishes the work, none is done twice."""

import os
import sys
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from signal import SIGKILL
from typing import Any

import anyio
import msgspec
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from app.engine import Call, Ending, hours, minutes
from app.engine.roles.scheduler import Scheduler
from app.jobs import JOBS
from app.timetable import TIMETABLE
from tests.eventually import eventually
from tests.life.databases import everywhere
from tests.life.day import a_day
from tests.life.home import Home
from tests.life.ledger import VARIABLE
from tests.life.proofs import NEEDS, PROOFS, Scene
from tests.life.proofs.asked import ASKED, LOGS, OTHER
from tests.life.test_day import next_sunday
from tests.life.town import Town, a_town
from tests.life.victim import DIED, LEASE, Order
from tests.plugins.cases import Case
from tests.plugins.tiers import Tier
from tests.rights import python_path
from tests.scratch_home import Given
from tests.services.notifications.receiver import SECRET

SPAN = hours(2) + minutes(15)
"""From one round to the next: what is to be later, or again, is so by then."""
AGAIN = {"sms.process_sms_retries"}
"""Whose worker lives then: what the killed one had taken up goes out, and next has arrived."""
LATER = (
    {"ai.process_due_tasks", "ai.evaluate_events", "email.send_daily_summary"},
    {"sms.process_sms_retries"},
    AGAIN,
    AGAIN,
    {"sms.sms_health"},
)
"""What has something to do only later, round by round: when time has passed, or others are done."""
AS_ARQ = "the runs begin again after 310 s, and do it all again"
LONG = timedelta(seconds=120)
_EARLY = timedelta(seconds=55)


@dataclass(kw_only=True)
class Killer:
    """Has workers killed, each in the middle of one job, and their work finished by another."""

    scene: Scene
    settings: dict[str, Any]
    helper: Process
    seed: int
    most: int
    """Of how many steps one is chosen."""
    round: int = 0

    def later(self) -> None:
        """Begin the next round."""
        self.round += 1
        self.scene.day.clock.advance(SPAN)

    async def ask(self, calls: Mapping[str, Call[Any]]) -> None:
        """Enqueue each call, for this round."""
        for name, call in calls.items():
            job = call.job.with_options(id=self._run_of(name))
            await self.scene.day.services.client.enqueue_call(Call(job, call.args, call.kwargs))

    async def kill(self, calls: Mapping[str, Call[Any]]) -> None:
        """Enqueue each call, and have the worker that runs it killed."""
        answers = self.helper.stdout
        assert answers
        assert self.helper.stdin
        lines = BufferedByteReceiveStream(answers)
        for name, call in calls.items():
            await self.ask({name: call})
            order = Order(
                job=name,
                spot=Random(f"{self.seed} {self._run_of(name)}").randint(1, self.most),
                now=self.scene.day.clock.now(),
                settings=self.settings,
            )
            await self.helper.stdin.send(msgspec.json.encode(order) + b"\n")
            with anyio.fail_after(LONG.total_seconds()):
                code = await lines.receive_until(b"\n", 100)
            assert int(code) == -SIGKILL, f"{name} was not killed"

    def _run_of(self, name: str) -> str:
        return f"{name}@killed-{self.round}"

    async def finish(self, names: Collection[str]) -> set[str]:
        """Let one worker do what is left, all that follows from it included.

        Returns the jobs that ask a person, since nobody can tell whether it happened.
        """
        day, runs = self.scene.day, {self._run_of(name) for name in names}
        survivor = day.worker("survivor", lease=LEASE, concurrency=20)

        async def is_over() -> bool:
            queued = sum(each.ready for each in await day.services.client.queues())
            waits = await day.services.outbox.next(most=1)
            return not runs - day.endings.keys() and not queued and not waits

        async with anyio.create_task_group() as group:
            group.start_soon(survivor.run)
            await eventually(is_over, within=LONG)
            survivor.stop()
        failed = {
            run: day.outcomes[run] for run in runs if day.endings[run] is not Ending.SUCCEEDED
        }
        asking = {each.place.run_id for each in await day.services.effects.in_doubt()}
        assert {run: outcome for run, outcome in failed.items() if run not in asking} == {}
        _read(self.scene.town)
        return {name for name in names if self._run_of(name) in failed.keys() | asking}


@everywhere
@pytest.mark.case(1)
@pytest.mark.timeout(400)
async def test_a_job_of_the_timetable_whose_worker_is_killed_is_done_once(
    home: Home, tier: Tier, seed: int, case: Case
) -> None:
    shown, in_doubt = set[str](), set[str]()
    rounds = [{*PROOFS}.difference(*LATER), *LATER]
    async with a_town() as town, _a_killer(home, town, seed, tier) as killer:
        for proof in PROOFS.values():
            await proof.leave(killer.scene)
        for names in rounds:
            calls = {name: JOBS[name].call() for name in sorted(names)}
            await killer.kill(calls) if names is not AGAIN else await killer.ask(calls)
            in_doubt |= await killer.finish(names)
            shown |= {name for name in names if await PROOFS[name].shows(killer.scene)}
            killer.later()
    case.says(_killed(home), arq=AS_ARQ, steward=_finished(in_doubt))
    in_doubt |= {name for name, needed in NEEDS.items() if needed in in_doubt}
    assert shown | in_doubt == PROOFS.keys()


@everywhere
@pytest.mark.case(1)
@pytest.mark.timeout(400)
async def test_a_job_that_somebody_asked_for_whose_worker_is_killed_is_done_once(
    home: Home, tier: Tier, seed: int, case: Case
) -> None:
    async with a_town() as town, _a_killer(home, town, seed, tier) as killer:
        calls = {name: await asked.call(killer.scene) for name, asked in ASKED.items()}
        await killer.kill(calls)
        in_doubt = await killer.finish(calls)

        shown = {name for name, asked in ASKED.items() if await asked.shows(killer.scene)}
    case.says(_killed(home), arq=AS_ARQ, steward=_finished(in_doubt))
    assert shown | in_doubt == ASKED.keys()


def test_every_job_is_killed_in_one_of_the_stories() -> None:
    assert {*PROOFS, *ASKED} == JOBS.keys()


def _read(town: Town) -> None:
    """As mail readers do: what came again under the same Message-ID is the same mail."""
    mails = {str(each.message["Message-ID"]): each for each in town.outgoing.mails}
    town.outgoing.mails[:] = mails.values()


def _killed(home: Home) -> str:
    died = home.ledger.lines(DIED)
    for line in died:
        print(f"{line.run} died at step {line.key}")
    ends = sum(line.key.endswith("its end") for line in died)
    return f"kill -9 of {len(died)} workers, each in the middle of another job, {ends} at its end"


def _finished(in_doubt: Collection[str]) -> str:
    asked = ", ".join(sorted(in_doubt)) or "none"
    return f"each finished by another, its effect there once; a person is asked of {asked}"


@asynccontextmanager
async def _a_killer(home: Home, town: Town, seed: int, tier: Tier) -> AsyncGenerator[Killer]:
    """A home in this town on a Sunday, nobody at work there, and somebody who will kill."""
    begins = next_sunday() + hours(1) - _EARLY
    settings = _settings(home, town)
    helper = await anyio.open_process(
        [sys.executable, "-m", "tests.life.victim"],
        stderr=None,
        env={**os.environ, VARIABLE: str(home.ledger.path), "PYTHONPATH": python_path()},
    )
    async with helper, a_day(Given.model_validate(settings), begins, ()) as day:
        day.clock.advance(begins - day.clock.now())
        await Scheduler(TIMETABLE, day.services.client).fire_due()  # the clock has been seen to go
        owner = await day.services.users.owner()
        scene = Scene(
            day=day, home=home.path, folder=home.folder, town=town, owner=owner, begins=begins
        )
        most = tier.of(9, 40)
        yield Killer(scene=scene, settings=settings, helper=helper, seed=seed, most=most)
        helper.terminate()


def _settings(home: Home, town: Town) -> dict[str, Any]:
    given = town.settings()
    site = town.site
    given["notify"] |= {
        "slack_url": site.url("to-slack"),
        "webhook_url": site.url("to-hook"),
        "webhook_secret": SECRET,
    }
    return {
        "home": str(home.path),
        "database": {"url": home.database_url or None},
        "owner": {"name": "Ann", "address": "ann@example.org", "timezone": "Asia/Karachi"},
        "files": {
            "sync_with": str(home.folder / OTHER),
            "log_folders": [str(home.folder / LOGS)],
        },
        **given,
    }
