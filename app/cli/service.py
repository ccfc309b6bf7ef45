"""`steward service`: have the system start Steward, and start it again after a reboot."""

import plistlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cyclopts import App

from app.cli.answer import show_json
from app.cli.failures import Misused, NotDone
from app.cli.options import Json
from app.cli.unit import Unit, launchd_agent, systemd_unit

if TYPE_CHECKING:
    from subprocess import CompletedProcess

    from app.settings import Settings

service = App(name="service", help="Have the system start Steward, after a reboot too.")

_PROJECT = Path(__file__).parents[2]
_PATIENCE = 30  # s for a program of the system
_ABSENT, _HUNG = 127, 124  # the codes of a shell and of `timeout`


@service.command(name="print")
def print_service(*, json: Json = False) -> None:
    """Print the systemd user unit, or on a Mac the launchd agent."""
    path, text = _file()
    if json:
        show_json({"path": str(path), "text": text})
    else:
        print(text, end="")


@service.command(name="install")
def install_service(*, json: Json = False) -> None:
    """Write it where the system looks for it, have it checked, and enable it."""
    path, text = _file()
    _write(path, text)
    if sys.platform == "darwin":
        steps = [["launchctl", "load", "-w", str(path)]]
    else:
        _verify(path)
        systemctl = ["systemctl", "--user"]
        steps = [[*systemctl, "daemon-reload"], [*systemctl, "enable", path.name]]
    left = [*_take(steps, path), *_last_steps(path)]
    if json:
        show_json({"path": str(path), "to_do": left})
        return
    print(f"{path} is written. Type next:")
    for each in left:
        print(f"  {each}")


def _file() -> tuple[Path, str]:
    """Where the description belongs, and what it says."""
    from app.settings import read_settings

    settings = read_settings()
    unit = _unit(settings, settings.home.resolve())
    if sys.platform == "darwin":
        agents = Path.home() / "Library" / "LaunchAgents"
        return agents / "steward.plist", plistlib.dumps(launchd_agent(unit)).decode()
    units = Path.home() / ".config" / "systemd" / "user"
    return units / "steward.service", systemd_unit(unit)


def _unit(settings: "Settings", home: Path) -> Unit:
    from app.local.socket import LONGEST

    folder = _PROJECT if (_PROJECT / "scripts").is_dir() else home
    unit = Unit(
        python=sys.executable,
        folder=folder,
        home=home,
        program=_PROJECT,
        writable=settings.files.temp_folders,
        shares_tmp=len(str(home / "valkey.sock").encode()) > LONGEST,
    )
    if any("\n" in str(each) for each in (unit.python, folder, home, *unit.writable)):
        raise Misused("a path with a line break can't be written into a service file")
    return unit


def _write(path: Path, text: str) -> None:
    """All of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(text)
    draft.replace(path)


def _verify(path: Path) -> None:
    """Have systemd read it, where systemd is."""
    said = _run(["systemd-analyze", "--user", "verify", str(path)]).stderr
    complaints = [line for line in said.splitlines() if line.startswith(str(path))]
    if complaints:
        raise NotDone(f"systemd does not accept it: {complaints[0]}")


def _take(steps: list[list[str]], path: Path) -> list[str]:
    """Take the steps; all are left to the user where no service manager runs."""
    if not _is_managed():
        return [" ".join(each) for each in steps]
    for step in steps:
        done = _run(step)
        if done.returncode:
            why = next(iter(done.stderr.splitlines()), f"it ended with {done.returncode}")
            raise NotDone(f"{path} is written, but `{' '.join(step)}` failed: {why}")
    return []


def _is_managed() -> bool:
    """Whether a service manager runs here: a container may have systemd's programs alone."""
    if sys.platform == "darwin":
        return True
    asked = _run(["systemctl", "is-system-running"])
    return asked.returncode != _ABSENT and asked.stdout.strip() != "offline"


def _last_steps(path: Path) -> list[str]:
    if sys.platform == "darwin":
        return []
    starts_without_login = "loginctl enable-linger      # so that it starts without a login"
    return [f"systemctl --user start {path.stem}", starts_without_login]


def _run(command: list[str]) -> "CompletedProcess[str]":
    """What a program of the system said, and its exit code: a shell's for one that is absent."""
    from subprocess import CompletedProcess, TimeoutExpired, run

    try:
        return run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except OSError as error:
        return CompletedProcess(command, _ABSENT, "", str(error))
    except TimeoutExpired:
        return CompletedProcess(command, _HUNG, "", f"no answer for {_PATIENCE} s")
