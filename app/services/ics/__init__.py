"""What a calendar file says: an .ics document becomes events, in a child process with limits.

Calendar files come from strangers. A rule such as "every second for ever" is one line long and
costs hours, so nothing of them is understood in the worker's own process:

    reader.py      Reader: starts the child, hands it files, collects what it finds, ends it
    child.py       limits its own CPU and memory, then takes the files event by event
    document.py    splits a file into events, so that a broken one costs only itself
    expansion.py   makes an event of its lines, and lists when it happens
    frames.py      what reader and child say to each other
    event.py       the values that come back

The child imports this package, so it names nothing here: no database, no settings, no HTTP.
"""
