"""An assistant for tests."""

from app.services.ai.assistant import AiRequest, Answer, Keep, kept_nowhere


class ScriptedAssistant:
    """Answers as told, for tests: fails with the errors it is given first, and remembers."""

    def __init__(self, text: str = "done", *, errors: tuple[Exception, ...] = ()) -> None:
        self.asked: list[AiRequest] = []
        self.text = text
        self.errors = list(errors)

    async def answer(self, request: AiRequest, _keep: Keep = kept_nowhere) -> Answer:
        """Raise the next error, or answer."""
        self.asked.append(request)
        if self.errors:
            raise self.errors.pop(0)
        return Answer(self.text, "scripted")

    async def check(self) -> str:
        """Say what this is."""
        return "scripted, for tests"

    async def reach(self) -> None:
        """Raise the next error, as `answer` would, and keep it."""
        if self.errors:
            raise self.errors[0]
