"""How a system's service manager is told about Steward: systemd on Linux, launchd on a Mac.

No setting but the home is in it, so no secret is: the others come from the `.env` file in the
folder it runs in. KillMode=mixed tells Steward alone to stop, and not its Valkey at the same
moment, which it still needs to write down what has been done.

The unit is for a user's systemd, which has no privileges, so it asks only for what needs none:

    by seccomp      NoNewPrivileges, Restrict..., LockPersonality, SystemCallArchitectures: work in
                    every version
    by mounts       ProtectSystem, ProtectHome, ReadWritePaths, PrivateTmp: work since systemd 254
                    where user namespaces are allowed; elsewhere they are passed over
    left out        CapabilityBoundingSet, PrivateDevices, ProtectClock, ProtectKernelLogs and
                    ProtectKernelModules drop capabilities: many a systemd, 255 among them, refuses
                    to start the unit (218/CAPABILITIES). The other Protect... lines guard what
                    a user without privileges can't change anyway.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_UNIT = """\
[Unit]
Description=Steward, the background work of a personal assistant
StartLimitIntervalSec=600
StartLimitBurst=10

[Service]
Type=exec
ExecStart={command}
WorkingDirectory={folder}
Environment={home} {path}
KillMode=mixed
TimeoutStopSec=90
Restart=on-failure
RestartSec=10

NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=read-only
ReadWritePaths={writable}
PrivateTmp={private_tmp}
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
SystemCallArchitectures=native
UMask=0077
MemoryMax=1G
TasksMax=256

[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What the service manager must know."""

    python: str
    folder: Path
    """Where it runs, and where its `.env` lies."""
    home: Path
    program: Path
    """The folder that `app` is in."""
    writable: Sequence[Path]
    """Folders outside of the home that it keeps tidy."""
    shares_tmp: bool
    """Whether its Valkey's socket lies in /tmp, where commands must find it."""

    @property
    def needs_tmp(self) -> bool:
        """Whether anything of it lies where PrivateTmp would put an empty folder."""
        paths = (Path(self.python), self.folder, self.home, self.program, *self.writable)
        return self.shares_tmp or any(
            path.is_relative_to(tmp) for path in paths for tmp in ("/tmp", "/var/tmp")
        )

    @property
    def command(self) -> list[str]:
        """The program with its arguments."""
        return [self.python, "-P", "-m", "app", "start"]

    @property
    def environment(self) -> dict[str, str]:
        """The variables that it needs."""
        return {"STEWARD_HOME": str(self.home), "PYTHONPATH": str(self.program)}


def systemd_unit(unit: Unit) -> str:
    """A unit for a user's systemd."""
    home, path = (f"{name}={value}" for name, value in unit.environment.items())
    writable = [f"-{each}" for each in (unit.home, *unit.writable)]  # one that is missing is none
    return _UNIT.format(
        command=" ".join(_quoted(each.replace("$", "$$")) for each in unit.command),
        folder=str(unit.folder).replace("%", "%%"),
        home=_quoted(home),
        path=_quoted(path),
        writable=" ".join(map(_quoted, writable)),
        private_tmp="no" if unit.needs_tmp else "yes",
    )


def launchd_agent(unit: Unit) -> dict[str, Any]:
    """A property list for launchd."""
    log = str(unit.home / "logs" / "steward.log")
    return {
        "Label": "steward",
        "ProgramArguments": unit.command,
        "WorkingDirectory": str(unit.folder),
        "EnvironmentVariables": unit.environment,
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ThrottleInterval": 10,
        "ExitTimeOut": 90,
        "ProcessType": "Background",
        "Umask": 0o077,
        "StandardOutPath": log,
        "StandardErrorPath": log,
    }


def _quoted(text: str) -> str:
    """As one word of a unit file, in which % begins a specifier."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
