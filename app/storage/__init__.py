"""What Steward remembers: the database, its tables, and a repository for each noun in them.

    database.py         Database: read() and write() sessions, migrate()
    base.py             Base: what every row is built on
    errors.py           what can be wrong with the database itself
    migrations/         the tables' history
    users.py            Users: whom Steward works for, and their quiet_hours.py
    tasks.py            Tasks: what they asked for; claims.py says who runs each next
    notifications.py    what users were told in the application
    outbox.py           Outbox: runs to be enqueued once a transaction is committed
    outgoing_mail.py    letters on their way out; incoming_mail.py: those that were filed
    mailboxes.py        Mailboxes: what lies in them; mailbox_entry.py: their values
    ways.py             Ways: how each user can be reached, and how they don't want to be
    outgoing_sms.py     SMS on their way out; outgoing_posts.py: what goes to Slack and webhooks
    sessions.py         Sessions: who is logged in
    cache.py            Cache: what can be had again, but at a cost
    history.py          History: forgets what is long over
    optimizer.py        Optimizer: looks after the database; optimizations.py: what that did
    effects.py          Effects: what jobs have done to the world outside, so that it happens once
    sync_history.py     SyncHistory: what each sync with something outside did
    mirror.py           MirrorBook: what a folder and an account elsewhere were like when alike
    calendar.py         calendars as they were last read
    runs.py             Runs: the history of every run; position.py: how far, and the gaps in it
    health.py           what the health checks found

A noun is one file: its row, its frozen value, its repository. Rows never leave this room.
"""
