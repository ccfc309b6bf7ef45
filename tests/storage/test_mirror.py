"""What both sides of a mirror were like, kept thing by thing."""

from dataclasses import replace

from app.storage.database import Database
from app.storage.mirror import MirrorBook, MirrorItem
from app.storage.users import User

TEA = MirrorItem(name="Tea.md", remote_id="1", version="v1", here="a", there="b")


async def test_what_is_put_is_known_and_what_is_dropped_is_not(
    database: Database, owner: User
) -> None:
    book = MirrorBook(database, owner.id, "notion")
    assert await book.open() == ("", ())

    await book.put(TEA)
    await book.put(replace(TEA, name="Plan.md", remote_id=None, is_pending=True))
    await book.reach("cursor 1")
    await book.drop("Plan.md")

    assert await MirrorBook(database, owner.id, "notion").open() == ("cursor 1", (TEA,))
    assert await MirrorBook(database, owner.id, "another").open() == ("", ())


async def test_a_thing_is_known_once_whatever_it_is_called(database: Database, owner: User) -> None:
    book = MirrorBook(database, owner.id, "notion")
    await book.open()
    await book.put(TEA)
    await book.put(replace(TEA, name="Coffee.md"), instead_of="Tea.md")

    await book.put(replace(TEA, name="Other.md", version="v2"))

    _, known = await book.open()
    assert known == (replace(TEA, name="Other.md", version="v2"),)


async def test_what_is_forgotten_is_as_it_was_the_first_time(
    database: Database, owner: User
) -> None:
    book = MirrorBook(database, owner.id, "notion")
    await book.open()
    await book.put(TEA)
    await book.reach("cursor 1")

    await book.forget()

    assert await book.open() == ("", ())
