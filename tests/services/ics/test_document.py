import pytest

from app.services.ics.document import Document, NotACalendar, parse
from app.services.ics.event import BadEvent
from tests.services.ics.texts import calendar, event


def parsed(*parts: str) -> Document:
    return parse(calendar(*parts).encode())


def uids(document: Document) -> list[str]:
    return [each.uid for each in document.series()[0]]


def digest(*lines: str) -> str:
    (series,), _ = parsed(event("a", *lines)).series()
    return series.digest


def test_events_are_found_under_their_uids() -> None:
    document = parsed(event("a", "DTSTART:20261201T100000Z"), event("b", "DTSTART:20261202"))

    assert uids(document) == ["a", "b"]
    assert document.is_whole


def test_the_changes_of_a_series_belong_to_it() -> None:
    override = event("a", "RECURRENCE-ID:20261202T100000Z", "DTSTART:20261202T120000Z")

    (series,), conflicts = parsed(event("a", "DTSTART:20261201T100000Z"), override).series()

    assert len(series.blocks) == 2
    assert conflicts == 0


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (("SEQUENCE:1",), ("SEQUENCE:2",)),
        (("SEQUENCE:9",), ("SEQUENCE:10",)),
        (("LAST-MODIFIED:20261101T000000Z",), ("LAST-MODIFIED:20261102T000000Z",)),
        (("DTSTAMP:20261101T000000Z",), ("SEQUENCE:1", "DTSTAMP:20260101T000000Z")),
    ],
)
def test_of_two_versions_of_an_event_the_newer_holds(
    before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    old, new = event("a", "SUMMARY:old", *before), event("a", "SUMMARY:new", *after)

    for order in ((old, new), (new, old)):
        (series,), conflicts = parsed(*order).series()

        assert series.blocks[0].value("SUMMARY") == "new"
        assert conflicts == 1


def test_the_same_event_twice_is_no_conflict() -> None:
    assert parsed(event("a"), event("a")).series()[1] == 0


def test_a_download_time_is_no_change() -> None:
    stamps = ("DTSTAMP:20260101T000000Z", "SEQUENCE:3", "LAST-MODIFIED:20260101T000000Z")

    assert digest("SUMMARY:x", *stamps) == digest("SUMMARY:x", "DTSTAMP:20261101T000000Z")


@pytest.mark.parametrize("line", ["SUMMARY:y", "LOCATION:there", "RRULE:FREQ=DAILY"])
def test_what_a_person_could_notice_is_a_change(line: str) -> None:
    assert digest("SUMMARY:x") != digest("SUMMARY:x", line)


def test_alarms_and_their_uids_are_left_out() -> None:
    alarm = "BEGIN:VALARM\r\nUID:alarm\r\nTRIGGER:-PT5M\r\nEND:VALARM"
    text = f"BEGIN:VEVENT\r\n{alarm}\r\nUID:a\r\nSUMMARY:x\r\nEND:VEVENT"

    document = parsed(text)

    assert uids(document) == ["a"]
    assert document.blocks[0].value("TRIGGER") == ""


def test_long_lines_are_unfolded() -> None:
    document = parsed("BEGIN:VEVENT\r\nUID:a\r\nSUMMARY:one\r\n  two\r\n\tthree\r\nEND:VEVENT")

    assert document.blocks[0].value("SUMMARY") == "one twothree"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_any_line_end_will_do(end: str) -> None:
    text = calendar(event("a"), event("b")).replace("\r\n", end)

    assert uids(parse(text.encode())) == ["a", "b"]


def test_a_colon_in_a_quoted_parameter_does_not_begin_the_value() -> None:
    document = parsed(event("a", 'SUMMARY;ALTREP="cid:1":x'))

    assert document.blocks[0].value("SUMMARY") == "x"


def test_an_event_without_an_end_costs_only_itself() -> None:
    broken = "BEGIN:VEVENT\r\nUID:broken\r\nSUMMARY:x"

    document = parsed(event("a"), broken, event("b"))

    assert uids(document) == ["a", "b"]
    assert document.refused == [BadEvent("broken", "it has no end")]


@pytest.mark.parametrize("cut", [20, 60, 90])
def test_a_document_that_was_cut_off_is_not_whole(cut: int) -> None:
    text = calendar(event("a", "DTSTART:20261201T100000Z"), event("b"))

    assert not parse(text[:-cut].encode()).is_whole


@pytest.mark.parametrize("text", ["", "hello", "<html>", "BEGIN:VCARD\nEND:VCARD", "\0" * 100])
def test_what_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(NotACalendar):
        parse(text.encode())


def test_an_event_without_a_uid_is_known_by_its_content() -> None:
    text = "BEGIN:VEVENT\r\nDTSTAMP:{}\r\nDTSTART:20261201\r\nEND:VEVENT"

    (first,) = uids(parsed(text.format("20260101T000000Z")))
    (again,) = uids(parsed(text.format("20261101T000000Z")))

    assert first == again
    assert first.startswith("digest:")


def test_an_endless_uid_is_shortened() -> None:
    first, second = uids(parsed(event("x" * 5_000), event("x" * 4_999 + "y")))

    assert len(first) < 255
    assert first != second


@pytest.mark.parametrize("data", ["Müller".encode(), "Müller".encode("cp1252")])
def test_old_encodings_are_read(data: bytes) -> None:
    text = calendar(event("a", "SUMMARY:NAME")).encode().replace(b"NAME", data)

    assert parse(text).blocks[0].value("SUMMARY") == "Müller"
