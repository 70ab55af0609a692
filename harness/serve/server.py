"""The dashboard as a running server: from its settings to the end of its last stream."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import replace

import uvicorn

from harness.config import Fleet, load_fleet
from harness.errors import ConfigError
from harness.pipeline.archive import index_runs
from harness.pipeline.shelf import open_shelf
from harness.redaction import known_secrets, redact
from harness.serve.access import Access
from harness.serve.app import make_app
from harness.serve.closet import Closet
from harness.serve.live import Live
from harness.serve.settings import Settings, check_settings

_LOOK_EVERY_S = 0.1
_END_WITHIN_S = 5


def serve(
    settings: Settings,
    *,
    stop: threading.Event,
    ready: Callable[[str], None],
    link: Callable[[str], None],
    complain: Callable[[str], None],
) -> None:
    """Answer until `stop` is set; streams that are open end then.

    `ready` is given the address once it answers, `link` each address that logs in once (where the settings want one),
    `complain` what goes wrong meanwhile. Runs whose records the database does not know are brought into it first.
    """
    check_settings(settings)
    fleet = load_fleet(settings.devices_file) if settings.devices_file is not None else Fleet((), 0, None)
    with open_shelf(settings.home, fleet) as shelf, _bound(settings) as listening:
        for folder, error in index_runs(settings.home, shelf.archive):
            if error is not None:
                complain(f"{folder.name} is not shown: {error}")
        settings = replace(settings, port=listening.getsockname()[1])
        access = Access(settings)
        address = f"http://{_shown_host(settings.host)}:{settings.port}"

        def show_link() -> None:
            if settings.login_link:
                link(f"{address}/login#token={access.new_link_token()}")

        def told(error: BaseException) -> None:
            complain(redact("".join(traceback.format_exception(error)), known_secrets()))

        closet = Closet(settings, shelf, fleet)
        app, live = make_app(closet, access, complain=told, show_link=show_link)

        def begun() -> None:
            ready(address)
            show_link()

        config = uvicorn.Config(
            app,
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=_END_WITHIN_S,
        )
        _Server(config, live, stop, begun).run(sockets=[listening])


class _Server(uvicorn.Server):
    """Uvicorn, ended by an event instead of signals, and with its streams before it waits for them."""

    def __init__(self, config: uvicorn.Config, live: Live, stop: threading.Event, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._live, self._stop, self._begun = live, stop, begun

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are the command's."""
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to answer, and say so."""
        await super().startup(sockets=sockets)
        self._begun()
        self._watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        while not self._stop.is_set():
            await asyncio.sleep(_LOOK_EVERY_S)
        await self._live.end()
        self.should_exit = True


@contextlib.contextmanager
def _bound(settings: Settings) -> Iterator[socket.socket]:
    """A socket that listens where the settings say."""
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except socket.gaierror as error:
        raise ConfigError(f"no such address: {error.strerror}", where=f"--host {settings.host}") from error
    with socket.socket(family, kind, protocol) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(place)
        except OSError as error:
            used = error.errno == errno.EADDRINUSE
            remedy = "end the other program, or name another --port (0: any that is free)"
            raise ConfigError(
                f"cannot listen there: {error.strerror}",
                where=f"{settings.host}:{settings.port}",
                remedy=remedy if used else "name an address of this machine and a port above 1023",
            ) from error
        yield listening


def _shown_host(host: str) -> str:
    """The host as it stands in an address: one that means all addresses is reached as this machine."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 only shown
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
