"""What Steward remembers: the database, its tables, and a repository for each noun in them.

    database.py         Database: read() and write() sessions, migrate()
    sqlite.py           ... in a file; postgres.py: ... on a server
    base.py             Base: what every row is built on; dialect.py: where their SQL differs
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
    synced_files.py     SyncedFiles: two folders as they were when they were last alike
    cache.py            Cache: what can be had again, but at a cost
    history.py          History: forgets what is long over
    optimizer.py        Optimizer: looks after the database; optimizations.py: what that did
    effects.py          Effects: what jobs have done to the world outside, so that it happens once
    sync_history.py     SyncHistory: what each sync with something outside did
    mirror.py           MirrorBook: what a folder and an account elsewhere were like when alike
    calendar.py         calendars as they were last read
    runs.py             Runs: the history of every run; position.py: how far, and the gaps in it
    health.py           what the health checks found
    samples.py          how busy machines and queues were; sightings.py: worker processes
    alerts.py           Alerts: what was wrong, and who has seen to it
    failures.py         Failures: attempts that failed, with their tracebacks

A noun is one file: its row, its frozen value, its repository. Rows never leave this room.

What is written here works on SQLite and on PostgreSQL; tests/storage has each test on both.
- `write()` takes a turn, so what it reads stands until it commits. `write(in_turn=False)` is for
  one statement that needs none; say `with_for_update()` for rows that are read, then written.
- An upsert is `insert_into(session, Row)...on_conflict_do_...` of dialect.py. Don't catch an
  IntegrityError within a transaction and go on: PostgreSQL has given that transaction up.
- Text has no length that a database enforces, a number has 64 bits, a moment is aware, JSON is
  not compared. `func.max(a, b)` of two columns is SQLite's alone (say `case`), as PRAGMA is.
- A migration uses migrations/columns.py, and `op.batch_alter_table` to change a table.
- What one database alone can do (ANALYZE, a copy of the file) asks `database.dialect`.
"""
