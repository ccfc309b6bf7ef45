"""`steward demo`, which `start --demo` is too: a tour on real input, in a temporary home.

tour.py     the way through it, and the verdict
stops.py    what is shown: each does something, and looks whether it happened
channels.py ... with every way to reach a user; post_office.py is where that arrives
files.py    ... with files
syncs.py    ... with notes and preferences; notebook.py is what notes are in step with
crash.py    the last stop: a worker is killed in the middle of a run
servers.py  ... on a Redis and a PostgreSQL of one's own
house.py    the temporary home, its services and its two worker processes
jobs.py     two jobs that only the demo's workers know
screen.py   lines, a progress bar where there is a terminal, and the table at the end
"""

from functools import partial
from typing import Annotated

from cyclopts import App, Parameter

from app.cli.lifetime import serve
from app.cli.options import Json

demo = App(name="demo")


ByUrl = Annotated[
    bool,
    Parameter(
        negative=(), help="In two homes, on the settings' Redis and PostgreSQL; both must be empty."
    ),
]


@demo.default
def play_demo(*, json: Json = False, by_url: ByUrl = False) -> int:
    """Play a tour on real input in a temporary home, and end; exit code 1 if anything fails."""
    from app.cli.demo.servers import servers_of
    from app.cli.demo.tour import play
    from app.settings import read_settings

    servers = servers_of(read_settings()) if by_url else None
    return serve(partial(play, as_json=json, servers=servers))
