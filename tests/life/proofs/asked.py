"""Jobs that somebody asks for: what they are called with, and what shows that they did it, once."""

import json
import os
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from app.engine import Call, days, hours
from app.jobs import ai, email, files, letters, notifications, sms, watch
from app.services.alert_report import Channel
from tests.life.proofs import ai as told
from tests.life.proofs.files import write
from tests.life.proofs.scene import Scene
from tests.life.proofs.watch import leave_failed_runs
from tests.life.town import PHONE

ROOF, GARDEN, BOB, CELLAR = "The roof leaks", "Roses for the garden", "call Bob", "heat the cellar"
OTHER, LOGS = "other-disk", "other-logs"
"""Folders beside the home: what its files are kept alike with, and another program's logs."""


@dataclass(frozen=True)
class Asked:
    """A call, made when everything it needs is there; and whether all of it was done, once."""

    call: Callable[[Scene], Awaitable[Call[Any]]]
    shows: Callable[[Scene], Awaitable[bool]]


async def _notify(scene: Scene) -> Call[Any]:
    return email.send_notification.call(scene.owner.id, ROOF, "in the kitchen", urgent=True)


async def _write(scene: Scene) -> Call[Any]:
    return letters.send_letter.call(scene.owner.id, GARDEN, "and some thyme", "garden", urgent=True)


def _one_mail(subject: str) -> Callable[[Scene], Awaitable[bool]]:
    async def shows(scene: Scene) -> bool:
        subjects = [str(each.message["Subject"]) for each in scene.town.outgoing.mails]
        return sum(subject in each for each in subjects) == 1

    return shows


async def _text(scene: Scene) -> Call[Any]:
    return sms.send_sms.call(scene.owner.id, BOB, "bob", urgent=True)


async def _is_texted(scene: Scene) -> bool:
    return [(each["To"], each["Body"]) for each in scene.town.phones.taken] == [(PHONE, BOB)]


async def _slack(scene: Scene) -> Call[Any]:
    return notifications.send_slack.call(scene.owner.id, ROOF, "roof", urgent=True)


async def _is_slacked(scene: Scene) -> bool:
    posts = [each for each in scene.town.site.posts if each.path == "/to-slack"]
    return [ROOF in json.loads(each.body)["text"] for each in posts] == [True]


async def _hook(scene: Scene) -> Call[Any]:
    return notifications.send_webhook.call(
        scene.owner.id, json.dumps({"said": ROOF}), "roof", urgent=True
    )


async def _is_hooked(scene: Scene) -> bool:
    """Perhaps twice, but then under one id, by which the other side knows it."""
    posts = [each for each in scene.town.site.posts if each.path == "/to-hook"]
    return len({each.headers["webhook-id"] for each in posts}) == 1


async def _remind(scene: Scene) -> Call[Any]:
    return ai.create_reminder.call(scene.owner.id, BOB, scene.begins + hours(30))


async def _repeat(scene: Scene) -> Call[Any]:
    daily: dict[str, int | float | str | list[int]] = {"hour": 9, "minute": 30}
    return ai.create_periodic_task.call(scene.owner.id, GARDEN, "daily", daily)


def _one_task(title: str) -> Callable[[Scene], Awaitable[bool]]:
    async def shows(scene: Scene) -> bool:
        tasks = await scene.day.services.tasks.of(scene.owner.id)
        return [each.title for each in tasks].count(title) == 1

    return shows


async def _run_task(scene: Scene) -> Call[Any]:
    due = scene.begins + timedelta(seconds=1)
    made = await scene.day.services.tasks.create_reminder(scene.owner, CELLAR, due)
    return ai.run_task.call(made.task.id, due)


async def _is_told(scene: Scene) -> bool:
    return [each.title for each in await told.notices(scene)].count(CELLAR) == 1


async def _tell(scene: Scene) -> Call[Any]:
    await leave_failed_runs(scene)
    alerting = scene.day.services.alerting
    found = await alerting.look()
    async with scene.database.write() as session:
        settled = await alerting.settle(session, found)
    one = next(each for each in settled.telling if each.channel is Channel.WEBHOOK)
    return watch.tell_alert.call(one.alert.id, one.channel, one.alert.told)


async def _is_alerted(scene: Scene) -> bool:
    posts = [each for each in scene.town.site.posts if each.path == "/hook"]
    return len({json.loads(each.body)["rule"] for each in posts}) == 1


async def _organize(scene: Scene) -> Call[Any]:
    for name in ("tea", "cake", "pie"):
        _lay(scene.home / f"incoming/{name}.jpg", name)
    return files.organize_files.call()


async def _is_sorted(scene: Scene) -> bool:
    there = {each.name: each.read_text() for each in (scene.home / "files/images").iterdir()}
    left = [*(scene.home / "incoming").iterdir()]
    return there == {f"{name}.jpg": name for name in ("tea", "cake", "pie")} and not left


async def _keep_alike(scene: Scene) -> Call[Any]:
    for number in range(4):
        _lay(scene.home / f"files/here/{number}.txt", f"here {number}")
        _lay(scene.folder / OTHER / f"there/{number}.txt", f"there {number}")
    return files.sync_file_storage.call()


async def _are_alike(scene: Scene) -> bool:
    """All of both sides, byte for byte; what else came into the files meanwhile does not count."""
    wanted = Counter(f"{side} {n}" for side in ("here", "there") for n in range(4))
    for root in (scene.home / "files", scene.folder / OTHER):
        lying = [*(root / "here").iterdir(), *(root / "there").iterdir()]
        if Counter(each.read_text() for each in lying) != wanted:
            return False
    return True


async def _tidy_logs(scene: Scene) -> Call[Any]:
    for name, ago in (("old.log", days(40)), ("older.log", days(50)), ("young.log", hours(1))):
        write(scene, scene.folder / LOGS / name, ago=ago)
    return files.cleanup_old_logs.call()


async def _are_tidy(scene: Scene) -> bool:
    return [each.name for each in (scene.folder / LOGS).iterdir()] == ["young.log"]


def _lay(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (0, 0))


ASKED = {
    "email.send_notification": Asked(_notify, _one_mail(ROOF)),
    "email.send_letter": Asked(_write, _one_mail(GARDEN)),
    "sms.send_sms": Asked(_text, _is_texted),
    "notifications.send_slack": Asked(_slack, _is_slacked),
    "notifications.send_webhook": Asked(_hook, _is_hooked),
    "ai.create_reminder": Asked(_remind, _one_task(BOB)),
    "ai.create_periodic_task": Asked(_repeat, _one_task(GARDEN)),
    "ai.run_task": Asked(_run_task, _is_told),
    "maintenance.tell_alert": Asked(_tell, _is_alerted),
    "files.organize_files": Asked(_organize, _is_sorted),
    "files.sync_file_storage": Asked(_keep_alike, _are_alike),
    "files.cleanup_old_logs": Asked(_tidy_logs, _are_tidy),
}
