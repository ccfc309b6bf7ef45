"""Calendar texts for tests."""

from datetime import UTC, datetime

from app.services.ics.event import View

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
VIEW = View.around(NOW, zone="Europe/Berlin")


def event(uid: str, *lines: str) -> str:
    """A VEVENT with these lines, title included unless one says otherwise."""
    title = () if any(line.startswith("SUMMARY") for line in lines) else (f"SUMMARY:{uid}",)
    return "\r\n".join(("BEGIN:VEVENT", f"UID:{uid}", *title, *lines, "END:VEVENT", ""))


def calendar(*parts: str) -> str:
    """A VCALENDAR of these components and lines."""
    ends = (part if part.endswith("\r\n") else part + "\r\n" for part in parts)
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\n" + "".join(ends) + "END:VCALENDAR\r\n"
