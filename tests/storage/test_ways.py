import pytest

from app.storage.database import Database
from app.storage.users import Users
from app.storage.ways import Channel, InvalidWay, Way, Ways

PHONE = Way(channel=Channel.SMS, address="+4915112345678")
HOOK = Way(channel=Channel.WEBHOOK, address="https://example.org/hook", secret="whsec_c2VjcmV0")


async def test_a_users_ways_are_theirs_alone(database: Database) -> None:
    users, ways = Users(database), Ways(database)
    ann = await users.add(name="Ann", address="ann@example.org")
    bob = await users.add(name="Bob", address="bob@example.org")

    await ways.put(ann.id, PHONE, HOOK)

    assert await ways.of(ann.id) == {Channel.SMS: PHONE, Channel.WEBHOOK: HOOK}
    assert await ways.of(bob.id) == {}


async def test_a_way_is_replaced_and_the_others_stay(database: Database) -> None:
    ways = Ways(database)
    ann = await Users(database).add(name="Ann", address="ann@example.org")
    await ways.put(ann.id, PHONE, HOOK)
    silent = Way(channel=Channel.SMS, address=PHONE.address, is_wanted=False)

    await ways.put(ann.id, silent)

    assert await ways.of(ann.id) == {Channel.SMS: silent, Channel.WEBHOOK: HOOK}


@pytest.mark.parametrize(
    ("channel", "address"),
    [
        (Channel.SMS, "0151 12345678"),
        (Channel.SMS, "+49151123\n45678"),
        (Channel.SMS, "+0151123456"),
        (Channel.SMS, "+1234567890123456"),
        (Channel.SMS, "+４９１５１１２３４５"),  # noqa: RUF001
        (Channel.SLACK, "ftp://example.org/s3cret"),
        (Channel.WEBHOOK, "https://example.org/s3cret\r\nHost: x"),
        (Channel.WEBHOOK, "https://example.org/" + "s3cret" * 400),
        (Channel.IN_APP, "s3cret"),
        (Channel.EMAIL, "s3cret@example.org"),
    ],
)
def test_what_is_no_address_is_refused_and_not_repeated(channel: Channel, address: str) -> None:
    with pytest.raises(InvalidWay) as refused:
        Way(channel=channel, address=address)

    assert str(refused.value).startswith(f"{channel}: ")
    assert "s3cret" not in str(refused.value)


def test_a_way_shows_neither_address_nor_secret() -> None:
    assert "example.org" not in repr(HOOK)
    assert "whsec" not in repr(HOOK)
