import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.services.mail.errors import BadLetter, LetterGone
from app.services.mail.maildir import Maildir, key_of

NOT_UTF8 = pytest.param(
    b"\xff\xfe", marks=pytest.mark.skipif(sys.platform == "darwin", reason="macOS allows none")
)


@pytest.fixture
def maildir(tmp_path: Path) -> Maildir:
    maildir = Maildir(tmp_path / "inbox")
    maildir.make()
    return maildir


def link_to_passwords(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def put(maildir: Maildir, name: str, content: bytes = b"Hi") -> str:
    (maildir.path / name).write_bytes(content)
    return name


def test_a_mail_is_kept_whole_and_nothing_else(maildir: Maildir) -> None:
    assert maildir.keep("1", b"Hello")

    assert maildir.names() == ["cur/1:2,S"]
    assert maildir.head("cur/1:2,S", 100) == b"Hello"
    assert os.listdir(maildir.path / "tmp") == []


def test_a_mail_kept_again_is_the_same_mail(maildir: Maildir) -> None:
    maildir.keep("1", b"Hello")

    assert not maildir.keep("1", b"Hello again")

    assert maildir.head("cur/1:2,S", 100) == b"Hello"


def test_a_mail_that_was_flagged_or_moved_meanwhile_is_still_the_same(maildir: Maildir) -> None:
    maildir.keep("1", b"Hello")
    os.rename(maildir.path / "cur/1:2,S", maildir.path / "cur/1:2,FRS")

    assert not maildir.keep("1", b"Hello")

    assert maildir.names() == ["cur/1:2,FRS"]


def test_many_who_keep_one_mail_at_once_keep_one(maildir: Maildir) -> None:
    with ThreadPoolExecutor(8) as threads:
        kept = list(threads.map(maildir.keep, ["1"] * 40, [b"Hello"] * 40))

    assert kept.count(True) == 1
    assert maildir.names() == ["cur/1:2,S"]


def test_the_folder_is_for_its_owner_only(maildir: Maildir) -> None:
    assert (maildir.path / "cur").stat().st_mode & 0o077 == 0


def test_mails_are_listed_by_arrival_seen_or_not(maildir: Maildir) -> None:
    for name in ("new/20.host", "cur/10.host:2,S", "new/30.host", "new/.hidden", "tmp/05.host"):
        put(maildir, name)

    assert maildir.names() == ["cur/10.host:2,S", "new/20.host", "new/30.host"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Maildir(tmp_path / "none").names() == []


def test_only_the_beginning_is_read(maildir: Maildir) -> None:
    name = put(maildir, "new/1", b"x" * 1000)

    assert maildir.head(name, 10) == b"x" * 10


def test_a_mail_moves_with_its_flags(maildir: Maildir, tmp_path: Path) -> None:
    target = Maildir(tmp_path / "personal")

    maildir.move(put(maildir, "cur/1:2,S"), target)

    assert (maildir.names(), target.names()) == ([], ["cur/1:2,S"])


def test_a_mail_never_replaces_another(maildir: Maildir, tmp_path: Path) -> None:
    target = Maildir(tmp_path / "personal")
    for content in (b"one", b"two"):
        maildir.move(put(maildir, "cur/1:2,S", content), target)

    contents = {target.head(name, 10) for name in target.names()}

    assert contents == {b"one", b"two"}
    assert all(name.endswith(":2,S") for name in target.names())


def test_a_mail_that_is_gone_says_so(maildir: Maildir, tmp_path: Path) -> None:
    with pytest.raises(LetterGone):
        maildir.move("new/1", Maildir(tmp_path / "personal"))

    with pytest.raises(LetterGone):
        maildir.head("new/1", 10)


@pytest.mark.case(59)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, link_to_passwords])
def test_what_is_no_file_is_not_opened(
    maildir: Maildir, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(maildir.path / "new/1")

    with pytest.raises(BadLetter, match="not a plain file"):
        maildir.head("new/1", 10)

    maildir.move("new/1", Maildir(tmp_path / "aside"))
    assert maildir.names() == []


@pytest.mark.case(59)
@pytest.mark.parametrize("name", [b"a\nb", NOT_UTF8, b"x" * 255, b"..", b"-rf", b"$(id)"])
def test_any_file_name_is_read_and_moved(maildir: Maildir, tmp_path: Path, name: bytes) -> None:
    file = os.path.join(os.fsencode(maildir.path), b"new", b"1." + name[:253])
    with open(file, "wb") as opened:
        opened.write(b"Hi")
    target = Maildir(tmp_path / "personal")

    (found,) = maildir.names()
    key = key_of(found, maildir.head(found, 10))
    maildir.move(found, target)

    assert key.isalnum()
    assert target.names() == [found]


def test_the_key_follows_a_mail_and_no_other() -> None:
    assert key_of("new/1", b"Hi") == key_of("cur/1:2,S", b"Hi")
    assert key_of("new/1", b"Hi") != key_of("new/2", b"Hi")
    assert key_of("new/1", b"Hi") != key_of("new/1", b"Ho")
