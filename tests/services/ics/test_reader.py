import subprocess
import sys
from datetime import timedelta

import anyio
import psutil
import pytest

from app.services.ics.event import Limits
from app.services.ics.frames import Order, packed
from app.services.ics.reader import File, Reader, Reading
from tests.plugins.cases import Case
from tests.services.ics.hostile import HOSTILE
from tests.services.ics.texts import NOW, VIEW, calendar, event

QUICK = Limits(event=timedelta(seconds=0.1), document=timedelta(seconds=10))
GOOD = event("good", "DTSTART;TZID=Europe/Berlin:20261201T100000", "RRULE:FREQ=WEEKLY;COUNT=3")


async def read(*texts: str, limits: Limits = QUICK) -> Reading:
    files = [File(f"{n}.ics", text.encode()) for n, text in enumerate(texts)]
    return await Reader(limits).read(files, VIEW)


@pytest.fixture(scope="module")
async def hostile() -> Reading:
    """What becomes of all hostile events, each in a file with a good one, read by one child."""
    texts = (calendar(event(name, *lines), _good(name)) for name, lines in HOSTILE.items())
    return await read(*texts)


def _good(name: str) -> str:
    return GOOD.replace("good", f"good beside {name}")


@pytest.mark.case(57)
async def test_of_sixty_hostile_files_only_their_own_events_are_refused(
    hostile: Reading, case: Case
) -> None:
    good = [name for name in hostile.events if name.startswith("good beside ")]
    most = max(len(each.occurrences) for each in hostile.events.values())

    case.says(
        f"{len(HOSTILE)} hostile calendar files, a good event in each",
        steward=f"{len(good)} good events taken, {len(hostile.refused)} events refused by name; "
        f"at most {most} occurrences of one",
    )
    assert len(HOSTILE) >= 60
    assert len(good) == len(HOSTILE)
    assert most <= 1_000


@pytest.mark.case(57)
@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_event_costs_only_itself(hostile: Reading, name: str) -> None:
    refused = {each.uid: each.reason for each in hostile.refused}

    assert len(hostile.events[f"good beside {name}"].occurrences) == 3
    if name in hostile.events:
        assert len(hostile.events[name].occurrences) <= 1_000
    else:
        assert refused[name]


@pytest.mark.case(57)
@pytest.mark.parametrize("name", ["every second", "dense and never", "odd zone", "no start"])
def test_a_bad_event_is_reported_and_not_taken(hostile: Reading, name: str) -> None:
    assert name in {each.uid for each in hostile.refused}
    assert name not in hostile.events


@pytest.mark.case(57)
async def test_many_slow_events_do_not_take_the_time_of_the_good_ones() -> None:
    slow = [event(f"slow{n}", *HOSTILE["every second"]) for n in range(10)]
    limits = Limits(event=timedelta(seconds=2), document=timedelta(seconds=2))

    found = await read(calendar(*slow[:5], GOOD, *slow[5:]), limits=limits)

    assert list(found.events) == ["good"]
    assert len(found.refused) == 10


@pytest.mark.case(57)
async def test_a_zone_that_changes_every_second_costs_only_those_who_use_it() -> None:
    zone = (
        "BEGIN:VTIMEZONE\r\nTZID:Storm\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
        "RRULE:FREQ=SECONDLY\r\nTZOFFSETFROM:+0300\r\nTZOFFSETTO:+0200\r\nEND:STANDARD\r\n"
        "END:VTIMEZONE\r\n"
    )
    bad = event("bad", "DTSTART;TZID=Storm:20261201T100000", "RRULE:FREQ=DAILY")

    found = await read(calendar(zone, bad, GOOD))

    assert "good" in found.events


@pytest.mark.case(57)
async def test_too_many_events_are_cut_and_said() -> None:
    few = Limits(events=100, document=timedelta(seconds=10))

    found = await read(
        calendar(*(event(f"e{n}", "DTSTART:20261201") for n in range(300))), limits=few
    )

    assert len(found.events) == 100
    assert found.problems == ["0.ics: of its 300 events only 100 were taken"]


@pytest.mark.case(57)
async def test_a_flood_of_broken_events_is_told_in_one_line() -> None:
    found = await read(calendar(GOOD, "BEGIN:VEVENT\r\n" * 5_000))

    assert "good" in found.events
    assert len(found.refused) == 1_000
    assert found.problems == ["0.ics: 5000 of its events are broken"]


async def test_when_a_file_has_too_many_occurrences_every_event_gets_the_next_ones() -> None:
    few = Limits(all_occurrences=500, document=timedelta(seconds=10))
    daily = (event(f"e{n}", "DTSTART:20260101", "RRULE:FREQ=DAILY") for n in range(3))

    found = await read(calendar(*daily), limits=few)

    listed = [each.occurrences for each in found.events.values()]
    assert [len(each) for each in listed] == [396, 104, 10]
    assert listed[2][0].starts_at.date() == NOW.date() - timedelta(days=2)


@pytest.mark.case(57)
async def test_what_eats_the_memory_ends_the_child_and_not_us() -> None:
    small = Limits(memory=200 * 1024**2, document=timedelta(seconds=10))
    huge = calendar(*(event(f"e{n}", "SUMMARY:" + "x" * 8_000) for n in range(5_000)))

    found = await read(calendar(GOOD), huge, calendar(GOOD.replace("good", "last")), limits=small)

    assert {"good", "last"} <= {*found.events}
    assert any("1.ics" in each for each in found.problems)


async def test_the_files_of_a_source_are_read_together() -> None:
    found = await read(calendar(GOOD), "no calendar", calendar(GOOD.replace("good", "other")))

    assert sorted(found.events) == ["good", "other"]
    assert found.problems == ["1.ics: this is not a calendar: there is no BEGIN:VCALENDAR in it"]


async def test_of_an_event_in_two_files_the_newer_holds() -> None:
    old = event("a", "DTSTART:20261201", "SUMMARY:old", "SEQUENCE:1")
    new = event("a", "DTSTART:20261201", "SUMMARY:new", "SEQUENCE:2")

    for order in ((old, new), (new, old)):
        found = await read(*map(calendar, order))

        assert found.events["a"].title == "new"
        assert found.conflicts == 1


async def test_the_zones_of_one_file_are_not_those_of_the_next() -> None:
    def office(offset: str, uid: str) -> str:
        zone = (
            "BEGIN:VTIMEZONE\r\nTZID:Office\r\nBEGIN:STANDARD\r\nDTSTART:19700101T000000\r\n"
            f"TZOFFSETFROM:{offset}\r\nTZOFFSETTO:{offset}\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
        )
        return calendar(zone, event(uid, "DTSTART;TZID=Office:20261201T120000"))

    found = await read(office("+0100", "a"), office("-0500", "b"))

    assert [found.events[uid].starts_at.hour for uid in "ab"] == [11, 17]


async def test_reading_ends_at_its_deadline_and_says_what_is_missing() -> None:
    limits = Limits(reading=timedelta(seconds=0.05))

    found = await read(calendar(GOOD), limits=limits)

    assert found.problems == ["0.ics: there was no time left to read it"]


async def test_no_child_is_left_behind() -> None:
    with anyio.move_on_after(0.3):
        await read(calendar(*(event(f"b{n}", *HOSTILE["every second"]) for n in range(50))))

    assert [
        p for p in psutil.Process().children() if "app.services.ics" in " ".join(p.cmdline())
    ] == []


def test_the_child_ends_with_its_parent() -> None:
    forever = calendar(event("bad", *HOSTILE["every second"])).encode()
    long = Limits(event=timedelta(minutes=5), document=timedelta(minutes=5))
    order = Order(view=VIEW, limits=long, files=[forever])
    command = [sys.executable, "-m", "app.services.ics.child"]

    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.communicate(packed(order), timeout=20)

    assert child.returncode == 1


async def test_the_child_sees_nothing_of_our_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PYTHONSTARTUP", "/nonexistent")
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")

    assert "good" in (await read(calendar(GOOD))).events
