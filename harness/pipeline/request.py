"""What a person asked for, as a plain value that is kept with the run so that `resume` can ask again."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from harness.errors import ConfigError, DataError


@dataclass(frozen=True, slots=True)
class ModelChoice:
    """A model named on the command line: for one replayer, or for all of a suite when `replayer` is empty."""

    replayer: str
    path: Path


@dataclass(frozen=True, slots=True)
class Request:
    """One execution of a suite, as asked for. All paths are absolute.

    `branch` is whose approvals lie over those of main. `confirm` says whether what FAILs is repeated, if not as the
    suite says. `segments` are the names of the only ones meant, where there are any. With `fresh` all is replayed, also
    what has its trace in the store.
    """

    suite: Path
    devices: Path | None = None
    candidate: tuple[ModelChoice, ...] = ()
    baseline: tuple[ModelChoice, ...] = ()
    only: tuple[str, ...] = ()
    intents: tuple[Path, ...] = ()
    branch: str = ""
    segments: tuple[str, ...] = ()
    fresh: bool = False
    command: tuple[str, ...] = ()
    confirm: bool | None = None


def parse_model_choice(text: str) -> ModelChoice:
    """`PATH` or `REPLAYER=PATH`; the path must exist."""
    replayer, equals, rest = text.partition("=")
    chosen = ModelChoice(replayer, Path(rest)) if equals and not Path(text).exists() else ModelChoice("", Path(text))
    if not chosen.path.exists():
        raise ConfigError(f"no model at {chosen.path}", where=text, remedy="name a folder of ONNX files or one file")
    return ModelChoice(chosen.replayer, chosen.path.absolute())


_REQUEST = TypeAdapter(Request)


def render_request(request: Request) -> str:
    """The request as JSON text."""
    return _REQUEST.dump_json(request, indent=1).decode() + "\n"


def load_request(path: Path) -> Request:
    """The request a run was started with; DataError when the file is not one."""
    cause: Exception
    try:
        return _REQUEST.validate_json(path.read_bytes())
    except OSError as error:
        problem, cause = f"cannot be read: {error.strerror}", error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        problem, cause = f"not the request of a run: {place}: {first['msg']}", error
    raise DataError(problem, where=str(path), remedy="start the run anew with closet run") from cause
