"""When the clock starts a job: every schedule, on one page. UTC, unless a zone is named."""

from typing import Final

from app.engine import schedule
from app.jobs import ai, ai_upkeep, email, files, maintenance, sms, sync, watch

TIMETABLE: Final = (
    schedule("* * * * *", ai.process_due_tasks.call()),
    schedule("*/15 * * * *", ai_upkeep.evaluate_events.call()),
    schedule("*/30 * * * *", ai_upkeep.probe_scheduler.call()),
    schedule("0 2 * * *", ai_upkeep.cleanup_old_logs.call()),
    schedule("*/5 * * * *", email.process_email_queue.call()),
    schedule("*/15 * * * *", email.send_daily_summary.call()),  # at eight, in whatever zone
    schedule("*/30 * * * *", sync.sync_email_services.call()),
    schedule("0 * * * *", sync.sync_calendar_events.call()),
    schedule("0 */2 * * *", sync.sync_notion_pages.call()),
    schedule("*/2 * * * *", sms.process_sms_retries.call()),
    schedule("0 3 * * *", sms.cleanup_old_retries.call()),
    schedule("*/15 * * * *", sms.sms_health.call()),
    schedule("15 * * * *", sync.sync_user_preferences.call()),
    schedule("0 1 * * sun", files.backup_user_data.call()),
    schedule("0 2 * * *", files.cleanup_temp_files.call()),
    schedule("0 3 * * *", maintenance.cleanup_old_logs.call()),
    schedule("0 3 * * sun", maintenance.optimize_database.call()),
    schedule("0 4 * * *", maintenance.cleanup_old_sessions.call()),
    schedule("30 4 * * *", maintenance.prune_history.call()),
    schedule("0 * * * *", maintenance.cleanup_expired_cache.call()),
    schedule("30 * * * *", maintenance.keep_effects.call()),
    schedule("0 */2 * * *", maintenance.system_health_check.call()),
    schedule("* * * * *", watch.check_alerts.call()),
    schedule("45 * * * *", watch.prune_watch.call()),
)
