"""Whether a user may be disturbed now, and if not, when their quiet hours end."""

from datetime import datetime, timedelta

from app.services.wall_clock import moment_at, moments_at, zone_named
from app.storage.users import User


def quiet_until(user: User, now: datetime) -> datetime | None:
    """When the quiet hours that it is now for this user end, in UTC; None outside of them."""
    hours, zone = user.quiet_hours, zone_named(user.timezone)
    wall = now.astimezone(zone).replace(tzinfo=None)
    if hours is None or not hours.covers(wall.time()):
        return None
    ends_tomorrow = hours.is_over_midnight and wall.time() >= hours.begins
    end = datetime.combine(wall.date() + timedelta(days=ends_tomorrow), hours.ends)
    later = [moment for moment in moments_at(end, zone) if moment > now]
    return later[0] if later else moment_at(end, zone)
