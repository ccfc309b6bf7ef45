"""scripts/bench measures everything, and sees what is lost or doubled."""

import re
import sys
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmark import publication, report, table
from benchmark.sizes import Sizes
from benchmark.workloads import ASIDES, WORKLOADS
from tests.scripts.bench import TOY, WITH_TOY, bench, rows

GROUPS = ["W1,W2", "W3,W4", "W5,W6", "G1,G2,G3", "floor,recorder"]


def expected_rows(names: Sequence[str], sizes: Sizes) -> list[str]:
    """The rows that these workloads fill."""
    workloads = [WORKLOADS[each] for each in names if each in WORKLOADS]
    asides = [ASIDES[each] for each in names if each in ASIDES]
    return [row for each in workloads for row in each.rows(sizes)] + [
        row for each in asides for row in each.rows
    ]


@pytest.mark.tier("T2")
@pytest.mark.parametrize("names", GROUPS)
def test_every_row_is_measured(names: str, tmp_path: Path) -> None:
    files = ("--json", str(tmp_path / "all.json"), "--svg", str(tmp_path / "all.svg"))
    small = ("--n", "50", "--running", "0,1", "--crash", "1")

    done = bench(*WITH_TOY, *files, *small, "--workloads", names)

    assert done.returncode == 0, done.stderr
    found, saved = rows(done.stdout), report.load(tmp_path / "all.json")
    for row in expected_rows(names.split(","), saved.sizes):
        assert re.match(r"[\d,.]+$|-$|over 1$|too short", found[row][0]), (row, found[row])
    assert table.whole(saved) == done.stdout
    assert ET.parse(tmp_path / "all.svg").getroot().tag.endswith("svg")


def test_no_workload_is_forgotten_here() -> None:
    everything = ["W1", "W2", "W3", "W4", "W5", "W6", "G1", "G2", "G3", "floor", "recorder"]

    assert everything == [*WORKLOADS, *ASIDES]


def test_ours_and_stock_arq_run_everything_exactly_once() -> None:
    done = bench("--quick", "--n", "20", "--workloads", "W2")

    assert done.returncode == 0, done.stderr
    found = rows(done.stdout)
    assert found[""] == ["Steward", "Steward, no results", "arq, tuned", "arq, defaults"]
    assert all(re.match(r"[\d,.]+$", cell) for cell in found["drain, one worker, /s"])


@pytest.mark.tier("T2")
def test_a_run_lost_or_doubled_is_said_in_its_row_and_fails_the_whole() -> None:
    variants = "honest,loses,doubles"

    done = bench(*WITH_TOY, "--n", "40", "--workloads", "W2", TOY_VARIANTS=variants)

    assert done.returncode == 1
    honest, *wrong = rows(done.stdout)["drain, one worker, /s"]
    assert re.match(r"[\d,.]+$", honest)
    assert wrong == ["**1 lost**", "**1 doubled**"]


def test_an_adapter_that_breaks_fails_its_rows_with_its_own_words(tmp_path: Path) -> None:
    adapter = tmp_path / "broken.py"
    adapter.write_text(
        TOY.read_text().replace("client.rpush(_QUEUE", "client.no_such_thing(_QUEUE")
    )

    done = bench("--quick", "--adapter", str(adapter), "--workloads", "W1")

    assert done.returncode == 1
    assert "no_such_thing" in rows(done.stdout)["enqueue in bulk, /s"][0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--workloads", "W9"], "no workload is called 'W9'"),
        (["--n", "0"], "must be 1 or more"),
        (["--adapter", "nowhere.py"], "no file nowhere.py"),
        (["--redis-server", sys.executable.replace("python", "README")], "no file"),
        (["--publish", "--quick"], "--publish needs every workload"),
        (["--publish", "--workloads", "W1"], "--publish needs every workload"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(arguments: list[str], said: str) -> None:
    done = bench(*arguments)

    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--from", __file__], "is no report"),
        (["--redis-server", __file__], "cannot run"),
        (["--from", str(publication.REPORT), "--json", "/nowhere/at/all"], "No such file"),
    ],
)
def test_what_fails_on_the_way_is_told_in_one_line(arguments: list[str], said: str) -> None:
    done = bench(*arguments, "--workloads", "floor", "--adapter", str(TOY))

    assert done.returncode == 1
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
