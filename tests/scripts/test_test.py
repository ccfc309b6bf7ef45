"""What scripts/test promises about skipped tests, kept by tests.plugins.required."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SKIPPED = "import pytest\n\ndef test_of_it() -> None:\n    pytest.skip('no dovecot here')\n"
EXPECTED = "import pytest\n\n@pytest.mark.xfail\ndef test_of_it() -> None:\n    assert False\n"


def test_a_skipped_test_is_named_right_above_the_closing_line(tmp_path: Path) -> None:
    done = _pytest(tmp_path, SKIPPED)

    *_, named, closing = done.stdout.splitlines()
    assert named == "skipped: test_it.py::test_of_it (no dovecot here)"
    assert "1 skipped" in closing
    assert done.returncode == 0


def test_where_everything_is_required_a_skip_is_a_failure(tmp_path: Path) -> None:
    done = _pytest(tmp_path, SKIPPED, STEWARD_TEST_REQUIRE="all")

    assert "skipped, but STEWARD_TEST_REQUIRE=all: no dovecot here" in done.stdout
    assert "1 failed" in done.stdout.splitlines()[-1]
    assert done.returncode == 1


def test_a_whole_file_that_skips_itself_is_a_failure_too(tmp_path: Path) -> None:
    file = "import pytest\n\npytest.importorskip('no_such_package')\n"

    done = _pytest(tmp_path, file, STEWARD_TEST_REQUIRE="all")

    assert "1 error" in done.stdout.splitlines()[-1]
    assert done.returncode != 0


def test_an_expected_failure_is_no_skip(tmp_path: Path) -> None:
    done = _pytest(tmp_path, EXPECTED, STEWARD_TEST_REQUIRE="all")

    assert "1 xfailed" in done.stdout.splitlines()[-1]
    assert done.returncode == 0


def _pytest(folder: Path, content: str, **environment: str) -> subprocess.CompletedProcess[str]:
    (folder / "test_it.py").write_text(content)
    clean = {name: value for name, value in os.environ.items() if name != "STEWARD_TEST_REQUIRE"}
    command = [
        "-m",
        "pytest",
        "-p",
        "tests.plugins.required",
        "-p",
        "no:cacheprovider",
        "test_it.py",
    ]
    return subprocess.run(
        [sys.executable, *command],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT)} | environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=40,
    )
