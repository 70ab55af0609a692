"""Who may look, and who may change: tokens, sessions, a proxy's word for who it is, and how often one may guess.

Secrets are compared by digest in constant time, and kept in memory only. Sessions end with the program.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.pipeline.changes import Person
from harness.serve.settings import Settings

SESSION_S = 12 * 3600.0
_MOST_SESSIONS = 1000
_MOST_ADDRESSES = 4096
_WINDOW_S = 60.0
_GUESSES = 5  # of one address within the window
_GUESSES_OF_ALL = 50
_LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Viewer:
    """Somebody who is known. `csrf` is what their forms carry; `by_header`: no browser sends that by itself."""

    person: Person
    csrf: str
    by_header: bool = False


@dataclass(slots=True)
class _Session:
    viewer: Viewer
    ends_s: float


@dataclass(slots=True)
class Guesses:
    """How often a wrong token was given lately."""

    clock: Callable[[], float] = time.monotonic
    _by_address: OrderedDict[str, deque[float]] = field(default_factory=OrderedDict)
    _all: deque[float] = field(default_factory=deque)

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 when it may now."""
        now_s = self.clock()
        waits = [0.0]
        for times, most in ((self._by_address.get(address, deque()), _GUESSES), (self._all, _GUESSES_OF_ALL)):
            while times and times[0] <= now_s - _WINDOW_S:
                times.popleft()
            if len(times) >= most:
                waits.append(times[0] + _WINDOW_S - now_s)
        return max(waits)

    def wrong(self, address: str) -> None:
        """A wrong token came from there."""
        times = self._by_address.setdefault(address, deque(maxlen=_GUESSES))
        self._by_address.move_to_end(address)
        times.append(self.clock())
        self._all.append(self.clock())
        while len(self._by_address) > _MOST_ADDRESSES:
            self._by_address.popitem(last=False)


class Access:
    """Who is let in, by what they bring. Only ever called from the server's event loop."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self.guesses = Guesses(clock)
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._sessions: OrderedDict[bytes, _Session] = OrderedDict()
        self._link_sha256: bytes | None = None

    def new_link_token(self) -> str:
        """A token that logs in once; the one before counts no more."""
        token = secrets.token_urlsafe(32)
        self._link_sha256 = _digest(token)
        return token

    def is_token(self, token: str) -> bool:
        """Whether it is the token that was configured."""
        expected = self.settings.token_sha256
        return expected is not None and hmac.compare_digest(_digest(token), expected)

    def takes_link_token(self, token: str) -> bool:
        """Whether it is the one of the link; it is used up by that."""
        if self._link_sha256 is None or not hmac.compare_digest(_digest(token), self._link_sha256):
            return False
        self._link_sha256 = None
        return True

    def begin_session(self, name: str, address: str) -> str:
        """Let somebody in; the secret of their session."""
        secret = secrets.token_urlsafe(32)
        viewer = Viewer(Person(name, f"login from {address}"), self._csrf(secret))
        self._sessions[_digest(secret)] = _Session(viewer, self._clock() + SESSION_S)
        while len(self._sessions) > _MOST_SESSIONS:
            self._sessions.popitem(last=False)
        return secret

    def end_session(self, secret: str) -> None:
        """They left."""
        self._sessions.pop(_digest(secret), None)

    def session(self, secret: str) -> Viewer | None:
        """Whose session it is; None when there is none, or it is over."""
        found = self._sessions.get(_digest(secret)) if secret else None
        if found is None:
            return None
        if found.ends_s <= self._clock():
            self.end_session(secret)
            return None
        return found.viewer

    def believes(self, peer: str) -> bool:
        """Whether a proxy at this address is believed about who it speaks for."""
        try:
            address = ipaddress.ip_address(peer)
        except ValueError:
            return False
        mapped = getattr(address, "ipv4_mapped", None)
        return any(each in network for network in self.settings.identity_from for each in (address, mapped) if each)

    def proxied(self, peer: str, name: str) -> Viewer | None:
        """Who the proxy says it is; None where it says nothing that can be a name."""
        if not self.believes(peer) or not is_name(name):
            return None
        return Viewer(Person(name, f"proxy {peer}"), self._csrf(f"proxy {name}"))

    def bearer(self, address: str) -> Viewer:
        """A program with the token."""
        return Viewer(Person("token", f"token from {address}"), "", by_header=True)

    def page_key(self, slug: str) -> str:
        """What the address of the files of a run's page holds, and nobody can guess."""
        return self._mac(f"page {slug}")

    def is_page_key(self, slug: str, key: str) -> bool:
        """Whether somebody was given the address of these files."""
        return hmac.compare_digest(_digest(key), _digest(self.page_key(slug)))

    def _csrf(self, of: str) -> str:
        return self._mac(f"form {of}")

    def _mac(self, text: str) -> str:
        return hmac.new(self._secret, text.encode("utf-8", "surrogateescape"), hashlib.sha256).hexdigest()


def is_csrf(viewer: Viewer, given: str) -> bool:
    """Whether a form of this viewer's was sent."""
    return bool(viewer.csrf) and hmac.compare_digest(_digest(viewer.csrf), _digest(given))


def is_name(name: str) -> bool:
    """Whether a text can be shown as somebody's name."""
    return bool(name.strip()) and len(name) <= _LONGEST_NAME and name.isprintable()


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()
