"""A worker's end of its guardian: starts it, sends it beats, starts another when it has ended.

What the guardian must know goes through its standard input, for others may read command lines. So
that it can have this process's threads named while no code of Python runs here, `faulthandler` is
told to do that at a signal which means nothing else.
"""

import faulthandler
import json
import logging
import os
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from time import monotonic

from arq.connections import RedisSettings

from app.engine.redis import keys

log = logging.getLogger(__name__)

_SIGNAL = signal.SIGURG  # ignored, unless somebody handles it
_PAUSE = 1.0  # s, at least, from one guardian to the next
_LEAVE = 1.0  # s in which one that is not needed any more has to end
_ROOM = Path(__file__).parent
_PROGRAM = "import sys; sys.path.append(sys.argv[1]); import guardian; guardian.main()"
"""Starts it as a module, which is compiled already, without all that it may need later."""
_NOT_FOR_IT = ("retry", "retry_on_error")


class Guard:
    """Beside one worker's lease, from `start` to `stop`; only one thread may send beats."""

    def __init__(
        self, redis: RedisSettings, *, worker: str, length: timedelta, max_block: timedelta
    ) -> None:
        """`length` is the lease's."""
        self._orders = {
            "key": keys.worker(worker),
            "length": length.total_seconds(),
            "max_block": max_block.total_seconds(),
            "redis": {k: v for k, v in asdict(redis).items() if k not in _NOT_FOR_IT},
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe = -1  # to its standard input
        self._begun_at = 0.0
        self._is_missed = False

    def start(self) -> None:
        """Begin; what can't be had is done without, and said."""
        self._orders |= {"path": sys.path, "signal": _SIGNAL if _can_be_named() else 0}
        self._begin()

    def beat(self) -> None:
        """Code of Python runs here: say so, more often than the guardian looks."""
        try:
            if self._process is not None:
                os.write(self._pipe, b".")
            elif monotonic() - self._begun_at >= _PAUSE:
                self._begin()
        except BlockingIOError:  # it is stopped, and will read them all
            pass
        except OSError:
            self.stop()

    def stop(self) -> None:
        """End it, so that nobody shows this worker alive any more: it ends with its input."""
        process, self._process = self._process, None
        if process is None:
            return
        os.close(self._pipe)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=_LEAVE)
            return
        process.kill()
        process.wait()

    def _begin(self) -> None:
        self._begun_at = monotonic()
        try:
            self._process = self._started()
        except OSError as error:
            level = logging.DEBUG if self._is_missed else logging.WARNING  # once is enough
            log.log(level, "nobody will show this worker alive while a call holds it: %s", error)
            self._is_missed = True
        else:
            self._is_missed = False

    def _started(self) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOM)]
        its_input, pipe = os.pipe()
        try:
            os.write(pipe, json.dumps(self._orders).encode() + b"\n")
            os.set_blocking(pipe, False)
            process = subprocess.Popen(
                command,
                stdin=its_input,
                stdout=subprocess.DEVNULL,
                stderr=_errors(),
                start_new_session=True,
            )
        except OSError:
            os.close(pipe)
            raise
        finally:
            os.close(its_input)
        self._pipe = pipe
        return process


def _errors() -> int | None:
    """Where it says what it has to: as this process does, if that says anything."""
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return None


def _can_be_named() -> bool:
    """Whether the signal is free, and what it makes the process write has somewhere to go."""
    if signal.getsignal(_SIGNAL) not in (signal.SIG_DFL, signal.SIG_IGN) or sys.stderr is None:
        return False
    with suppress(OSError, ValueError, AttributeError):
        faulthandler.register(_SIGNAL, file=sys.stderr, all_threads=True)
        return True
    return False
