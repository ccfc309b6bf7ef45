"""Steward: the background work of a personal assistant, asyncio from end to end.

worker  cli  web              entry points: wire things, decide nothing
   |     |    |
timetable -> jobs -> context -> services -> storage
               |        |
               +------> engine <---- observability

settings and queues are plain values; local holds the embedded defaults; connection is the way to
the queues alone, without services; relay brings what the database holds for them; testing has the
fixtures, ours and yours.
Imports point along the arrows only; tests/test_architecture.py holds them.
"""

__version__ = "0.1.0"  # pyproject.toml reads it here
