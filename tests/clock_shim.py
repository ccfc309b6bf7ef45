"""A clock that a test can set, for a program that somebody else wrote: Redis and the like.

A few lines of C go before the C library, and add to the time of day what a file says. They are
compiled where a compiler is there; a test that needs them skips where none is.
"""

import shlex
import shutil
import struct
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile long long *ahead;  /* microseconds */

static long long off(void) {
    if (!ahead) {
        int file = open(getenv("CLOCK_SHIM"), O_RDONLY);
        ahead = mmap(NULL, sizeof *ahead, PROT_READ, MAP_SHARED, file, 0);
        close(file);
    }
    return *ahead;
}

int clock_gettime(clockid_t clock, struct timespec *at) {
    int failed = syscall(SYS_clock_gettime, clock, at);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
        at->tv_sec += off() / 1000000;
    return failed;
}

int gettimeofday(struct timeval *restrict at, void *restrict zone) {
    int failed = syscall(SYS_gettimeofday, at, zone);
    if (!failed && at) at->tv_sec += off() / 1000000;
    return failed;
}

time_t time(time_t *at) {
    struct timeval now;
    gettimeofday(&now, NULL);
    if (at) *at = now.tv_sec;
    return now.tv_sec;
}
"""


class ClockShim:
    """One program's clock."""

    def __init__(self, folder: Path, program: Path) -> None:
        """Compiles it in this folder; the test is skipped where there is no compiler."""
        compiler = shutil.which("cc") or pytest.skip("there is no C compiler")
        source, library = folder / "shim.c", folder / "shim.so"
        source.write_text(_SOURCE)
        built = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)]
        subprocess.run(built, check=True, timeout=60)
        self._ahead = folder / "ahead"
        self._ahead.write_bytes(struct.pack("q", 0))
        self.program = folder / "program"
        """The same program, with this clock."""
        words = (f"CLOCK_SHIM={self._ahead}", f"LD_PRELOAD={library}", str(program))
        self.program.write_text(f'#!/bin/sh\nexec env {shlex.join(words)} "$@"\n')
        self.program.chmod(0o755)

    def set_ahead(self, span: timedelta) -> None:
        """Let it be so much ahead from now on, or behind; whole seconds."""
        with self._ahead.open("r+b") as file:
            file.write(struct.pack("q", int(span.total_seconds()) * 1_000_000))
