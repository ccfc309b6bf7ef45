"""A serializer of its own, so that nothing is pickled."""

import os
from typing import Any

import msgspec
from arq.connections import RedisSettings


async def count(_ctx: dict[str, Any], words: list[str]) -> dict[str, int]:
    """How long each word is."""
    return {word: len(word) for word in words}


class WorkerSettings:
    """Queue and time limit are its own, too."""

    functions = (count,)
    queue_name = "words"
    job_timeout = 5
    keep_result = 60
    job_serializer = msgspec.msgpack.encode
    job_deserializer = msgspec.msgpack.decode
    redis_settings = RedisSettings.from_dsn(os.environ["PROJECT_REDIS"])
