"""Log lines: one an event, for people as text, for machines as JSON.

Modules log with `logging.getLogger(__name__)`; the entry points call `configure_logging` once.
Lines go to stderr, as text unless JSON is asked for: who runs Steward under systemd or in a
container reads them too. Nothing in a line is trusted: secrets are blanked, control characters
dropped.
Of libraries only warnings are shown, whatever the level: their debug lines quote arguments.
"""

import logging
import sys
from collections.abc import Callable, Iterable, MutableMapping
from datetime import datetime
from typing import Any, TextIO

import structlog

from app.observability.printable import printable
from app.observability.redaction import Redactor

_OURS = "app"
_HIDDEN = {"timestamp", "level", "event", "exception", "logger", "taskName"}

Event = MutableMapping[str, Any]


def configure_logging(
    level: str,
    *,
    as_json: bool = False,
    secrets: Iterable[str] = (),
    stream: TextIO | None = None,
) -> None:
    """Show our lines from this level on, and libraries' warnings; safe to repeat."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(make_formatter(as_json=as_json, secrets=secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level]))
    logging.getLogger(_OURS).setLevel(level)
    logging.captureWarnings(capture=True)


def make_formatter(*, as_json: bool, secrets: Iterable[str] = ()) -> logging.Formatter:
    """Formats any record of the standard library's logging."""
    before: list[Callable[..., Any]] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=as_json),
        structlog.processors.format_exc_info,
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        _Cleaner(Redactor(secrets), keep_lines=as_json),
    ]
    last = structlog.processors.JSONRenderer() if as_json else _line
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=before[:-2], processors=[*before[-2:], last]
    )


class _Cleaner:
    """Makes every text of an event harmless."""

    def __init__(self, redact: Redactor, *, keep_lines: bool) -> None:
        self._redact = redact
        self._keep_lines = keep_lines  # JSON escapes them itself

    def __call__(self, _logger: object, _method: str, event: Event) -> Event:
        return {name: self._clean(value) for name, value in event.items()}

    def _clean(self, value: object) -> object:
        if value is None or isinstance(value, bool | int | float):
            return value
        text = self._redact(str(value))
        return text if self._keep_lines else "\n".join(map(printable, text.splitlines()))


def _line(_logger: object, _method: str, event: Event) -> str:
    """`12:03:05 warning  the sentence  field=value`, with a traceback's last line, or all of it."""
    time = datetime.fromisoformat(event["timestamp"]).strftime("%H:%M:%S")
    more = "".join(f"  {name}={event[name]}" for name in event if name not in _HIDDEN)
    said = " ".join(str(event["event"]).split("\n"))
    return f"{time} {event['level']:<9}{said}{_reason(event)}{more}"


def _reason(event: Event) -> str:
    trace = str(event.get("exception") or "")
    if not trace:
        return ""
    if logging.getLogger(_OURS).isEnabledFor(logging.DEBUG):
        return f"\n{trace}"
    return f": {trace.splitlines()[-1]}"
