"""Files: old ones go, old logs too, and the home is in a backup that gives it back."""

import gzip
import os
from datetime import timedelta
from pathlib import Path

from app.engine import days, hours
from tests.life.proofs.scene import Proof, Scene

LINE, DIARY = "a line\n", "dear diary"


async def leave_temp(scene: Scene) -> None:
    write(scene, scene.home / "tmp/old", ago=hours(30))
    write(scene, scene.home / "tmp/young", ago=hours(1))


async def is_tidy(scene: Scene) -> bool:
    return [each.name for each in (scene.home / "tmp").iterdir()] == ["young"]


async def leave_logs(scene: Scene) -> None:
    write(scene, scene.home / "logs/old.log", ago=days(40))
    write(scene, scene.home / "logs/other.log", ago=days(3))


async def has_small_logs(scene: Scene) -> bool:
    """The old one is gone, and the other one compressed; the server's own is not looked at."""
    logs = [each for each in (scene.home / "logs").iterdir() if "valkey" not in each.name]
    packed = [each.read_bytes() for each in logs if each.suffix == ".gz"]
    return len(logs) == 1 and list(map(gzip.decompress, packed)) == [LINE.encode()]


async def leave_diary(scene: Scene) -> None:
    write(scene, scene.home / "files/diary.txt", DIARY, ago=days(1))


async def is_saved(scene: Scene) -> bool:
    backups, target = scene.day.services.backups, scene.folder / "elsewhere"
    kept = await backups.list()
    if len(kept) != 1:
        return False
    await backups.restore(kept[0].name, target, may_move_aside=False)
    diary = target / "files/diary.txt"
    return diary.exists() and diary.read_text() == DIARY


def write(scene: Scene, path: Path, text: str = LINE, *, ago: timedelta) -> None:
    """A file that was written so long before the day."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    when = (scene.begins - ago).timestamp()
    os.utime(path, (when, when))


PROOFS = {
    "files.cleanup_temp_files": Proof(leave_temp, is_tidy),
    "files.backup_user_data": Proof(leave_diary, is_saved),
    "maintenance.cleanup_old_logs": Proof(leave_logs, has_small_logs),
}
