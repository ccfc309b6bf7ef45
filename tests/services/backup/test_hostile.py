"""Backups that somebody has damaged or made up: found by a look, and nothing is written of them."""

import gzip
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.services.backup import Backups, BadBackup
from app.services.backup.manifest import Manifest, SavedFile
from app.services.backup.reader import USUAL, Limits, Nowhere, read_backup
from app.services.backup.restore import restore_backup
from tests.plugins.cases import Case
from tests.services.backup.conftest import contents
from tests.storage.still_clock import StillClock

NAME = "steward-20261123T120000Z-00000000.tar.gz"
NO_TAR = gzip.compress(b"no tar" * 1_000, mtime=0)
NOW = StillClock().now()


def member(name: str, content: bytes = b"x", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, content


def manifest(*files: SavedFile, version: int = 1) -> tuple[tarfile.TarInfo, bytes]:
    made = Manifest(format=version, made_at=NOW, schema="", users=(), files=files)
    return member("manifest.json", made.as_bytes())


def archive(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def restored(path: Path, target: Path, limits: Limits = USUAL) -> None:
    restore_backup(path, target, may_move_aside=False, now=NOW, limits=limits)


LEADING_OUT = (
    member("../slipped"),
    member("notes/../../slipped"),
    member("/tmp/slipped"),
    member("notes//slipped"),
    member("notes/./slipped"),
    member("."),
    member("link", b"", type=tarfile.SYMTYPE, linkname="/etc/passwd"),
    member("link", b"", type=tarfile.SYMTYPE, linkname="inside"),
    member("link", b"", type=tarfile.LNKTYPE, linkname="../../slipped"),
    member("device", b"", type=tarfile.CHRTYPE, devmajor=1, devminor=5),
    member("pipe", b"", type=tarfile.FIFOTYPE),
)


@pytest.mark.case(64)
def test_what_leads_out_is_refused_and_nothing_is_written(tmp_path: Path, case: Case) -> None:
    target = tmp_path / "deep/target"
    target.mkdir(parents=True)
    for bad in LEADING_OUT:
        path = archive(tmp_path / NAME, member("good"), bad, manifest())
        before = contents(tmp_path)

        with pytest.raises(BadBackup, match="it holds what"):
            restored(path, target)

        assert contents(tmp_path) == before, bad[0].name
    case.says(
        f"{len(LEADING_OUT)} backups with a path, a link or a device in them that leads out",
        steward=f"{len(LEADING_OUT)} refused, 0 bytes written",
    )


@pytest.mark.case(64)
@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ([member("a"), member("a"), manifest()], "twice"),
        ([member("a")], "unfinished"),
        ([], "unfinished"),
        ([manifest(), member("late")], "after its end"),
        ([member("extra"), manifest()], "not in its manifest"),
        ([manifest(SavedFile(path="a", size=1, sha256="0" * 64, user=0))], "a is missing"),
        (
            [member("a"), manifest(SavedFile(path="a", size=1, sha256="0" * 64, user=0))],
            "not what was saved",
        ),
        ([member("manifest.json", b"{}")], "can't be read"),
        ([member("manifest.json", b"\xff" * 100)], "can't be read"),
        ([member("manifest.json", b"[" * 100_000)], "can't be read"),
        ([manifest(version=2)], "newer Steward"),
        ([member("steward.db", b"no database")], "unfinished"),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)
def test_what_does_not_agree_with_its_manifest_is_not_put_back(
    tmp_path: Path, members: list[tuple[tarfile.TarInfo, bytes]], reason: str
) -> None:
    path = archive(tmp_path / NAME, *members)

    with pytest.raises(BadBackup, match=reason):
        restored(path, tmp_path / "target")

    assert contents(tmp_path / "target") == {}


@pytest.mark.case(64)
def test_a_bomb_is_given_up_before_it_has_gone_off(tmp_path: Path) -> None:
    path = tmp_path / NAME
    with tarfile.open(path, "w:gz") as tar:
        info = tarfile.TarInfo("zeros")
        info.size = 20_000_000
        tar.addfile(info, io.BytesIO(b"\0" * info.size))
    written: list[int] = []

    class Counting(Nowhere):
        def file(self, path: str, chunks: Iterator[bytes], *, mode: int, mtime_ns: int) -> None:
            del path, mode, mtime_ns
            written.extend(len(chunk) for chunk in chunks)

    checked = read_backup(path, sink=Counting(), limits=Limits(free=5_000_000, ratio=10))

    assert "unpacks to more than" in checked.problems[0]
    assert sum(written) <= 5_000_000


@pytest.mark.case(64)
def test_too_many_files_are_given_up(tmp_path: Path) -> None:
    path = archive(tmp_path / NAME, *(member(f"f{number}", b"") for number in range(50)))

    checked = read_backup(path, limits=Limits(members=10))

    assert "more than 10 files" in checked.problems[0]


@pytest.mark.case(64)
def test_a_header_that_announces_a_gigabyte_is_given_up(tmp_path: Path) -> None:
    huge = tarfile.TarInfo("././@PaxHeader")
    huge.type, huge.size = tarfile.XHDTYPE, 2**30
    (tmp_path / NAME).write_bytes(gzip.compress(huge.tobuf() + b"x" * 10_000))

    with pytest.raises(BadBackup, match="header"):
        restored(tmp_path / NAME, tmp_path / "target")


@pytest.mark.parametrize("content", [b"", b"not gzip", NO_TAR], ids=len)
def test_what_is_no_backup_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / NAME).write_bytes(content)

    with pytest.raises(BadBackup):
        restored(tmp_path / NAME, tmp_path / "target")


async def test_each_flipped_byte_is_found(backups: Backups, home: Path) -> None:
    made = await backups.make()
    file = home / "backups" / made.name
    good = file.read_bytes()

    for place in (0, 5, 9, 10, len(good) // 3, len(good) // 2, len(good) - 9, len(good) - 1):
        file.write_bytes(good[:place] + bytes([good[place] ^ 1]) + good[place + 1 :])
        assert (await backups.verify(made.name))[1].problems, place
    file.write_bytes(good)

    assert (await backups.verify(made.name))[1].problems == ()


@pytest.mark.parametrize("damage", ["cut", "flip", "append", "second"])
async def test_damage_is_found_without_the_checksum_beside_it(
    backups: Backups, home: Path, tmp_path: Path, damage: str
) -> None:
    made = await backups.make()
    file = home / "backups" / made.name
    file.with_name(f"{made.name}.sha256").unlink()
    good = file.read_bytes()
    middle = len(good) // 2
    flipped = bytes([good[middle] ^ 255])
    damages = {
        "cut": good[:-100],
        "flip": good[:middle] + flipped + good[middle + 1 :],
        "append": good + b"more",
        "second": good + good,
    }
    file.write_bytes(damages[damage])

    assert (await backups.verify(made.name))[1].problems
    with pytest.raises(BadBackup):
        await backups.restore(made.name, tmp_path / "elsewhere", may_move_aside=False)
    assert contents(tmp_path / "elsewhere") == {}
