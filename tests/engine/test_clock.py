"""What time it is."""

from datetime import UTC, datetime, timedelta, timezone
from time import time

from app.engine import Clock, ManualClock, days, hours, minutes, seconds
from app.engine.clock import from_ms, jittered, to_ms


def test_spans_are_what_they_say() -> None:
    assert (seconds(90), minutes(60), hours(24)) == (minutes(1.5), hours(1), days(1))


def test_a_jittered_pause_is_about_as_long_as_it_says() -> None:
    assert [jittered(4, luck=luck) for luck in (0, 0.5, 1)] == [2, 4, 6]


def test_no_two_jittered_pauses_are_alike() -> None:
    pauses = {jittered(4) for _ in range(100)}

    assert len(pauses) > 90
    assert min(pauses) >= 2
    assert max(pauses) <= 6


def test_milliseconds_name_the_same_moment_in_any_zone() -> None:
    moment = datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=5)))

    assert from_ms(to_ms(moment)) == moment
    assert from_ms(to_ms(moment)).tzinfo is UTC


def test_a_clock_shows_now() -> None:
    assert abs(Clock().now().timestamp() - time()) < 1


def test_a_clock_believes_the_server() -> None:
    clock = Clock()

    clock.learn((time() + 3600) * 1000)

    assert abs(clock.now().timestamp() - time() - 3600) < 1


def test_advancing_a_manual_clock_moves_it_and_what_scripts_are_told() -> None:
    clock = ManualClock()
    before = clock.now()

    clock.advance(days(2))

    assert clock.now() - before >= days(2)
    assert clock.offset_ms == 2 * 86_400_000


def test_a_servers_answer_does_not_undo_an_advance() -> None:
    clock = ManualClock()
    clock.advance(days(1))

    clock.learn(time() * 1000 + clock.offset_ms)

    assert abs(clock.now().timestamp() - time() - 86_400) < 1
