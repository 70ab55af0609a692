"""A device's agent, reached outside a run: for the commands that keep the device ready."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from harness.closet.answers import device_error, parse_hello, parse_message, plain_text, strange
from harness.closet.channel import AgentLink, start_agent
from harness.closet.deadline import Deadline
from harness.closet.transport import CONNECT_S, Connection, connect
from harness.closet.work import DeviceFacts
from harness.domain import Device
from harness.errors import DeviceUnhealthyError, OnroadError

_START_S = 30.0
_MOST_STEPS = 1000

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Reached:
    """An open connection and the agent that serves over it. `path` is the agent's program on the device."""

    connection: Connection
    link: AgentLink
    root: str
    facts: DeviceFacts

    @property
    def path(self) -> str:
        """The agent's program there."""
        return f"{self.root}/{self.link.agent_name}"

    def again(self, deadline: Deadline) -> DeviceFacts:
        """What the agent says of its machine now."""
        return _asked(self.connection, self.link, deadline)[1]

    def command(self, what: str, spec: Mapping[str, object], deadline: Deadline, say: Say) -> Mapping[str, Any]:
        """Run one of the agent's upkeep commands to its last word, which is returned; its error is raised here."""
        where = self.connection.where
        python = self.connection.device.python
        process = self.connection.run([python, self.path, what, "--root", self.root], deadline)
        try:
            process.write(json.dumps(spec).encode() + b"\n", deadline)
            for _ in range(_MOST_STEPS):
                said = parse_message(process.read_line(deadline))
                if said is None:
                    raise DeviceUnhealthyError(
                        "an answer that is none", where=where, remedy="see that the login shell prints nothing"
                    )
                if "error" in said:
                    raise device_error(said["error"], where)
                if isinstance(done := said.get("done"), dict):
                    return done
                say(_step(said))
            raise strange("says a thousand steps and no end", where)
        finally:
            process.close()


@contextmanager
def reach(device: Device, python: str) -> Iterator[Reached]:
    """The device with its agent running under `python`, an absolute path there; OnroadError while it is driven."""
    connection = connect(replace(device, python=python), Deadline.after(CONNECT_S))
    try:
        deadline = Deadline.after(_START_S)
        link = start_agent(connection, deadline, on_lost=lambda _error: None)
        try:
            root, facts = _asked(connection, link, deadline)
            if facts.onroad:
                raise OnroadError(facts.onroad, where=connection.where, remedy="park the car first")
            yield Reached(connection, link, root, facts)
        finally:
            link.close()
    finally:
        connection.close()


def _asked(connection: Connection, link: AgentLink, deadline: Deadline) -> tuple[str, DeviceFacts]:
    said = link.ask("hello", deadline, slots=connection.device.slots)
    return parse_hello(said, connection.device.name, connection.where)


def _step(said: Mapping[str, Any]) -> str:
    """One line of progress in words."""
    text = plain_text(said.get("step"), 100)
    if "name" in said:
        text += f" {plain_text(said.get('number'), 5)}/{plain_text(said.get('of'), 5)} {plain_text(said['name'], 120)}"
    return text
