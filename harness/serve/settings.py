"""How a dashboard is reached, by whom, and what it shows."""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from harness.errors import ConfigError

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"

LEAST_TOKEN = 16
_HEADER = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,60}")
_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """What `closet serve` was asked.

    `names` are host names under which it is reached, besides addresses and localhost. `token_sha256` is of the token
    that lets people in, None where there is none. Who comes from `identity_from` with `identity_header` is who that
    header says. `user` is who logs in by the link that is shown on the terminal.
    """

    home: Path
    host: str = "127.0.0.1"
    port: int = 8321
    devices_file: Path | None = None
    quarantine_file: Path | None = None
    names: tuple[str, ...] = ()
    token_sha256: bytes | None = None
    identity_header: str = ""
    identity_from: tuple[Network, ...] = ()
    user: str = ""
    login_link: bool = False

    @property
    def is_local(self) -> bool:
        """Whether only this machine reaches it, and nothing says that others do through a proxy."""
        return _is_loopback(self.host) and not self.names and not self.identity_header

    @property
    def takes_changes(self) -> bool:
        """Whether there is a way to log in."""
        return self.login_link or self.token_sha256 is not None or bool(self.identity_header)


def check_settings(settings: Settings) -> None:
    """ConfigError where strangers could look in."""
    if bool(settings.identity_header) != bool(settings.identity_from):
        raise ConfigError(
            "a header that says who it is, and from where it is believed, go together",
            where="--identity-header, --identity-from",
            remedy="give both: --identity-header X-Forwarded-User --identity-from 10.0.0.5/32",
        )
    if settings.identity_header and not _HEADER.fullmatch(settings.identity_header):
        raise ConfigError(f"{settings.identity_header!a} is no name of a header", where="--identity-header")
    for name in settings.names:
        if not _NAME.fullmatch(name):
            raise ConfigError(f"{name!a} is no host name", where="--name", remedy="as in https://NAME/, without port")
    if not settings.is_local and settings.token_sha256 is None and not settings.identity_header:
        raise ConfigError(
            f"on {settings.host} others could look in",
            where="--host, --name",
            remedy="give --token-file or CLOSET_SERVE_TOKEN, or --identity-header with --identity-from; "
            "or stay on 127.0.0.1",
        )


def read_token(path: Path | None, variable: str) -> bytes | None:
    """sha256 of the token in a file, else of the one in an environment variable's value; None without either.

    ConfigError for one that is short, or in a file that others can read.
    """
    if path is None and not variable:
        return None
    where = str(path) if path is not None else "CLOSET_SERVE_TOKEN"
    token = variable.strip()
    if path is not None:
        try:
            if path.stat().st_mode & 0o077:
                raise ConfigError("others can read the token", where=where, remedy=f"chmod 600 {path}")
            token = path.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            told = error.strerror if isinstance(error, OSError) else "is not text"
            raise ConfigError(f"the token cannot be read: {told}", where=where) from error
    if len(token) < LEAST_TOKEN:
        raise ConfigError(
            f"the token has fewer than {LEAST_TOKEN} letters",
            where=where,
            remedy="make one: python3 -c 'import secrets; print(secrets.token_urlsafe(32))'",
        )
    return hashlib.sha256(token.encode()).digest()


def parse_networks(texts: Iterable[str]) -> tuple[Network, ...]:
    """Networks as CIDR; ConfigError for anything else, and for all addresses there are."""
    networks = []
    for text in texts:
        try:
            network = ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                f"{text!a} is no network: {error}", where="--identity-from", remedy="such as 10.0.0.5/32"
            ) from error
        if network.prefixlen == 0:
            raise ConfigError(
                "that would believe everybody", where="--identity-from", remedy="name the proxy's address"
            )
        networks.append(network)
    return tuple(networks)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
