"""A model behind an OpenAI-compatible address, reached by pydantic-ai.

To load this file takes seconds: `model` does so when it is first asked, in a thread. What the
provider answers is read into `Said`, with at most two repairs; what it answers instead becomes one
of our errors, whose text is ours: theirs may quote the key or the task.
"""

import httpx2
from openai import AsyncOpenAI
from pydantic import BaseModel, Field, TypeAdapter
from pydantic_ai import Agent, PromptedOutput, UsageLimits
from pydantic_ai import exceptions as theirs
from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings

from app.services.ai.account import Account
from app.services.ai.assistant import Keep
from app.services.ai.capped import CappedTransport
from app.services.ai.trouble import ours

_REPAIRS = 2  # each is paid
_RESPONSE = TypeAdapter(ModelResponse)
_NO_KEY = "none"  # servers at home want none, and the client insists on one


class Said(BaseModel):
    """What a model has to answer."""

    done: bool = Field(description="whether the task could be carried out by writing alone")
    message: str = Field(min_length=1, description="the result, or why there is none")


class Provider:
    """Asks one model of one account; a request is sent once, and tried again by nobody here."""

    def __init__(self, account: Account) -> None:
        self._account = account
        seconds = account.timeout.total_seconds()
        self._http = httpx2.AsyncClient(
            transport=CappedTransport(httpx2.AsyncHTTPTransport()),
            trust_env=False,
            follow_redirects=False,
            timeout=seconds,
        )
        client = AsyncOpenAI(
            api_key=account.key or _NO_KEY,
            base_url=account.base_url,
            http_client=self._http,
            max_retries=0,
            timeout=seconds,
        )
        provider = OpenAIProvider(openai_client=client)
        self._model = OpenAIChatModel(account.model, provider=provider)
        self._agent = Agent(
            self._model,
            output_type=PromptedOutput(Said),
            retries=_REPAIRS,
            model_settings=ModelSettings(max_tokens=account.max_tokens),
        )

    async def ask(self, instructions: str, content: str, keep: Keep) -> tuple[Said, int]:
        """What the model says, and how many tokens that took; `keep` has each of its answers.

        Raises `AssistantError`, `RefusedByAssistant` or `UnusableAnswer`.
        """
        limits = UsageLimits(request_limit=1 + _REPAIRS)
        try:
            run = await self._agent.run(
                content,
                model=_Keeping(self._model, keep),
                instructions=instructions,
                usage_limits=limits,
            )
        except (theirs.AgentRunError, theirs.UserError) as error:
            raise ours(error) from None  # theirs quotes what the provider sent
        return run.output, run.usage.total_tokens

    async def close(self) -> None:
        """Close its connections."""
        await self._http.aclose()


class _Keeping(WrapperModel):
    """The same model, none of whose answers is paid twice: not those before a repair either."""

    def __init__(self, model: OpenAIChatModel, keep: Keep) -> None:
        super().__init__(model)
        self._keep = keep
        self._asked = 0

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """The answer that is kept, or the model's."""
        self._asked += 1
        ask = super().request

        async def asked() -> bytes:
            return _RESPONSE.dump_json(
                await ask(messages, model_settings, model_request_parameters)
            )

        return _RESPONSE.validate_json(await self._keep(f"said {self._asked}", asked))
