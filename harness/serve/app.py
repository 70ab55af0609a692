"""The application: pages, API, events and figures behind the guard."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from harness import __version__
from harness.errors import ClosetError, ConfigError
from harness.serve import api, pages, pages_of_many, run_files, triage
from harness.serve.access import Access
from harness.serve.changepoints import LEAST_RUNS, change_points
from harness.serve.closet import Closet
from harness.serve.guard import Guard
from harness.serve.live import MOST_VIEWERS, Live
from harness.serve.metrics import CONTENT_TYPE, Figures
from harness.serve.rendering import page

_STATIC = Path(__file__).parent / "static"
_KEPT_S = 3600


def make_app(
    closet: Closet, access: Access, *, complain: Callable[[BaseException], None], show_link: Callable[[], None]
) -> tuple[ASGIApp, Live]:
    """The application, and its live events, which have to end before the server can."""
    live = Live(lambda: pages.look(closet))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        looking = asyncio.create_task(live.keep_looking())
        # What finds changes of level takes a while to load: not when the first person asks for them.
        threading.Thread(target=change_points, args=(range(2 * LEAST_RUNS),), daemon=True).start()
        yield
        await live.end()
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking

    app = FastAPI(
        title="testing-closet",
        version=__version__,
        description="What a closet's runs found, how its devices are, and changes by hand.",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    figures = Figures(closet, lambda: live.viewers)
    app.state.closet, app.state.access, app.state.show_link = closet, access, show_link
    for router in (pages.router, pages_of_many.router, triage.router, run_files.router, api.router, api.changes):
        app.include_router(router)
    app.mount("/static", _Static(directory=_STATIC), name="static")
    _add_plain(app, live, figures)
    _add_problems(app)
    app.add_middleware(_Timed, figures=figures)
    return Guard(app, access, complain), live


def _add_plain(app: FastAPI, live: Live, figures: Figures) -> None:
    """What is no page: events, health, figures."""

    @app.get("/events", include_in_schema=False)
    async def events() -> Response:
        if live.viewers >= MOST_VIEWERS:
            return PlainTextResponse("too many viewers\n", 503)
        return StreamingResponse(live.stream(), media_type="text/event-stream", headers={"x-accel-buffering": "no"})

    @app.get("/healthz", include_in_schema=False)
    def healthz(request: Request) -> Response:
        request.app.state.closet.archive.changes(limit=1)
        return PlainTextResponse("ok\n")

    @app.get("/metrics", include_in_schema=False)
    def metrics() -> Response:
        return Response(figures.text(), media_type=CONTENT_TYPE)


def _add_problems(app: FastAPI) -> None:
    """What goes wrong, as a page for people and as JSON for programs."""

    def told(request: Request, status_code: int, words: str) -> Response:
        if request.url.path.startswith("/api/"):
            return JSONResponse({"detail": words}, status_code)
        if "text/html" not in request.headers.get("accept", "") or "viewer" not in request.scope.get("state", {}):
            return PlainTextResponse(f"{words}\n", status_code)
        return page(request, "message.html", status_code=status_code, words=words)

    @app.exception_handler(ClosetError)
    def refused(request: Request, error: Exception) -> Response:
        asked_wrong = 409 if request.url.path.startswith("/api/") else 400
        return told(request, asked_wrong if isinstance(error, ConfigError) else 503, str(error))

    @app.exception_handler(404)
    @app.exception_handler(405)
    @app.exception_handler(HTTPException)
    def http_problem(request: Request, error: Exception) -> Response:
        code = getattr(error, "status_code", 404)
        answer = told(request, code, str(getattr(error, "detail", "there is no such page")))
        answer.headers.update(getattr(error, "headers", None) or {})
        return answer

    @app.exception_handler(RequestValidationError)
    def not_understood(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 what the handler is registered for
        # Without what was sent: it may be a token.
        said = "; ".join(f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors())
        return told(request, 422, said)


class _Static(StaticFiles):
    """Files of ours, which a browser may keep for a while."""

    def file_response(self, *args: object, **named: object) -> Response:
        """One file."""
        answer = super().file_response(*args, **named)  # type: ignore[arg-type]
        answer.headers["cache-control"] = f"max-age={_KEPT_S}"
        return answer


class _Timed:
    """Notes how long each page took, by its route and not by its address."""

    def __init__(self, app: ASGIApp, figures: Figures) -> None:
        self._app, self._figures = app, figures

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] == "/events":
            await self._app(scope, receive, send)
            return
        began_s = time.perf_counter()
        status = 500

        async def tell(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, tell)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            self._figures.answers.labels(route, str(status)).observe(time.perf_counter() - began_s)
