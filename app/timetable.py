"""When the clock starts a job: every schedule, on one page. UTC, unless a zone is named."""

from typing import Final

from app.engine import schedule
from app.jobs import email

TIMETABLE: Final = (schedule("*/5 * * * *", email.process_email_queue.call()),)
