"""Where a shelf is: a file of this machine, or a PostgreSQL server that several machines share."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from harness.errors import ConfigError
from harness.redaction import holds_password

_EXAMPLE = "a path, or postgresql://user@host/database"


@dataclass(frozen=True, slots=True)
class Address:
    """Exactly one is set: `path` of a SQLite file, or `url` of a PostgreSQL database."""

    path: Path | None = None
    url: URL | None = None

    def __str__(self) -> str:
        """For people: without a password."""
        return str(self.path) if self.url is None else _shown(self.url)


def parse_address(text: str, from_file: bool = False) -> Address:
    """A path, `sqlite:///PATH` or `postgresql://…`; ConfigError for anything else.

    An address that came from a file may hold no password: files are committed, copied and shown.
    """
    if not text.strip() or "\0" in text:
        raise ConfigError("no address of a shelf", remedy=f"write {_EXAMPLE}")
    if "://" not in text:
        return Address(path=Path(os.path.abspath(Path(text).expanduser())))  # noqa: PTH100 links stay as they are
    try:
        url = make_url(text)
        backend = url.get_backend_name()
    except (ArgumentError, ValueError):  # the text is not shown: nobody knows what of it is a password
        raise ConfigError("not an address of a shelf", remedy=f"write {_EXAMPLE}") from None
    if from_file and holds_password(text):
        raise ConfigError(
            "a password in the address of the shelf",
            where=_shown(url),
            remedy="put it in a file of its own that PGPASSFILE names, or the whole address in CLOSET_SHELF",
        )
    if backend == "sqlite" and url.database:
        return parse_address(url.database)
    if backend not in {"postgresql", "postgres"}:
        raise ConfigError(f"a shelf cannot be kept in {backend!r}", remedy=f"write {_EXAMPLE}")
    return Address(url=url.set(drivername="postgresql+psycopg"))


def _secret_keys(url: URL) -> list[str]:
    """Parameters such as `password` and `sslpassword`."""
    return [key for key in url.query if "password" in key.lower()]


def _shown(url: URL) -> str:
    return url.difference_update_query(_secret_keys(url)).render_as_string(hide_password=True)
