"""Watching: many failures are told on every channel, and what is long over is forgotten."""

import json
from collections import Counter

from app.engine import Ending, RunEvent, days, seconds
from app.engine.doors.events import Batch
from app.storage.failures import NewFailure
from app.storage.runs import Runs
from tests.life.proofs.scene import Proof, Scene

RULES = ("failure-rate", "failure-rate-high")
FAILED, TOTAL = 90, 100  # so many that the day's own runs don't dilute them


async def leave_failed_runs(scene: Scene) -> None:
    at = scene.begins - seconds(5)
    endings = [Ending.DEAD] * FAILED + [Ending.SUCCEEDED] * (TOTAL - FAILED)
    events = tuple(
        RunEvent(
            run_id=f"run-{number}",
            job="tests.work",
            queue="email",
            ending=ending,
            attempt=1,
            enqueued_at=at,
            started_at=at,
            ended_at=at,
            worker="w1",
        )
        for number, ending in enumerate(endings)
    )
    batch = Batch(entry_id="0-1", first=1, last=TOTAL, events=events)
    await Runs(scene.database).record([batch])


async def is_told_everywhere(scene: Scene) -> bool:
    """Once a rule on each channel; the worse one by mail, too."""
    posts = scene.town.site.posts
    hooked = Counter(json.loads(each.body)["rule"] for each in posts if each.path == "/hook")
    slack = "".join(json.loads(each.body)["text"] for each in posts if each.path == "/slack")
    subjects = Counter(str(each.message["Subject"]) for each in scene.town.outgoing.mails)
    return (
        all(hooked[rule] == 1 for rule in RULES)
        and all(slack.count(f": {rule}*") == 1 for rule in RULES)
        and subjects["[Steward] critical: failure-rate-high"] == 1
    )


async def leave_failures(scene: Scene) -> None:
    await scene.day.services.failures.add(
        NewFailure(
            run_id=run_id,
            job="tests.work",
            queue="email",
            ending=Ending.DEAD,
            attempt=1,
            failed_at=scene.begins - ago,
            worker="w1",
            kind="OSError",
            message="",
            arguments="",
            traceback="",
        )
        for run_id, ago in (("old", days(31)), ("young", days(2)))
    )


async def has_young_failures_alone(scene: Scene) -> bool:
    failures = await scene.day.services.failures.find(job="tests.work")
    return [each.run_id for each in failures] == ["young"]


PROOFS = {
    "maintenance.check_alerts": Proof(leave_failed_runs, is_told_everywhere),
    "maintenance.prune_watch": Proof(leave_failures, has_young_failures_alone),
}
