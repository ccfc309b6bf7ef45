"""Backups: what is in one, what comes back, what stays, and what is told when something fails."""

import os
import tarfile
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.engine import days
from app.services.backup import (
    BackupBusy,
    Backups,
    BackupStatus,
    Retention,
    TargetInUse,
    UnknownBackup,
)
from app.services.backup.shelf import Shelf
from app.storage.database import Database
from app.storage.errors import NewerDatabase, UnusableDatabase
from app.storage.sightings import Sighting, Sightings
from app.storage.users import User, Users
from tests.plugins.cases import Case
from tests.services.backup.conftest import Open, contents
from tests.storage.still_clock import TICK, StillClock

SAVED = ("mail", "calendar", "notes", "users")


@pytest.mark.case(64)
async def test_what_was_saved_comes_back_byte_for_byte(
    backups: Backups, home: Path, tmp_path: Path, owner: User, case: Case
) -> None:
    old = home / "notes/a note.md"
    os.chmod(old, 0o640)
    os.utime(old, ns=(1_600_000_000_123_456_789, 1_600_000_000_123_456_000))
    target = tmp_path / "elsewhere"

    made = await backups.make()
    restored = await backups.restore("latest", target, may_move_aside=False)

    assert contents(target, *SAVED) == contents(home, *SAVED)
    assert {each.name for each in target.iterdir()} == {*SAVED, "steward.db"}
    back = (target / "notes/a note.md").stat()
    assert (back.st_mode & 0o777, round(back.st_mtime, 3)) == (0o640, 1_600_000_000.123)
    assert (target / "mail/inbox/cur").is_dir()
    async with Database.open(target / "steward.db") as database:
        assert await Users(database).owner() == owner
    assert (made.status, made.files, restored.files) == (BackupStatus.SUCCESS, 5, 5)
    assert (made.total_size, made.size) == (restored.size, (await backups.list())[0].size)
    assert restored.aside is None
    case.says(
        "a home is saved and put back elsewhere",
        steward=f"{restored.files} files of {restored.size} bytes alike, with modes and times",
    )


async def test_a_user_who_came_and_went_since_leaves_their_number_to_nobody(
    backups: Backups, home: Path, database: Database, owner: User
) -> None:
    await backups.make()
    users = Users(database)
    eve = await users.add(name="Eve", address="eve@example.com")
    await users.delete(eve.id)

    await backups.restore("latest", home, may_move_aside=True)

    async with Database.open(home / "steward.db") as restored:
        zoe = await Users(restored).add(name="Zoe", address="zoe@example.com")
    assert owner.id < eve.id < zoe.id


async def test_it_can_be_looked_into_and_checked_without_steward(
    backups: Backups, home: Path
) -> None:
    made = await backups.make()
    file = home / "backups" / made.name

    with tarfile.open(file) as tar:
        names = set(tar.getnames())

    assert names >= {"steward.db", "calendar/tea.ics", "manifest.json"}
    assert not {name for name in names if "secret" in name or "log" in name or "valkey" in name}
    summed = (home / "backups" / f"{made.name}.sha256").read_text()
    assert summed == f"{sha256(file.read_bytes()).hexdigest()}  {made.name}\n"
    assert file.stat().st_mode & 0o777 == 0o600


async def test_the_database_is_saved_as_of_one_moment_while_it_is_written_to(
    backups: Backups, database: Database, tmp_path: Path
) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE users SET name = 'half written'"))
        made = await backups.make()

    await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)
    async with Database.open(tmp_path / "elsewhere/steward.db") as restored:
        assert (await Users(restored).owner()).name == "Ann"


async def test_each_user_counts(backups: Backups, database: Database) -> None:
    await Users(database).add(name="Bob", address="bob@example.com")
    await Users(database).add(name="Eve", address="eve@example.com")

    made = await backups.make()

    assert (made.users_backed_up, made.users_failed) == (3, 0)


async def test_what_can_not_be_read_of_one_user_is_told_and_all_else_is_saved(
    backups: Backups, database: Database, home: Path, tmp_path: Path
) -> None:
    bob = await Users(database).add(name="Bob", address="bob@example.com")
    deep = home / f"users/{bob.id}"
    for _ in range(120):
        deep = deep / "d"
    deep.mkdir(parents=True)
    (deep / "lost").write_text("x")

    made = await backups.make()
    await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)

    assert made.status is BackupStatus.PARTIAL_SUCCESS
    assert (made.users_backed_up, made.users_failed) == (1, 1)
    assert len(made.errors) == 1
    assert "too many folders" in made.errors[0]
    assert (tmp_path / "elsewhere/users/2/thing.txt").read_bytes() == b"of another user"
    assert (await backups.verify())[1].problems == ()


@pytest.mark.case(64)
async def test_links_sockets_and_what_they_lead_to_are_not_in_it(
    backups: Backups, home: Path
) -> None:
    (home / "notes/link").symlink_to("/etc/passwd")
    (home / "notes/folder").symlink_to("/etc")
    os.mkfifo(home / "notes/pipe")

    made = await backups.make()

    with tarfile.open(home / "backups" / made.name) as tar:
        members = tar.getmembers()
    assert all(each.isreg() or each.isdir() for each in members)
    assert not {each.name for each in members} & {"notes/link", "notes/folder", "notes/pipe"}
    assert (made.skipped, made.status) == (3, BackupStatus.SUCCESS)


@pytest.mark.case(64)
async def test_names_of_any_bytes_and_files_with_several_names_come_back(
    backups: Backups, home: Path, tmp_path: Path
) -> None:
    odd = (b"\xff\xfe", b"new\nline", b"\x1b[31mred", b"..x", b"~", b"-rf", b"%41", b"a" * 250)
    for name in odd:
        (home / "notes" / os.fsdecode(name)).write_bytes(name)
    os.link(home / "notes/~", home / "notes/twin")
    (home / "notes/A NOTE.md").write_text("another case")

    made = await backups.make()
    await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)

    assert contents(tmp_path / "elsewhere", "notes") == contents(home, "notes")


async def test_further_folders_are_saved_and_never_written_back_to_where_they_were(
    open_backups: Open, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    documents = tmp_path_factory.mktemp("documents")
    (documents / "letter.txt").write_text("dear Ann")
    backups = open_backups(documents, folder=documents / "backups")

    await backups.make()
    made = await backups.make()
    await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)

    (saved,) = (tmp_path / "elsewhere/folders").iterdir()
    assert contents(saved) == {"letter.txt": b"dear Ann"}


async def test_a_folder_that_is_not_there_is_told(open_backups: Open, tmp_path: Path) -> None:
    made = await open_backups(tmp_path / "nowhere").make()

    assert made.status is BackupStatus.PARTIAL_SUCCESS
    assert made.errors == ("folders/1-nowhere: No such file or directory",)
    assert (made.users_backed_up, made.users_failed) == (0, 1)


async def test_a_run_that_is_tried_again_finds_the_backup_it_has_made(
    backups: Backups, still: StillClock
) -> None:
    first = await backups.make(key="run-1")
    still.advance(timedelta(minutes=5))
    again, other = await backups.make(key="run-1"), await backups.make(key="run-2")

    assert (first.is_new, again.is_new, other.is_new) == (True, False, True)
    assert again.name == first.name != other.name
    assert (again.files, again.total_size) == (first.files, first.total_size)
    assert len(await backups.list()) == 2


@pytest.mark.usefixtures("home")
async def test_a_dry_run_says_what_there_is_and_makes_nothing(backups: Backups) -> None:
    dry = await backups.make(dry_run=True)
    real = await backups.make()

    assert (dry.files, dry.users_backed_up, dry.dry_run) == (real.files, 1, True)
    assert not dry.name
    assert [each.name for each in await backups.list()] == [real.name]


async def test_the_newest_are_kept(open_backups: Open, still: StillClock) -> None:
    backups = open_backups(retention=Retention(count=2))
    names: list[str] = []
    for _ in range(4):
        names.append((await backups.make()).name)
        still.advance(days(1))

    last = await backups.make()

    assert [each.name for each in await backups.list()] == [last.name, names[-1]]
    assert last.removed == (names[-2],)


@pytest.mark.parametrize(
    ("age", "stays"), [(days(30), True), (days(30) + timedelta(seconds=1), False)]
)
async def test_a_backup_goes_when_it_is_older_than_it_is_kept_and_not_before(
    *, open_backups: Open, still: StillClock, age: timedelta, stays: bool
) -> None:
    backups = open_backups(retention=Retention(count=9, age=days(30)))
    first = await backups.make()
    still.advance(age)

    second = await backups.make()

    kept = {each.name for each in await backups.list()}
    assert kept == ({first.name, second.name} if stays else {second.name})


async def test_the_latest_stays_however_old_it_is(open_backups: Open, still: StillClock) -> None:
    retention = Retention(count=1, age=TICK)
    backups = open_backups(retention=retention)
    await backups.make()
    still.advance(days(1_000))

    assert retention.over(await backups.list(), still.now()) == ()


async def test_a_dry_run_says_which_backups_would_go(open_backups: Open, still: StillClock) -> None:
    backups = open_backups(retention=Retention(count=1))
    made = await backups.make()
    still.advance(days(1))

    dry = await backups.make(dry_run=True)

    assert dry.removed == (made.name,)
    assert [each.name for each in await backups.list()] == [made.name]
    assert (await backups.make()).removed == dry.removed


async def test_two_at_once_are_one_and_a_refusal(backups: Backups, home: Path) -> None:
    with Shelf(home / "backups").making():
        with pytest.raises(BackupBusy, match="another backup"):
            await backups.make()

    assert (await backups.make()).is_new


async def test_what_a_killed_one_has_left_is_no_backup_and_is_cleared_away(
    backups: Backups, home: Path
) -> None:
    made = await backups.make()
    shelf = Shelf(home / "backups")
    unfinished = shelf.part("steward-20300101T000000Z-00000000.tar.gz")
    unfinished.write_bytes(b"half")
    orphan = home / "backups/steward-20300101T000000Z-00000000.tar.gz.sha256"
    orphan.write_text("0  x\n")
    scratch = home / "backups/.database-x.unfinished"
    scratch.mkdir()
    (scratch / "steward.db").write_bytes(b"half")
    (home / "backups/steward-20300101T000000Z-00000001.tar.gz").symlink_to(made.name)
    (home / "backups/of-mine.tar.gz").write_text("not ours")

    assert [each.name for each in await backups.list()] == [made.name]
    await backups.make()

    assert not unfinished.exists()
    assert not scratch.exists()
    assert not orphan.exists()
    assert (home / "backups/of-mine.tar.gz").exists()


async def test_a_damaged_database_is_no_backup_and_the_old_ones_stay(
    backups: Backups, database: Database, home: Path
) -> None:
    made = await backups.make()
    content = bytearray(database.path.read_bytes())
    content[4096:8192] = b"\0" * 4096

    database.path.write_bytes(content)
    for journal in ("-wal", "-shm"):
        database.path.with_name(database.path.name + journal).unlink(missing_ok=True)

    with pytest.raises((UnusableDatabase, SQLAlchemyError)):
        await backups.make()
    assert [each.name for each in await backups.list()] == [made.name]
    left = {each.name for each in (home / "backups").iterdir()}
    assert left == {made.name, f"{made.name}.sha256", ".lock"}


async def test_a_target_with_something_in_it_is_only_touched_when_that_is_said(
    backups: Backups, home: Path
) -> None:
    made = await backups.make()
    (home / "notes/later.md").write_text("written later")
    before = contents(home)

    with pytest.raises(TargetInUse, match="--yes"):
        await backups.restore(made.name, home, may_move_aside=False)

    assert contents(home) == before


async def test_a_home_is_put_back_and_what_was_there_is_kept_aside(
    backups: Backups, home: Path
) -> None:
    made = await backups.make()
    saved = contents(home, *SAVED)
    (home / "notes/later.md").write_text("written later")
    (home / "calendar/tea.ics").unlink()
    (home / "notes/a note.md").write_text("overwritten")

    restored = await backups.restore(made.name, home, may_move_aside=True)

    assert contents(home, *SAVED) == saved
    assert restored.aside is not None
    assert (restored.aside / "notes/later.md").read_text() == "written later"
    assert (restored.aside / "steward.db").exists()
    assert (home / "secret.key").read_bytes() == b"secret"
    assert (home / "valkey/appendonly.aof").exists()
    assert len(await backups.list()) == 1


async def test_what_was_moved_aside_is_in_no_later_backup(backups: Backups, home: Path) -> None:
    first = await backups.make()
    await backups.restore(first.name, home, may_move_aside=True)

    assert (await backups.make()).files == first.files


async def test_the_workers_of_then_are_not_missed_when_it_is_put_back(
    backups: Backups, database: Database, tmp_path: Path, still: StillClock
) -> None:
    worker = Sighting(
        worker="w",
        host="h",
        pid=1,
        started_at=still.now(),
        seen_at=still.now(),
        cpu_percent=0,
        memory_bytes=1,
        slots=1,
    )
    await Sightings(database).see(worker)

    made = await backups.make()
    await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)

    async with Database.open(tmp_path / "elsewhere/steward.db") as restored:
        (seen,) = await Sightings(restored).recent(still.now())
    assert seen.left_at == seen.seen_at


async def test_a_database_of_a_newer_steward_is_not_put_back(
    backups: Backups, database: Database, home: Path
) -> None:
    async with database.write() as session:
        await session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    made = await backups.make()
    before = contents(home, *SAVED)

    with pytest.raises(NewerDatabase):
        await backups.restore(made.name, home, may_move_aside=True)

    assert contents(home, *SAVED) == before
    assert not [name for name in contents(home) if name.startswith("before-restore-")]


@pytest.mark.parametrize("name", ["../x", "", "latest ", "steward-20300101T000000Z-0.tar.gz"])
async def test_there_is_no_backup_of_another_name(backups: Backups, name: str) -> None:
    await backups.make()

    with pytest.raises(UnknownBackup):
        await backups.verify(name)
