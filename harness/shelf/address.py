"""Where a shelf is: a file of this machine, or a PostgreSQL server that several machines share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from harness.errors import ConfigError

_EXAMPLE = "a path, or postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class Address:
    """Exactly one is set: `path` of a SQLite file, or `url` of a PostgreSQL database."""

    path: Path | None = None
    url: URL | None = None

    def __str__(self) -> str:
        """For people: without a password."""
        return str(self.path) if self.url is None else self.url.render_as_string(hide_password=True)


def parse_address(text: str, from_file: bool = False) -> Address:
    """A path, `sqlite:///PATH` or `postgresql://…`; ConfigError for anything else.

    An address that came from a file may hold no password: files are committed, copied and shown.
    """
    if "://" not in text:
        if not text.strip():
            raise ConfigError("an empty address of a shelf", remedy=f"write {_EXAMPLE}")
        return Address(path=Path(os.path.abspath(Path(text).expanduser())))  # noqa: PTH100 links stay as they are
    if from_file and _has_password(text):
        raise ConfigError(
            "a password in the address of the shelf",
            where=_without_query(text),
            remedy="put it in a file of its own that PGPASSFILE names, or the whole address in CLOSET_SHELF",
        )
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigError("not an address of a shelf", where=_without_query(text), remedy=f"write {_EXAMPLE}") from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database:
        return parse_address(url.database)
    if backend not in {"postgresql", "postgres"}:
        raise ConfigError(f"a shelf cannot be kept in {backend!r}", remedy=f"write {_EXAMPLE}")
    return Address(url=url.set(drivername="postgresql+psycopg"))


def _has_password(text: str) -> bool:
    parts = urlsplit(text)
    return parts.password is not None or any(key.lower() == "password" for key, _ in parse_qsl(parts.query))


def _without_query(text: str) -> str:
    """The address with nothing secret in it, for messages."""
    parts = urlsplit(text)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
