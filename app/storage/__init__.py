"""What Steward remembers: the database, its tables, and a repository for each noun in them.

    database.py     Database: read() and write() sessions, migrate()
    base.py         Base: what every row is built on
    errors.py       what can be wrong with the database itself
    migrations/     the tables' history
    runs.py         Runs: the history of every run
    position.py     how far the event stream is recorded, and the gaps in it

A noun is one file: its row, its frozen value, its repository. Rows never leave this room.
"""
