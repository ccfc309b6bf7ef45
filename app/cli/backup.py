"""`steward backup`: save the home now, look at what was saved, put it back."""

from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from app.cli.answer import show_facts, show_json, show_table
from app.cli.failures import FAILED, OK, NotDone, complain
from app.cli.options import Json, Yes

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from app.services.backup import Backups, Stored

backup = App(name="backup", help="Save the home, look at what was saved, put it back.")

_COLUMNS = ("name", "made_at", "size")

DryRun = Annotated[bool, Parameter(negative=(), help="Only say what would be done.")]
Name = Annotated[str, Parameter(name="NAME", help="As `backup list` shows it, or latest.")]
To = Annotated[
    Path | None, Parameter(name="--to", help="The folder to put it into; the home if left out.")
]


@backup.command(name="now")
async def make_backup(*, dry_run: DryRun = False, json: Json = False) -> int:
    """Save everything now, beside whatever is running; exit code 1 if anything is missing."""
    async with _backups() as backups:
        made = await backups.make(dry_run=dry_run)
    facts = {name: getattr(made, name) for name in made.__slots__}
    if json:
        show_json(facts)
    else:
        show_facts({**facts, "errors": len(made.errors)})
    for line in () if json else made.errors:
        complain(line)
    return FAILED if made.errors else OK


@backup.default
@backup.command(name="list")
async def list_backups(*, json: Json = False) -> None:
    """List the backups that are whole, the latest first."""
    kept = await _stored().list()
    rows = [{"name": each.name, "made_at": each.made_at, "size": each.size} for each in kept]
    if json:
        show_json(rows)
    else:
        show_table(rows, _COLUMNS, empty="There is no backup yet: `steward backup now` makes one.")


@backup.command(name="verify")
async def verify_backup(name: Name = "latest", /, *, json: Json = False) -> int:
    """Read a backup from its first byte to its last; exit code 1 if it is damaged."""
    kept, checked = await _stored().verify(name)
    files = len(checked.manifest.files) if checked.manifest else 0
    if json:
        show_json({"name": kept.name, "files": files, "problems": checked.problems})
    elif not checked.problems:
        print(f"{kept.name} is whole: {files} {'file' if files == 1 else 'files'}")
    for line in () if json else checked.problems:
        complain(f"{kept.name}: {line}")
    return FAILED if checked.problems else OK


@backup.command(name="restore")
async def restore_backup(
    name: Name, /, *, to: To = None, yes: Yes = False, json: Json = False
) -> None:
    """Put a backup back; with --yes what is there already is moved aside, and kept."""
    from app.connection import database_at
    from app.settings import read_settings

    settings = read_settings()
    target = settings.home.resolve() if to is None else to.resolve()
    place = None if to else database_at(settings)
    server = place if isinstance(place, str) else None
    with unused(target):
        restored = await _stored().restore(name, target, may_move_aside=yes, server=server)
    facts = {each: getattr(restored, each) for each in restored.__slots__}
    if json:
        show_json(facts)
    else:
        show_facts(facts)


@contextmanager
def unused(target: Path) -> "Generator[None]":
    """Nobody may work in a home, or begin to, while its database is exchanged."""
    from app.local.home import GATE_LOCK, START_LOCK, USERS_LOCK
    from app.local.lock import Lock

    in_use = NotDone(f"{target} is in use: stop Steward there first")
    with ExitStack() as held:
        for name in (GATE_LOCK, USERS_LOCK, START_LOCK):
            if (target / name).exists() and not held.enter_context(Lock(target / name)).take():
                raise in_use
        if _is_open(target / "steward.db"):
            raise in_use
        yield


def _is_open(file: Path) -> bool:
    """Whether a process of this user has the file open."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if any(each.path == str(file) for each in process.open_files()):
                return True
    return False


@asynccontextmanager
async def _backups() -> "AsyncGenerator[Backups]":
    """How the home's backups are made, without any queue being opened."""
    from app.connection import database_at
    from app.context.files import open_backups
    from app.settings import read_settings
    from app.storage.database import Database

    settings = read_settings()
    home, place = settings.home.resolve(), database_at(settings)
    if isinstance(place, Path) and not place.exists():
        raise NotDone(f"there is nothing to save in {home}: start Steward once")
    async with Database.open(place) as database:
        await database.migrate()
        yield open_backups(settings, home, database)


def _stored() -> "Stored":
    from app.services.backup import Stored
    from app.settings import read_settings

    settings = read_settings()
    return Stored(settings.backup.folder or settings.home.resolve() / "backups")
