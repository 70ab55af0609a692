"""Exit codes, and every class of error with whose fault it is."""

from __future__ import annotations

from ci.reference.text import GENERATED, first_line, member_docs, table
from harness import errors
from harness.errors import ClosetError, ExitCode
from harness.pipeline.confirmation import NOT_REPRODUCIBLE, SUSPECT_DEVICE
from harness.verdict import NOT_RUN

# What a record may say besides: nobody raised it.
CONCLUSIONS = {
    NOT_RUN.kind: "The job was planned and has no verdict yet: the run goes on, or was cut off (`closet resume`).",
    SUSPECT_DEVICE: "One device alone showed a difference or a crash: it runs its canary before its next job.",
    NOT_REPRODUCIBLE: "The same device did not show the difference again: the software differs from itself.",
}


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
        f"{table(['class', 'whose fault', 'exit', 'tried elsewhere'], rows)}\n"
        "## Conclusions\n\n"
        "In place of an error's class a record may also say what was concluded. All of them exit with 3.\n\n"
        f"{table(['conclusion', 'meaning'], [(f'`{kind}`', words) for kind, words in CONCLUSIONS.items()])}"
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
