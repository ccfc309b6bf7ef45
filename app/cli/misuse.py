"""What was typed wrongly, in one line that says what to type instead."""

from cyclopts import CoercionError, CycloptsError, MissingArgumentError, UnusedCliTokensError


def misuse(error: CycloptsError) -> str:
    """The parser's objection, in our words where its own need some knowledge of it."""
    called = " ".join(("steward", *(error.command_chain or ())))
    match error:
        case UnusedCliTokensError():
            extra = " ".join(error.unused_tokens or ())
            said = f"`{called}` has no use for {extra!r}"
        case MissingArgumentError(argument=argument) if argument is not None:
            name = error.keyword or argument.name
            said = f"{name} needs a value" if name.startswith("-") else f"`{called}` needs {name}"
        case CoercionError(token=token, target_type=kind) if token is not None and kind is int:
            name = token.keyword or (error.argument.name if error.argument else "it")
            said = f"{name} is a whole number, not {token.value!r}"
        case _:
            return str(error)
    return f"{said} ({called} --help)"
