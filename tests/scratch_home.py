"""A home of a test's own, and settings that nothing on the developer's machine gets into."""

import os
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path
from signal import SIGKILL

from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from app.settings import Settings
from tests.local.conftest import server_pid


class Given(Settings):
    """Settings with what they are given, and defaults: no environment, no `.env`."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003  # pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read nothing else."""
        return (init_settings,)


@contextmanager
def scratch_folder(prefix: str) -> Generator[Path]:
    """A folder with a path short enough for sockets; the home in it is stopped, all is removed."""
    folder = Path(tempfile.mkdtemp(prefix=prefix)).resolve()
    try:
        yield folder
    finally:
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(server_pid(folder / "home"), SIGKILL)
        shutil.rmtree(folder)
