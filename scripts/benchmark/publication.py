"""The results where README shows them: files beside this one, and a section of its own.

Everything published is made from one report, so a test can make it again and compare.
"""

from dataclasses import replace
from pathlib import Path

from benchmark import picture, report, table
from benchmark.failed import Failed
from benchmark.report import Report

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_README = _ROOT / "README.md"
_FAULTY = _ROOT / ".cache" / "faulty-bench.json"
REPORT = _HERE / "results.json"
_BEGIN = "<!-- from here on, `scripts/bench --publish` writes -->"
_END = "<!-- up to here -->"
SHOWN = (
    "enqueue one by one, /s",
    "enqueue in bulk, /s",
    "drain, one worker, /s",
    "start after enqueue, p50, ms",
    "start after enqueue, p99, ms",
    "an idle worker's memory, MB",
    "its Redis commands, /s",
    "kill -9 until the run starts elsewhere, s",
    "drain with 100,000 queued, /s",
)
"""The rows of README's table; the rest is in the whole one."""


def publish(found: Report) -> None:
    """Write the report, the tables and the picture, and README's section of them.

    Raises `Failed` for a report with faults, which lies where `--from` finds it.
    """
    if found.has_faults:
        report.save(found, _FAULTY)
        raise Failed(f"not published, for it has faults; it is in {_FAULTY}")
    report.save(found, REPORT)
    for file, text in published(found).items():
        file.write_text(text, encoding="utf-8")


def published(found: Report) -> dict[Path, str]:
    """Every file that shows this report, as it must be."""
    readme = _README.read_text(encoding="utf-8")
    before, begin, rest = readme.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not (begin and end):
        raise Failed("README has lost the marks between which the results belong")
    return {
        _HERE / "results.svg": picture.draw(found),
        _HERE / "results.md": f"# What `{found.command}` measured\n\n{table.whole(found)}",
        _README: f"{before}{_BEGIN}\n{_section(found)}{_END}{after}",
    }


def _section(found: Report) -> str:
    shown = replace(found, rows=[row for row in found.rows if row in SHOWN])
    return f"""
    {found.command}

{table.conditions(found)}

![Runs a second of one worker, and by the length of its queue](scripts/benchmark/results.svg)

{table.results(shown)}

[The whole table](scripts/benchmark/results.md) has {len(found.rows)} rows, what each run costs,
and what was measured beside the contest.

"""
