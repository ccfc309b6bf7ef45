import gzip
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.services.files import CleanedStatus
from app.services.logs import Logs, LogsCleaned

NOW = datetime(2026, 11, 23, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MONTH = timedelta(days=30)
MOMENT = timedelta(milliseconds=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "logs"
    path.mkdir()
    return path


def write(path: Path, *, age: timedelta, text: str = "a line\n" * 5_000) -> Path:
    path.write_text(text)
    when = (NOW - age).timestamp()
    os.utime(path, (when, when))
    return path


def seen(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


async def clean(folder: Path, *, dry_run: bool = False, now: datetime = NOW) -> LogsCleaned:
    return await Logs(folder, now=lambda: now).clean(dry_run=dry_run)


async def test_old_logs_are_deleted_and_yesterdays_compressed(folder: Path) -> None:
    old = write(folder / "steward.log.3", age=MONTH + DAY)
    freed = old.stat().st_blocks * 512
    write(folder / "steward.log.1", age=2 * DAY)
    write(folder / "steward.log", age=timedelta(minutes=1))

    cleaned = await clean(folder)

    assert seen(folder) == ["steward.log", "steward.log.1.20261121T030000.gz"]
    assert (cleaned.deleted, cleaned.compressed, cleaned.kept, cleaned.failed) == (1, 1, 2, 0)
    assert cleaned.freed_bytes > freed
    assert cleaned.status is CleanedStatus.SUCCESS


async def test_a_compressed_log_says_what_the_log_said_and_is_as_old(folder: Path) -> None:
    text = "one\ntwo\n" * 1_000
    write(folder / "steward.log", age=2 * DAY, text=text)

    cleaned = await clean(folder)

    packed = folder / seen(folder)[0]
    assert gzip.decompress(packed.read_bytes()).decode() == text
    assert datetime.fromtimestamp(packed.stat().st_mtime, UTC) == NOW - 2 * DAY
    assert cleaned.oldest_kept == NOW - 2 * DAY


@pytest.mark.parametrize(("age", "left"), [(MONTH, 1), (MONTH + MOMENT, 0)])
async def test_a_log_goes_when_it_is_older_than_a_month_and_not_before(
    folder: Path, age: timedelta, left: int
) -> None:
    write(folder / "steward.log", age=age)

    assert (await clean(folder)).deleted == 1 - left
    assert len(seen(folder)) == left


@pytest.mark.parametrize(("age", "packed"), [(DAY, 0), (DAY + MOMENT, 1)])
async def test_a_log_is_compressed_when_it_is_older_than_a_day_and_not_before(
    folder: Path, age: timedelta, packed: int
) -> None:
    write(folder / "steward.log", age=age)

    assert (await clean(folder)).compressed == packed


async def test_a_compressed_log_is_deleted_when_its_last_line_is_a_month_old(folder: Path) -> None:
    write(folder / "steward.log", age=2 * DAY)
    await clean(folder)

    cleaned = await clean(folder, now=NOW + MONTH)

    assert (seen(folder), cleaned.deleted) == ([], 1)


async def test_a_second_run_changes_nothing(folder: Path) -> None:
    write(folder / "steward.log", age=2 * DAY)
    await clean(folder)
    before = seen(folder)

    cleaned = await clean(folder)

    assert (cleaned.compressed, cleaned.deleted, seen(folder)) == (0, 0, before)


async def test_logs_that_are_rotated_under_one_name_are_all_kept(folder: Path) -> None:
    write(folder / "steward.log.1", age=3 * DAY, text="monday")
    await clean(folder)
    write(folder / "steward.log.1", age=2 * DAY, text="tuesday")
    await clean(folder)

    said = {gzip.decompress((folder / name).read_bytes()) for name in seen(folder)}
    assert said == {b"monday", b"tuesday"}


async def test_a_log_that_is_still_open_is_left_alone(folder: Path) -> None:
    quiet = write(folder / "steward.log", age=MONTH + DAY)

    with quiet.open("a"):
        cleaned = await clean(folder)

    assert (cleaned.deleted, cleaned.compressed, cleaned.kept) == (0, 0, 1)
    assert seen(folder) == ["steward.log"]


async def test_a_dry_run_says_the_same_and_changes_nothing(folder: Path) -> None:
    write(folder / "a.log", age=MONTH + DAY)
    write(folder / "b.log", age=2 * DAY)

    dry = await clean(folder, dry_run=True)
    assert seen(folder) == ["a.log", "b.log"]

    real = await clean(folder)
    assert (dry.deleted, dry.compressed, dry.kept, dry.oldest_kept) == (
        real.deleted,
        real.compressed,
        real.kept,
        real.oldest_kept,
    )
    assert dry.dry_run


async def test_only_logs_in_the_folder_itself_are_touched(folder: Path) -> None:
    for name in ("notes.txt", "catalog", "blog", "prologue.md", "log"):
        write(folder / name, age=2 * MONTH)
    (folder / "below.log").mkdir()
    write(folder / "below.log/deep.log", age=2 * MONTH)
    before = seen(folder)

    cleaned = await clean(folder)

    assert (seen(folder), cleaned.deleted) == (before, 0)
    assert (folder / "below.log/deep.log").exists()


@pytest.mark.case(64)
async def test_links_and_what_they_lead_to_are_left_alone(folder: Path, tmp_path: Path) -> None:
    precious = write(tmp_path / "precious.log", age=2 * MONTH)
    (folder / "link.log").symlink_to(precious)

    cleaned = await clean(folder)

    assert precious.exists()
    assert seen(folder) == ["link.log"]
    assert (cleaned.deleted, cleaned.compressed) == (0, 0)


@pytest.mark.case(64)
async def test_a_log_folder_that_is_a_link_is_refused(folder: Path, tmp_path: Path) -> None:
    write(folder / "steward.log", age=2 * MONTH)
    (tmp_path / "link").symlink_to(folder)

    with pytest.raises(OSError, match="link"):
        await clean(tmp_path / "link")

    assert seen(folder) == ["steward.log"]


async def test_an_unfinished_part_is_cleared_away_a_day_later(folder: Path) -> None:
    part = write(folder / ".steward.log.20261101T000000.gz.abcd.part", age=timedelta(0))
    os.utime(part)  # a part is as old as its place in the folder, which nobody can set back

    await clean(folder, now=datetime.now(UTC))
    assert part.exists()

    cleaned = await clean(folder, now=datetime.now(UTC) + DAY + timedelta(minutes=1))
    assert (seen(folder), cleaned.deleted) == ([], 1)


async def test_a_log_with_two_names_frees_nothing(folder: Path, tmp_path: Path) -> None:
    os.link(write(folder / "steward.log", age=2 * MONTH), tmp_path / "kept")

    cleaned = await clean(folder)

    assert (cleaned.deleted, cleaned.freed_bytes) == (1, 0)


async def test_a_log_that_can_not_be_compressed_is_kept_and_told(folder: Path) -> None:
    name = "x" * 240 + ".log"
    write(folder / name, age=2 * DAY)
    write(folder / "other.log", age=2 * DAY)

    cleaned = await clean(folder)

    assert cleaned.status is CleanedStatus.PARTIAL_SUCCESS
    assert (cleaned.compressed, cleaned.failed, cleaned.kept) == (1, 1, 2)
    assert name in seen(folder)
    assert len(seen(folder)) == 2
    assert "name too long" in cleaned.errors[0]


async def test_without_a_folder_there_is_nothing_to_do(tmp_path: Path) -> None:
    cleaned = await clean(tmp_path / "nowhere")

    assert (cleaned.status, cleaned.kept, cleaned.oldest_kept) == (CleanedStatus.SUCCESS, 0, None)
