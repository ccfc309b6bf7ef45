"""A day of the timetable in fast time: each tick is one run, whichever worker has it, and works."""

from collections.abc import AsyncGenerator, Collection, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta

import pytest

from app.engine import Ending, days, hours, minutes, seconds
from app.jobs import JOBS
from app.timetable import TIMETABLE
from mutation.bodies import emptied, pretending
from tests.life.databases import everywhere
from tests.life.day import a_day
from tests.life.home import Home
from tests.life.proofs import NEEDS, PROOFS, Scene
from tests.life.town import Town, a_town
from tests.plugins.tiers import Tier
from tests.scratch_home import Given

NAMES = [each.name for each in TIMETABLE]
EARLY = seconds(55)
"""From a look at the clock to the next tick: so long may a slow machine take for what is due."""
GROUPS = 4
"""Days on which jobs are emptied: neighbours, who could do each other's work, on different ones."""


@everywhere
@pytest.mark.timeout(900)
async def test_each_tick_of_a_day_is_one_run_with_its_effect(home: Home, tier: Tier) -> None:
    sunday = next_sunday()
    begins = sunday + hours(tier.of(1, 0)) - EARLY
    ends = begins + minutes(tier.of(3 * 60 + 50, 24 * 60))  # the small hours are the busy ones
    async with a_town() as town, _a_scene(home, town, begins) as scene:
        day = scene.day

        ticks = await day.play(ends, step=minutes(tier.of(10, 1)))

        shown = await _shown(scene)
        heard = {run: day.heard[run] for run in day.heard if "@" in run}
        failed = {run for run in ticks if day.endings[run] is not Ending.SUCCEEDED}
    print(f"{len(ticks)} ticks of {len(TIMETABLE)} schedules, {sum(heard.values())} runs of them")
    assert heard == dict.fromkeys(ticks, 1)
    assert failed == set()
    assert {run.partition("@")[0] for run in ticks} == {*NAMES}
    assert {day.by[run] for run in ticks} == {"one", "two", "three"}
    assert shown == {*NAMES}


@pytest.mark.tier("T2")
@pytest.mark.parametrize("group", range(GROUPS))
async def test_what_an_emptied_job_leaves_undone_is_missed(home: Home, group: int) -> None:
    names = NAMES[group::GROUPS]
    begins = next_sunday() + hours(1) - EARLY
    async with a_town() as town, _a_scene(home, town, begins) as scene:
        with _emptied(names):
            await scene.day.play(begins + minutes(3 * 60 + 50), step=minutes(10))

        shown = await _shown(scene)
    idle = {name for name, needed in NEEDS.items() if needed in names}
    assert shown == {*NAMES} - {*names} - idle


def test_every_job_of_the_timetable_has_its_proof() -> None:
    assert PROOFS.keys() == {each.call.job.name for each in TIMETABLE}


@asynccontextmanager
async def _a_scene(home: Home, town: Town, begins: datetime) -> AsyncGenerator[Scene]:
    """A day on which each job has been left something to do."""
    settings = Given.model_validate(
        {
            "home": home.path,
            "database": {"url": home.database_url or None},
            "owner": {"name": "Ann", "address": "ann@example.org", "timezone": "Asia/Karachi"},
            **town.settings(),
        }
    )
    async with a_day(settings, begins, TIMETABLE) as day:
        owner = await day.services.users.owner()
        scene = Scene(
            day=day, home=home.path, folder=home.folder, town=town, owner=owner, begins=begins
        )
        for proof in PROOFS.values():
            await proof.leave(scene)
        yield scene


async def _shown(scene: Scene) -> set[str]:
    """The jobs that are seen to have done their work."""
    return {name for name, proof in PROOFS.items() if await proof.shows(scene)}


@contextmanager
def _emptied(names: Collection[str]) -> Generator[None]:
    """These jobs do nothing, and say that all went well."""
    with ExitStack() as stack:
        for name in names:
            stack.enter_context(emptied(JOBS[name], pretending(JOBS[name])))
        yield


def next_sunday() -> datetime:
    """Midnight of one that is some days off, so that what is here now is old by then."""
    midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + days(3)
    return midnight + timedelta(days=6 - midnight.weekday())
