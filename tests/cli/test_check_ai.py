"""`check ai`: who answers, or the setting to change."""

from collections.abc import Generator

import pytest
from arq.connections import RedisSettings

from app.cli.check import check_ai
from tests.cli.inside import Inside, inside
from tests.services.ai.provider_server import provider_server, refusal, said

KEY = "sk-canary-0123456789"


@pytest.fixture
def steward(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], clean_redis: RedisSettings
) -> Generator[Inside]:
    with inside(monkeypatch, capsys, clean_redis) as steward:
        yield steward


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings that name one."""
    monkeypatch.setenv("STEWARD_AI__MODEL", "tiny")
    monkeypatch.setenv("STEWARD_AI__API_KEY", KEY)
    return monkeypatch


async def test_without_a_model_it_tells_how_to_have_one(steward: Inside) -> None:
    said = await steward.text(check_ai)

    assert said.startswith("rules, no model configured\n")
    assert "STEWARD_AI__MODEL=" in said
    assert "provider's key as STEWARD_AI__API_KEY\n" in said
    assert "***" not in said


async def test_a_model_that_answers_is_named(steward: Inside, model: pytest.MonkeyPatch) -> None:
    async with provider_server(said("Hello")) as server:
        model.setenv("STEWARD_AI__BASE_URL", server.url)
        line = await steward.text(check_ai)

    assert line.startswith("llm:tiny at 127.0.0.1 answered in ")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "setting"),
    [(401, "STEWARD_AI__API_KEY"), (404, "STEWARD_AI__MODEL"), (500, "STEWARD_AI__BASE_URL")],
)
async def test_what_is_wrong_names_the_setting_to_change(
    steward: Inside, model: pytest.MonkeyPatch, status: int, setting: str
) -> None:
    async with provider_server(refusal(status, f"bad {KEY}")) as server:
        model.setenv("STEWARD_AI__BASE_URL", server.url)
        line = await steward.text(check_ai)

    assert line.startswith("steward: ai: ")
    assert setting in line
    assert KEY not in line
    assert len(line.splitlines()) == 1
