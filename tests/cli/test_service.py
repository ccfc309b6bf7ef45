"""`service`: a unit that systemd accepts, hardened, with nothing secret in it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.unit import Unit, launchd_agent, systemd_unit
from tests.cli.command import Command

ODD = Path('/srv/50% "off" $HOME')
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="systemd is for Linux")


def unit(
    home: Path, *, shares_tmp: bool = False, writable: tuple[Path, ...] = (Path("/srv/scratch"),)
) -> Unit:
    return Unit(
        python="/usr/bin/python3",
        folder=Path("/srv"),
        home=home,
        program=Path("/srv"),
        writable=writable,
        shares_tmp=shares_tmp,
    )


@LINUX
def test_print_names_the_home_and_no_secret(steward: Command) -> None:
    done = steward("service", "print", STEWARD_MAIL__SMTP__PASSWORD="hunter2")

    assert done.code == 0
    assert f"STEWARD_HOME={steward.home}" in done.out
    assert "hunter2" not in done.out
    assert not steward.home.exists()


def systemctl(folder: Path, *cases: str) -> str:
    """A PATH with nothing but a systemctl, which answers as these cases of its words say."""
    file = folder / "bin" / "systemctl"
    file.parent.mkdir()
    file.write_text("\n".join(["#!/bin/sh", 'case "$*" in', *cases, "esac"]))
    file.chmod(0o755)
    return str(file.parent)


RUNNING = "is-system-running) echo degraded; exit 1 ;;"
OFFLINE = "is-system-running) echo offline; exit 1 ;;"
NO_BUS = "*) echo Failed to connect to bus: No medium found >&2; exit 1 ;;"


@LINUX
def test_install_writes_it_where_systemd_looks(steward: Command, tmp_path: Path) -> None:
    done = steward("service", "install", HOME=str(tmp_path), PATH=systemctl(tmp_path, RUNNING))

    file = tmp_path / ".config" / "systemd" / "user" / "steward.service"
    assert done.code == 0
    assert f"{file} is written" in done.out
    assert "loginctl enable-linger" in done.out
    assert "enable steward.service" not in done.out
    assert "app" in file.read_text()


@LINUX
@pytest.mark.parametrize("cases", [(), (OFFLINE, NO_BUS)], ids=["absent", "offline"])
def test_without_systemd_the_steps_are_left_to_the_user(
    steward: Command, tmp_path: Path, cases: tuple[str, ...]
) -> None:
    path = systemctl(tmp_path, *cases) if cases else str(tmp_path)
    done = steward("service", "install", "--json", HOME=str(tmp_path), PATH=path)

    assert done.code == 0
    assert Path(done.json()["path"]).exists()
    assert done.json()["to_do"][:3] == [
        "systemctl --user daemon-reload",
        "systemctl --user enable steward.service",
        "systemctl --user start steward",
    ]


@LINUX
def test_a_step_that_fails_is_one_line_that_says_why(steward: Command, tmp_path: Path) -> None:
    path = systemctl(tmp_path, RUNNING, "*daemon-reload) ;;", NO_BUS)
    done = steward("service", "install", HOME=str(tmp_path), PATH=path)

    file = tmp_path / ".config" / "systemd" / "user" / "steward.service"
    assert (done.code, done.out) == (1, "")
    assert done.line == (
        f"steward: {file} is written, but `systemctl --user enable steward.service` failed:"
        " Failed to connect to bus: No medium found"
    )
    assert file.exists()


def test_the_unit_is_hardened_and_stops_steward_before_its_valkey() -> None:
    lines = systemd_unit(unit(Path("/srv/home"))).splitlines()

    told = dict(line.split("=", 1) for line in lines if "=" in line)
    assert told["KillMode"] == "mixed"
    assert (told["NoNewPrivileges"], told["ProtectSystem"]) == ("yes", "strict")
    assert told["ReadWritePaths"] == '"-/srv/home" "-/srv/scratch"'
    assert told["Restart"] == "on-failure"
    assert told["PrivateTmp"] == "yes"
    assert {"MemoryMax", "TasksMax"} <= set(told)


def test_the_unit_asks_for_nothing_that_needs_privileges() -> None:
    lines = systemd_unit(unit(Path("/srv/home"))).splitlines()

    hardening = {
        line.partition("=")[0] for line in lines if line.startswith(("Private", "Protect"))
    }
    assert hardening == {"PrivateTmp", "ProtectSystem", "ProtectHome"}
    assert not [line for line in lines if "Capabilit" in line]


@pytest.mark.parametrize(
    "each",
    [
        unit(Path("/srv/home"), shares_tmp=True),
        unit(Path("/tmp/home")),
        unit(Path("/var/tmp/home")),
        unit(Path("/srv/home"), writable=(Path("/tmp/scratch"),)),
    ],
    ids=["socket", "home", "home in /var/tmp", "folder to clean"],
)
def test_what_lies_in_tmp_is_not_hidden(each: Unit) -> None:
    assert "PrivateTmp=no" in systemd_unit(each)


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd-analyze here")
@pytest.mark.parametrize("home", [Path("/srv/home"), ODD], ids=["plain", "odd"])
def test_systemd_accepts_it(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "steward.service"
    file.write_text(systemd_unit(unit(home)))

    done = subprocess.run(
        ["systemd-analyze", "verify", file],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )

    assert not [line for line in done.stderr.splitlines() if line.startswith(str(file))]


def test_a_mac_gets_an_agent_that_starts_with_the_login() -> None:
    agent = launchd_agent(unit(ODD))

    assert agent["ProgramArguments"] == ["/usr/bin/python3", "-P", "-m", "app", "start"]
    assert agent["EnvironmentVariables"]["STEWARD_HOME"] == str(ODD)
    assert agent["RunAtLoad"] is True
