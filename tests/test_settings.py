"""Settings: what is right is read, what is wrong is refused by name."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.settings import PREFIX, Settings, every_setting
from tests.env_example import env_example

ROOT = Path(__file__).parents[1]
BAD = (
    ("OWNER__TIMEZONE", "Mars/Olympus"),
    ("OWNER__TIMEZONE", "../../etc/passwd"),
    ("OWNER__NAME", ""),
    ("OWNER__ADDRESS", "ann"),
    ("OWNER__ADDRESS", "ann@"),
    ("OWNER__ADDRESS", "ann@example.com\nBcc: eve@example.com"),
    ("OWNER__QUIET_HOURS", "22:00"),
    ("OWNER__QUIET_HOURS", "22:00-24:00"),
    ("OWNER__QUIET_HOURS", "22:00-22:00"),
    ("REDIS__URL", "http://user:s3cret@host"),
    ("REDIS__URL", "redis://user:s3cret@host:70000"),
    ("REDIS__URL", "redis://user:s3cret@host:abc"),
    ("REDIS__URL", "redis://user:s3cret@host:0"),
    ("REDIS__URL", "redis://user:s3cret@host/zero"),
    ("REDIS__URL", "redis://user:s3cret@host/-1"),
    ("REDIS__URL", "redis://user:s3cret@host?db=one"),
    ("REDIS__URL", "redis://user:s3/cret@host"),
    ("REDIS__URL", "redis://user:s3cret?x@host"),
    ("REDIS__URL", "redis://user:s3cret#x@host"),
    ("REDIS__URL", "redis://user:s3cret@[::1/0"),
    ("REDIS__URL", "redis://one:1,two:2/0"),
    ("REDIS__URL", "redis://host/0?ssl_ca_certs=/ca.pem"),
    ("REDIS__URL", "rediss://host/0?ssl_cert_reqs=perhaps"),
    ("REDIS__URL", "rediss://host/0?sentinel_password=s3cret"),
    ("REDIS__URL", "unix://s3cret@"),
    ("REDIS__URL", "unix://redis.sock"),
    ("REDIS__URL", "redis+sentinel://user:s3cret@one,two"),
    ("REDIS__URL", "redis+sentinel://user:s3cret@one:70000,two/mymaster"),
    ("REDIS__URL", "redis+sentinel://user:s3cret@one,two/mymaster/zero"),
    ("REDIS__URL", "sentinel://user:s3cret@one,two/mymaster/0"),
    ("DATABASE__URL", "mysql://user:s3cret@host/name"),
    ("DATABASE__URL", "sqlite:///s3cret.db"),
    ("DATABASE__URL", "postgresql://user:s3cret@host"),
    ("DATABASE__URL", "postgresql://user:s3cret@host/"),
    ("DATABASE__URL", "postgresql://user:s3cret@host:70000/name"),
    ("DATABASE__URL", "postgresql://user:s3cret@host:0/name"),
    ("DATABASE__URL", "postgresql://user:s3/cret@host/name"),
    ("DATABASE__URL", "postgresql://user:s3cret#x@host/name"),
    ("SIGNING__KEYS", '["s3cret"]'),
    ("WORKER__CONCURRENCY", "0"),
    ("WORKER__CONCURRENCY", "-1"),
    ("WORKER__CONCURRENCY", "many"),
    ("WORKER__CONCURRENCY", "1.5"),
    ("WORKER__LEASE", "0"),
    ("WORKER__LEASE", "-1"),
    ("WORKER__LEASE", "nan"),
    ("WORKER__LEASE", "inf"),
    ("WORKER__LEASE", "soon"),
    ("WORKER__GRACE", "-1"),
    ("WORKER__KEEP_RESULT", "1e99"),
    ("WORKER__RECORDER", "perhaps"),
    ("AI__BASE_URL", "api.openai.com"),
    ("AI__BASE_URL", "ftp://host/v1"),
    ("AI__BASE_URL", "https://user:s3cret@host/v1"),
    ("AI__BASE_URL", "https://host:0/v1"),
    ("AI__MODEL", "m" * 91),
    ("AI__TIMEOUT", "0"),
    ("AI__TIMEOUT", "241"),
    ("AI__MAX_TOKENS", "1"),
    ("AI__PAUSE_AFTER", "0"),
    ("AI__KEEP", "-1"),
    ("MAIL__SENDER", "nobody"),
    ("MAIL__SMTP__PORT", "70000"),
    ("MAIL__SMTP__PORT", "0"),
    ("MAIL__SMTP__PORT", "abc"),
    ("MAIL__SMTP__SECURITY", "ssl"),
    ("WORKER__TURN", "1"),
    ("WORKER__LIMITS", '{"email": 0}'),
    ("WORKER__LIMITS", '{"email": "2"}'),
    ("WORKER__LIMITS", '["email"]'),
    ("WORKER__LIMITS", "email=2"),
    ("CALENDAR__FEEDS", '["file:///etc/passwd"]'),
    ("CALENDAR__FEEDS", "https://s3cret@example.com/a.ics"),
    ("CALENDAR__FEEDS", '{"a": 1}'),
    ("CALENDAR__FEEDS", '["http://"]'),
    ("FILES__TEMP_FOLDERS", "/tmp/x"),
    ("CALENDAR__FEEDS", '["https://s3cret@host:99999/a.ics"]'),
    ("FILES__TEMP_FOLDERS", '["tmp"]'),
    ("FILES__TEMP_FOLDERS", '["/"]'),
    ("FILES__TEMP_KEEP", "0"),
    ("FILES__FOLDER", "relative"),
    ("FILES__SYNC_WITH", "relative"),
    ("FILES__LOG_FOLDERS", '["relative"]'),
    ("FILES__RULES", '{"*.pdf": "../outside"}'),
    ("FILES__RULES", '{"*.pdf": "/etc"}'),
    ("FILES__RULES", '{"*.pdf": 1}'),
    ("FILES__RULES", "*.pdf"),
    ("BACKUP__FOLDER", "relative"),
    ("BACKUP__FOLDERS", '["relative"]'),
    ("BACKUP__KEEP", "0"),
    ("BACKUP__KEEP_FOR", "-1"),
    ("SESSIONS__IDLE", "0"),
    ("SESSIONS__LIFETIME", "soon"),
    ("HISTORY__KEEP", "0"),
    ("LOG__LEVEL", "LOUD"),
    ("SMS__BASE_URL", "ftp://example.com"),
    ("SMS__BASE_URL", "https://user:s3cret@example.com"),
    ("SMS__BASE_URL", "https://example.com:0"),
    ("SMS__ACCOUNT_SID", "AC/../s3cret"),
    ("SMS__SENDER", "s3cret" * 10),
    ("NOTIFY__PHONE", "0151 12345678"),
    ("NOTIFY__PHONE", "+49151\n"),
    ("NOTIFY__SLACK_URL", "hooks.slack.com/s3cret"),
    ("NOTIFY__SLACK_URL", "https://hooks.slack.com:70000/s3cret"),
    ("NOTIFY__WEBHOOK_URL", "file:///s3cret"),
    ("NOTIFY__WEBHOOK_URL", "https://example.com/s3cret\r\nHost: x"),
    ("NOTIFY__WEBHOOK_SECRET", "s3cret"),
    ("NOTIFY__WEBHOOK_SECRET", "whsec_s3cret"),
    ("NOTIFY__EXCLUDE", '["pigeon"]'),
    ("NOTIFY__EXCLUDE", "sms"),
    ("NOTIFY__HOME_HOSTS", '["nas"]'),
)


def read_in_a_process(cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Read the settings as an entry point does, with nothing else in the environment."""
    return subprocess.run(
        [sys.executable, "-c", "from app.settings import read_settings; print(read_settings())"],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_bad_value_is_refused_by_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.settings import read_settings

    monkeypatch.setenv(PREFIX + name, value)

    with pytest.raises(SystemExit) as refused:
        read_settings()

    said = capsys.readouterr()
    assert refused.value.code == 1
    assert said.out == ""
    assert len(said.err.splitlines()) == 1
    assert said.err.startswith(f"steward: {PREFIX}{name}")
    assert "s3cret" not in said.err


@pytest.mark.parametrize(
    ("name", "value", "missing"),
    [
        ("SMS__ACCOUNT_SID", "AC1", "ACCOUNT_SID needs AUTH_TOKEN and SENDER"),
        ("NOTIFY__WEBHOOK_URL", "https://example.com/", "WEBHOOK_URL needs a WEBHOOK_SECRET"),
        ("NOTES__NOTION__TOKEN", "ntn_1", "TOKEN needs DATABASE"),
        ("NOTES__NOTION__DATABASE", "d" * 32, "DATABASE needs TOKEN"),
    ],
)
def test_what_is_nothing_without_another_setting_is_refused_by_its_name(
    name: str,
    value: str,
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    from app.settings import read_settings

    monkeypatch.setenv(PREFIX + name, value)

    with pytest.raises(SystemExit):
        read_settings()

    assert missing in capsys.readouterr().err


@pytest.mark.parametrize("folder", ["", "var"])
def test_a_home_is_in_no_folder_that_is_cleared_away(
    tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from app.settings import read_settings

    monkeypatch.setenv(f"{PREFIX}HOME", str(tmp_path / "var"))
    monkeypatch.setenv(f"{PREFIX}FILES__TEMP_FOLDERS", f'["{tmp_path / folder}"]')

    with pytest.raises(SystemExit):
        read_settings()

    assert "none of them may hold STEWARD_HOME" in capsys.readouterr().err


def test_a_process_with_a_bad_setting_says_one_line_and_ends(tmp_path: Path) -> None:
    done = read_in_a_process(tmp_path, STEWARD_WORKER__CONCURRENCY="none")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("steward: STEWARD_WORKER__CONCURRENCY: ")
    assert len(done.stderr.splitlines()) == 1


def test_the_projects_own_file_is_read_from_anywhere(tmp_path: Path) -> None:
    project, elsewhere = tmp_path / "project", tmp_path / "elsewhere"
    for folder in (project, elsewhere):
        folder.mkdir()
    (project / ".env").write_text("STEWARD_OWNER__NAME=Ann\n")
    (elsewhere / ".env").write_text("STEWARD_OWNER__NAME=Eve\n")

    done = read_in_a_process(elsewhere, STEWARD_PROJECT=str(project))

    assert "name='Ann'" in done.stdout
    assert f"home={project / 'var'!r}" in done.stdout


def test_a_home_in_the_environment_is_where_the_user_stands(tmp_path: Path) -> None:
    done = read_in_a_process(tmp_path, STEWARD_PROJECT="/elsewhere", STEWARD_HOME="here")

    assert "home=PosixPath('here')" in done.stdout


def test_a_misspelt_variable_in_the_file_is_named(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STEWARD_HOMEE=x\nSTEWARD_WORKER__LEASEE=3\n")

    done = read_in_a_process(tmp_path)

    assert done.returncode == 0
    assert done.stderr == (
        "steward: STEWARD_HOMEE: there is no such setting, did you mean STEWARD_HOME?\n"
        "steward: STEWARD_WORKER__LEASEE: there is no such setting, "
        "did you mean STEWARD_WORKER__LEASE?\n"
    )


def test_a_misspelt_variable_is_named_and_the_rest_is_read(tmp_path: Path) -> None:
    done = read_in_a_process(tmp_path, STEWARD_WORKR__LEASE="3", STEWARD_WORKER__POLL="1")

    assert done.returncode == 0
    assert done.stderr.startswith("steward: STEWARD_WORKR__LEASE: there is no such setting")
    assert "poll=datetime.timedelta(seconds=1)" in done.stdout


def test_a_section_that_is_no_json_is_named(tmp_path: Path) -> None:
    done = read_in_a_process(tmp_path, STEWARD_MAIL="ann@example.org")

    assert done.returncode == 1
    assert done.stderr == (
        "steward: STEWARD_MAIL: set what is in it one by one, as STEWARD_MAIL__..., "
        "or all of it as JSON\n"
    )


def test_secrets_are_not_in_the_printed_settings(tmp_path: Path) -> None:
    done = read_in_a_process(
        tmp_path,
        STEWARD_REDIS__URL="redis://user:s3cret@host",
        STEWARD_MAIL__SMTP__PASSWORD="s3cret",
        STEWARD_SIGNING__KEYS='["s3cret-s3cret-s3cret-s3cret-s3cret"]',
        STEWARD_CALENDAR__FEEDS='["https://example.com/s3cret.ics"]',
        STEWARD_SMS__AUTH_TOKEN="s3cret",
        STEWARD_NOTIFY__SLACK_URL="https://hooks.slack.com/s3cret",
        STEWARD_NOTIFY__WEBHOOK_URL="https://example.com/s3cret",
        STEWARD_NOTIFY__WEBHOOK_SECRET="whsec_s3cret" + "A" * 26,
    )

    assert done.returncode == 0
    assert "s3cret" not in done.stdout + done.stderr


def test_a_dotenv_file_is_read_and_may_hold_others_variables(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STEWARD_OWNER__NAME=Ann\nOTHER=1\n")

    done = read_in_a_process(tmp_path)

    assert "name='Ann'" in done.stdout


def test_the_environment_example_shows_every_setting_with_its_default() -> None:
    assert (ROOT / ".env.example").read_text() == env_example()


def test_the_environment_example_uncommented_means_the_defaults(tmp_path: Path) -> None:
    lines = (line.removeprefix("#") for line in env_example().splitlines())
    chosen = [line for line in lines if line.startswith(PREFIX) and not line.endswith("=")]
    (tmp_path / ".env").write_text("\n".join(chosen))

    assert Settings(_env_file=tmp_path / ".env") == Settings(_env_file=None)  # pyright: ignore[reportCallIssue]


def test_every_setting_says_what_it_is_for() -> None:
    assert [name for name, _, purpose in every_setting() if not purpose] == []
