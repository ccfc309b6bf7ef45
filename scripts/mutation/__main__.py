"""The command: which jobs, and the table at the end."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from app.jobs import JOBS
from mutation.bodies import WAYS, itself
from mutation.loop import Finding, Loop

_TESTS = Path(__file__).parents[2] / "tests" / "jobs"
_OPTIONS = ("-q", "--assert=plain", "--show-capture=no", "--tb=no")


def main(words: Sequence[str]) -> int:
    """Try these jobs, or all; 1 when one of them is not missed, 2 when there is no such job.

    With `--itself` they are left as they are, and must not be missed.
    """
    names = [each for each in words if each != "--itself"]
    ways = WAYS if len(names) == len(words) else {"itself": itself}
    if unknown := [name for name in names if name not in JOBS]:
        print(f"no job is called {unknown[0]!r}", file=sys.stderr)
        return 2
    loop = Loop([JOBS[name] for name in names or JOBS], ways)
    with redirect_stdout(StringIO()) as said, redirect_stderr(said):
        code = pytest.main([*_OPTIONS, str(_TESTS)], plugins=[loop])
    if code is not pytest.ExitCode.OK:
        print(said.getvalue(), file=sys.stderr)
        return 1
    _show(loop.findings)
    return 0 if all(each.noticed_by for each in loop.findings) else 1


def _show(findings: Sequence[Finding]) -> None:
    width = max(len(each.job) for each in findings)
    for each in findings:
        outcome = each.noticed_by or ("NOT NOTICED" if each.tests else "HAS NO TEST")
        print(f"{each.job:{width}}  {each.way:10}  {each.took:5.1f} s  {outcome}")
    missed = sorted({each.job for each in findings if not each.noticed_by})
    took = sum(each.took for each in findings)
    jobs = len({each.job for each in findings})
    print(f"{jobs} jobs emptied in {took:.0f} s; not missed: {', '.join(missed) or 'none'}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
