"""A connection that is given up when its server says nothing: no limit of a frozen server's own, nor TCP, ends that.

The machine of a process that stands still acknowledges every byte, so that to TCP all is well.
"""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa


@contextmanager
def answered_within(connection: sa.Connection, seconds: float) -> Iterator[None]:
    """Hang up when the block is not done by then: whoever waits in it for an answer gets a lost connection instead."""
    driver = connection.connection.driver_connection
    if driver is None:
        yield
        return
    done, descriptor = threading.Event(), os.dup(driver.fileno())

    def watch() -> None:
        with socket.socket(fileno=descriptor) as end, suppress(OSError):
            if not done.wait(seconds):
                end.shutdown(socket.SHUT_RDWR)

    threading.Thread(target=watch, name="closet shelf watch", daemon=True).start()
    try:
        yield
    finally:
        done.set()
