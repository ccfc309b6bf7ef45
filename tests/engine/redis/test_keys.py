"""Key names, spelled in Python and in Lua."""

import re
from importlib.resources import files

from app.engine.redis import keys
from app.engine.redis.steps import STEPS, source

_ASSIGNMENT = re.compile(r"^local ([A-Z_, ]+) = ('.*')$", re.MULTILINE)


def spelled_in_lua() -> dict[str, str]:
    found: dict[str, str] = {}
    for names, values in _ASSIGNMENT.findall(
        (files("app.engine.redis") / "lua/names.lua").read_text()
    ):
        found |= dict(zip(names.split(", "), re.findall("'([^']*)'", values), strict=True))
    return found


def test_lua_and_python_spell_every_key_alike() -> None:
    lua = spelled_in_lua()

    assert len(lua) >= 14
    assert lua == {name: getattr(keys, name) for name in lua}


def test_a_queue_after_a_slash_is_shown_without_it() -> None:
    assert keys.queue_title("/arq:queue") == "arq:queue"
    assert keys.queue_title("ai") == "ai"


def test_a_queue_after_a_slash_is_the_key_it_names() -> None:
    assert keys.queue("ai") == "arq:queue:ai"
    assert keys.queue("/arq:queue") == "arq:queue"


def test_no_step_spells_a_key_itself() -> None:
    names = (files("app.engine.redis") / "lua/names.lua").read_text()

    for step in STEPS:
        own = source(step).removeprefix(names)
        assert not re.search(r"'(arq|steward):", own), step


def test_every_step_has_its_file_and_every_file_its_step() -> None:
    there = {each.name for each in (files("app.engine.redis") / "lua").iterdir()}

    assert there == {f"{step}.lua" for step in STEPS} | {"names.lua", "shared.lua", "when_full.lua"}


def test_every_key_is_explained() -> None:
    told = keys.__doc__ or ""

    for name, value in vars(keys).items():
        if name.isupper() and isinstance(value, str):
            assert value in told, name
