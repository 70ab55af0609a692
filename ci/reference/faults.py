"""Exit codes, and every class of error with whose fault it is."""

from __future__ import annotations

from ci.reference.text import GENERATED, first_line, member_docs, table
from harness import errors
from harness.errors import ClosetError, ExitCode


def render() -> str:
    """The page."""
    docs = member_docs(ExitCode)
    codes = table(
        ["exit", "name", "meaning"], [(str(code.value), f"`{code.name}`", docs[code.name]) for code in ExitCode]
    )
    order = ", ".join(str(ExitCode.worst(codes).value) for codes in _falling())
    rows = [
        (
            f"`{kind.__name__}`",
            "a bug of ours" if kind is ClosetError else first_line(kind),
            str(int(kind.exit_code)),
            "yes" if kind.retry_elsewhere else "no",
        )
        for kind in error_classes()
    ]
    return (
        f"{GENERATED}# Exit codes and errors\n\n"
        "The gate is the exit code.\n\n"
        f"{codes}\n"
        f"Where several hold, the first of {order} counts: a found regression never hides behind a lab error. Nothing\n"
        "collected is never green. `closet report` and `closet claims` exit as the run that they show.\n\n"
        "## Whose fault it is\n\n"
        "Every error says what is wrong, where, and what to do about it. Its class says whose fault it is; that of\n"
        "the first specific cause is kept in the record, and never overwritten by a later, general one. An error that\n"
        "another device may not have is tried there, once or twice; every attempt is kept.\n\n"
        f"{table(['class', 'whose fault', 'exit', 'tried elsewhere'], rows)}"
    )


def error_classes() -> list[type[ClosetError]]:
    """Every class of error, a base before what is made of it."""
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, ClosetError)]


def _falling() -> list[list[ExitCode]]:
    """All codes, then without the worst, and so on: what is worst in each is the order in which they count."""
    left: list[ExitCode] = [code for code in ExitCode if code is not ExitCode.GATE_OPEN]
    found: list[list[ExitCode]] = []
    while left:
        found.append(list(left))
        left.remove(ExitCode.worst(left))
    return found
