"""Asking one device what it is, outside a run."""

from __future__ import annotations

from harness.closet.session import open_session
from harness.closet.work import DeviceFacts
from harness.domain import Device


def contact(device: Device) -> DeviceFacts:
    """Connect, start the agent, take what it says of its machine, and leave. DeviceError when it does not answer."""
    session = open_session(device, on_lost=lambda _error: None)
    try:
        return session.facts
    finally:
        session.close()
