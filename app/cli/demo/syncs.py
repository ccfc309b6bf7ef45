"""The stops that show what is kept in step with something outside."""

from pathlib import Path

from anyio.to_thread import run_sync

from app.cli.demo.house import House, NotKept
from app.cli.demo.stops import Shown, Stop
from app.engine import seconds
from app.jobs import sync
from app.services.notes import NotesStatus

_SOON = seconds(15)
_QUIET = "03:00-03:10"  # short, so that it keeps nothing of the tour waiting
_PREFERENCES = f'quiet_hours = "{_QUIET}"\n'


async def notes(house: House) -> Shown:
    """Without an account notes stay in the home, and the sync says so and touches nothing."""
    folder = house.home / "notes"
    note = folder / "Roof.md"
    await run_sync(_write, note, "# Roof\n\n- [ ] call the roofer\n")
    handle = await house.services.client.enqueue(sync.sync_notion_pages)
    synced = await handle.result(within=_SOON)
    left = await run_sync(lambda: [each.name for each in folder.iterdir()])
    if synced.status is not NotesStatus.NOT_CONFIGURED or left != [note.name]:
        raise NotKept(f"the sync said {synced.status}, and in the folder are {left}")
    return Shown(runs=(handle.id,), effect="1 note at home; no Notion account: not configured")


async def preferences(house: House) -> Shown:
    """What the owner writes into a file holds from then on."""
    await run_sync(_write, house.home / "preferences" / "owner.toml", _PREFERENCES)
    handle = await house.services.client.enqueue(sync.sync_user_preferences)
    await handle.result(within=_SOON)
    owner = await house.services.users.owner()
    if str(owner.quiet_hours) != _QUIET:
        raise NotKept(f"the owner's quiet hours are {owner.quiet_hours}")
    return Shown(runs=(handle.id,), effect=f"quiet hours: none before, {_QUIET} now")


SYNC_STOPS = (
    Stop("A note, and no account to be in step with", notes),
    Stop("A file that says when the owner wants quiet", preferences),
)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
