"""A day as text and as HTML: other people's words stay words."""

from datetime import UTC, date, datetime
from html.parser import HTMLParser
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.services.digest import Digest
from app.storage.calendar_event import StoredOccurrence
from app.storage.day import MailOfDay, TaskOfDay
from tests.plugins.cases import Case

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
TAGS = {"html", "head", "meta", "title", "body", "p", "h2", "ul", "li"}
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{7*7}} ${7*7} {x.__class__} %n %s",
    "</li></ul><a href=javascript:alert(1)>x",
    "a\r\nBcc: eve@example.org\n\n.\r\n",
    "\x1b[2J\x00\u2028\u202e",
)


class Reader(HTMLParser):
    """Notes the tags and attributes of a page, and its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags, self.attributes, self.said = set[str](), set[str](), ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data: str) -> None:
        self.said += data


def digest(text: str = "x", *, count: int = 1) -> Digest:
    """A day in which everything is called the same."""
    event = StoredOccurrence(starts_at=NOON, ends_at=NOON, all_day=False, title=text, place=text)
    return Digest(
        name=text,
        day=date(2026, 6, 1),
        zone=ZoneInfo("Europe/Berlin"),
        due=[TaskOfDay(title=text, at=NOON)] * count,
        done=[TaskOfDay(title=text, at=NOON, result=text)] * count,
        mail=[MailOfDay(category="important", sender=text, subject=text)] * count,
        events=[event] * count,
    )


@pytest.mark.case(63)
def test_what_is_meant_to_harm_is_shown_as_it_stands(case: Case) -> None:
    for evil in EVIL:
        check(evil)
        if evil.isprintable():
            assert evil in digest(evil).text()
    case.says(
        f"{len(EVIL)} templates, formats and tags in all that a daily summary quotes",
        steward="each stands there as text, 0 carried out, 0 new tags",
    )


@given(st.text(max_size=60))
def test_whatever_is_said_no_tag_appears_that_is_not_ours(text: str) -> None:
    check(text)


def check(text: str) -> None:
    """Both forms hold it as text, on the lines that are there for it."""
    reader = Reader()
    reader.feed(digest(text).html())

    assert reader.tags == TAGS
    assert reader.attributes == {"lang", "charset"}
    assert len(digest(text).text().split("\n")) == len(digest().text().split("\n"))
    assert all(each.isprintable() or each == "\n" for each in digest(text).text())


def test_a_long_day_is_cut_and_what_is_left_is_counted() -> None:
    text = digest("x" * 500, count=40).text()

    assert text.count("and 25 more") == 3
    assert max(map(len, text.split("\n"))) < 170


def test_times_are_those_of_the_users_wall() -> None:
    assert "  - 14:00 x (x)" in digest().text()


def test_an_empty_day_says_so() -> None:
    text = digest(count=0).text()

    for line in ("nothing today", "no task", "New mail (0)", "none"):
        assert line in text
