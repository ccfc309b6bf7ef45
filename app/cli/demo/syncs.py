"""The stops that show what is kept in step with something outside."""

from pathlib import Path

from anyio.to_thread import run_sync

from app.cli.demo.house import House, NotKept
from app.cli.demo.stops import Shown, Stop
from app.engine import seconds
from app.jobs import sync
from app.services.notes import NotesStatus

_SOON = seconds(15)
_BOTH = {"Roof.md", "Garden.md"}
_QUIET = "03:00-03:10"  # short, so that it keeps nothing of the tour waiting
_PREFERENCES = f'quiet_hours = "{_QUIET}"\n'


async def notes(house: House) -> Shown:
    """A folder of notes and a notebook elsewhere are brought in step; a clash is kept twice."""
    folder, there = house.home / "notes", house.office.notebook
    await run_sync(_write, folder / "Roof.md", "call the roofer\n")
    there.write("Garden", "plant the roses")
    first = await _synced(house)
    if not (await run_sync(_texts, folder)).keys() == {f"{e}.md" for e in there.texts} == _BOTH:
        raise NotKept(f"the notebook has {list(there.texts)} after the first sync")
    house.say(f"{'here':<8}| Roof.md went there, Garden.md came from there")
    await run_sync(_write, folder / "Garden.md", "plant the tulips\n")
    there.write("Garden", "plant the roses, in May")
    second = await _synced(house)
    here = await run_sync(_texts, folder)
    theirs = sorted(text.strip() for text in there.texts.values())
    if sorted(here.values()) != theirs or len(here) != len(_BOTH) + 1:
        raise NotKept(f"after a change on both sides there are {len(here)} notes here")
    for name, text in sorted(here.items()):
        house.say(f"{'both':<8}| {name}: {text}")
    effect = "1 note sent, 1 fetched; one changed on both sides: both kept, on both sides"
    return Shown(runs=(first, second), effect=effect)


async def _synced(house: House) -> str:
    handle = await house.services.client.enqueue(sync.sync_notion_pages)
    synced = await handle.result(within=_SOON)
    if synced.status is not NotesStatus.SUCCESS:
        raise NotKept(f"the sync of notes said {synced.status}: {'; '.join(synced.errors)}")
    return handle.id


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
    Stop("Notes in a folder and in a notebook elsewhere, to be in step", notes),
    Stop("A file that says when the owner wants quiet", preferences),
)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def _texts(folder: Path) -> dict[str, str]:
    return {each.name: each.read_text().strip() for each in folder.glob("[!.]*")}
