import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.storage.address import InvalidAddress, domain_of, parse_address


@pytest.mark.parametrize(
    "text", ["ann@example.org", "a.b+tag@mail.example.org", "o'neil_1@x-y.example", "me@localhost"]
)
def test_a_plain_address_is_taken_as_it_is(text: str) -> None:
    assert parse_address(text) == text


def test_a_domain_is_written_in_lower_case() -> None:
    assert parse_address("Ann@Example.ORG") == "Ann@example.org"


@pytest.mark.case(60)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "ann",
        "@example.org",
        "ann@",
        "ann@example.org\n",
        "ann@example.org\r\nBcc: eve@example.org",
        "ann@example.org, eve@example.org",
        "ann@example.org;eve@example.org",
        "Ann <ann@example.org>",
        "<ann@example.org>",
        '"ann eve"@example.org',
        "ann(eve)@example.org",
        "ann@eve@example.org",
        "ann@[127.0.0.1]",
        "ann@exa mple.org",
        "ann@-example.org",
        "ann@example..org",
        ".ann@example.org",
        "änn@example.org",
        "ann@exämple.org",
        "ann＠example.org",  # noqa: RUF001
        "ann@example.org\0",
        "=?utf-8?q?=0A?=@example.org",
        "a" * 65 + "@example.org",
        "ann@" + "a." * 130 + "org",
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidAddress):
        parse_address(text)


@pytest.mark.case(60)
@given(st.text() | st.emails() | st.from_regex(r"[\x00-\x7f]{1,20}@[\x00-\x7f]{1,20}"))
def test_what_is_accepted_is_one_printable_word_with_one_at(text: str) -> None:
    try:
        address = parse_address(text)
    except InvalidAddress:
        return

    assert address.isascii()
    assert address.isprintable()
    assert not set(address) & set(' ,;:<>()[]"\\')
    assert address.count("@") == 1
    assert domain_of(address) == address.split("@")[1]
    assert parse_address(address) == address
