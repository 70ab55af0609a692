"""What every request passes before a page sees it: host, origin, size, who it is; and what every answer carries.

A request is refused here unless it may look; one that changes something comes from a page of ours (Origin), by
somebody who is known, and small. That a form is theirs (CSRF) is seen where the form is read: `require_change`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness.serve.access import Access, Viewer

LARGEST_BODY = 64 << 10
_PAGE_FILE = re.compile(r"/runs/(?P<slug>[^/]+)/files/(?P<key>[0-9a-f]{64})/")
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_OPEN = ("/static/", "/login", "/healthz")  # for those who are not known yet
CONTENT_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": CONTENT_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "cache-control": "no-store",
}


class Guard:
    """The outermost layer of the application."""

    def __init__(self, app: ASGIApp, access: Access, complain: Callable[[BaseException], None]) -> None:
        self._app, self._access, self._complain = app, access, complain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or hand it on."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no websocket is offered: the server closes it
        headers = Headers(scope=scope)
        guarded = _with_headers(send)
        address = client_address(self._access, scope, headers)
        viewer, refusal = self._admit(scope, headers, address)
        if refusal is not None:
            await refusal(scope, receive, guarded)
            return
        scope.setdefault("state", {})
        scope["state"] |= {"viewer": viewer, "address": address}
        began = False

        async def tell(message: Message) -> None:
            nonlocal began
            began = True
            await guarded(message)

        try:
            await self._app(scope, _bounded(receive), tell)
        except Exception as error:  # noqa: BLE001 what went wrong is told on the terminal, and not to the browser
            self._complain(error)
            if not began:
                words = "this is a bug of the dashboard; its terminal says more\n"
                await PlainTextResponse(words, 500)(scope, receive, guarded)

    def _admit(self, scope: Scope, headers: Headers, address: str) -> tuple[Viewer | None, Response | None]:
        host = headers.get("host", "")
        if not self._is_our_host(host) or len(headers.getlist("host")) != 1:
            words = "this dashboard has another name: closet serve --name says under which it is reached\n"
            return None, PlainTextResponse(words, 421)
        if int(headers.get("content-length") or 0) > LARGEST_BODY:
            return None, PlainTextResponse("larger than any form of ours\n", 413)
        changes = scope["method"] not in _SAFE
        path = scope["path"]
        wait_s = self._access.guesses.wait_s(address)
        bearer = headers.get("authorization", "")
        if bearer and wait_s:
            return None, _wait(wait_s)
        viewer = self._viewer(scope, headers, address)
        if bearer and viewer is None:
            self._access.guesses.wrong(address)
            return None, PlainTextResponse("wrong token\n", 401, {"www-authenticate": "Bearer"})
        if changes and not (viewer is not None and viewer.by_header) and not _is_our_origin(headers, host):
            return None, PlainTextResponse("this did not come from a page of this dashboard\n", 403)
        if viewer is not None or path.startswith(_OPEN) or self._holds_key(path):
            return viewer, None
        if changes or not self._access.settings.is_local:
            return None, _log_in(scope, headers)
        return None, None

    def _holds_key(self, path: str) -> bool:
        """Whether a file of a run's page is asked for at the address that only its page knows."""
        found = _PAGE_FILE.match(path)
        return found is not None and self._access.is_page_key(found["slug"], found["key"])

    def _viewer(self, scope: Scope, headers: Headers, address: str) -> Viewer | None:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind:
            return self._access.bearer(address) if kind.lower() == "bearer" and self._access.is_token(token) else None
        settings = self._access.settings
        if settings.identity_header:
            said = headers.getlist(settings.identity_header)
            found = self._access.proxied(peer_of(scope), said[0]) if len(said) == 1 else None
            if found is not None:
                return found
        return self._access.session(session_cookie(headers, settings.port))

    def _is_our_host(self, host: str) -> bool:
        """Addresses and localhost always: what a browser is talked into (DNS rebinding) is somebody else's name."""
        try:
            name = urlsplit(f"//{host}").hostname or ""
        except ValueError:
            return False
        if name == "localhost" or name.lower() in {known.lower() for known in self._access.settings.names}:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def session_cookie(headers: Headers, port: int) -> str:
    """The secret of the session that a browser brings; empty without one."""
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(cookie_name(port))
    except CookieError:
        return ""
    return found.value if found is not None else ""


def cookie_name(port: int) -> str:
    """Cookies know no ports: two dashboards of one machine have names of their own."""
    return f"closet_session_{port}"


def peer_of(scope: Scope) -> str:
    """The address that is connected."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def client_address(access: Access, scope: Scope, headers: Headers) -> str:
    """Where a request comes from: what the believed proxy says, else who is connected."""
    peer = peer_of(scope)
    forwarded = headers.get("x-forwarded-for", "").rpartition(",")[2].strip()
    if forwarded and access.believes(peer):
        try:
            return str(ipaddress.ip_address(forwarded))
        except ValueError:
            return peer
    return peer


def came_over_tls(access: Access, scope: Scope, headers: Headers) -> bool:
    """Whether the browser speaks TLS, to us or to the believed proxy."""
    told = access.believes(peer_of(scope)) and headers.get("x-forwarded-proto", "").strip().lower() == "https"
    return scope.get("scheme") == "https" or told


def _is_our_origin(headers: Headers, host: str) -> bool:
    """Whether a page of this dashboard sent it. A program that is no browser says nothing of either."""
    origin = headers.get("origin")
    if origin is not None:
        parts = urlsplit(origin)
        return parts.scheme in {"http", "https"} and parts.netloc.lower() == host.lower()
    return headers.get("sec-fetch-site", "same-origin") == "same-origin"


def _log_in(scope: Scope, headers: Headers) -> Response:
    """What somebody unknown is told: a person is brought to the login."""
    if scope["path"].startswith("/api/"):
        return JSONResponse(
            {"detail": "log in, or send Authorization: Bearer TOKEN"}, 401, {"www-authenticate": "Bearer"}
        )
    if scope["method"] == "GET" and "text/html" in headers.get("accept", ""):
        query = scope.get("query_string", b"").decode("latin-1")
        following = quote(scope["path"] + (f"?{query}" if query else ""), safe="/")
        return RedirectResponse(f"/login?next={following}", 303)
    return PlainTextResponse("log in first\n", 401, {"www-authenticate": "Bearer"})


def _wait(seconds: float) -> Response:
    return PlainTextResponse("too many wrong tokens\n", 429, {"retry-after": str(int(seconds) + 1)})


def _bounded(receive: Receive) -> Receive:
    size = 0

    async def take() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            raise HTTPException(413, "larger than any form of ours")
        return message

    return take


def _with_headers(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def tell(message: Any) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return tell
