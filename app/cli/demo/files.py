"""The stops about files: what comes in is sorted, and all of the home is saved and put back."""

import os
from pathlib import Path

from anyio.to_thread import run_sync

from app.cli.demo.house import House, NotKept
from app.cli.demo.stops import Shown, Stop
from app.engine import seconds
from app.jobs import files

_SOON = seconds(15)
_PICTURE = b"\x89PNG\r\n\x1a\n of the garden"


async def sorting(house: House) -> Shown:
    """A picture that comes in is put among the pictures."""
    await run_sync(_bring, house.home / "incoming" / "garden.png")
    handle = await house.services.client.enqueue(files.organize_files)
    await handle.result(within=_SOON)
    there = house.home / "files" / "images" / "garden.png"
    if await run_sync(_content, there) != _PICTURE:
        raise NotKept("the picture that came in is not among the images")
    return Shown(runs=(handle.id,), effect="now in files/images")


async def backup(house: House) -> Shown:
    """All of the home is saved, while it is in use; put back elsewhere, it is the same."""
    handle = await house.services.client.enqueue(files.backup_user_data)
    made = await handle.result(within=_SOON)
    target = house.home.parent / "put-back"
    restored = await house.services.backups.restore(made.name, target, may_move_aside=False)
    for name in ("files/images/garden.png", "calendar/teas.ics"):
        if await run_sync(_content, target / name) != await run_sync(_content, house.home / name):
            raise NotKept(f"{name} did not come back as it was")
    kilobytes = made.size // 1000
    effect = f"{restored.files} files in {kilobytes} kB; put back elsewhere, byte for byte"
    return Shown(runs=(handle.id,), effect=effect)


def _bring(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_PICTURE)
    os.utime(path, (0, 0))  # an old one: what is young may still be on its way


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


FILE_STOPS = (
    Stop("A picture that comes in, to be sorted", sorting),
    Stop("All of it, to be backed up and put back", backup),
)
