"""Entries written into a devices.yaml that people keep: its comments and order stay as they are."""

from __future__ import annotations

import json
import os
import re
import tempfile
from dataclasses import replace
from pathlib import Path

import yaml

from harness.config import Fleet, load_fleet
from harness.domain import Device
from harness.errors import ConfigError
from harness.files import write_text

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
_PLAIN = re.compile(r"[A-Za-z/~][A-Za-z0-9/~_.@+-]*")
_READ_OTHERWISE = {"true", "false", "yes", "no", "on", "off", "null", "y", "n", "~"}
_INDENT = 2
_DEFAULTS = {"port": 22, "user": "comma", "work_folder": "/data/closet", "slots": 1}


def add_device(path: Path, device: Device, *, key: str) -> None:
    """Append an entry for `device` to the file, which is made when it is not there. `key` is written as given.

    The file is replaced in one step, and only by one that loads and says exactly what it said before, and the device.
    ConfigError when its name, its address or its host key is there already: one device must not be two.
    """
    if not NAME.fullmatch(device.name) or device.name == "emulated":
        raise ConfigError(
            f"{device.name!r} cannot name a device", where=str(path), remedy="use letters, digits, - _ and . only"
        )
    path = path.resolve()  # a link stays one
    old = load_fleet(path) if path.exists() else None
    for known in old.devices if old else ():
        _refuse_same(device, known, path)
    text = path.read_text(encoding="utf-8") if old else "devices:\n"
    _write_checked(path, _with_entry(text, device, key, path), old, device)


def use_environment(path: Path, name: str) -> bool:
    """Take `python:` out of a device's entry, so that its provisioned environment is used; False if it said none."""
    path = path.resolve()
    old = load_fleet(path)
    device = next((entry for entry in old.devices if entry.name == name), None)
    if device is None or not device.python:
        return False
    text = path.read_text(encoding="utf-8")
    entry = _child(_child(_root(text, path), "devices", path), name, path)
    for key, value in entry.value:
        if key.value == "python":
            if entry.flow_style or key.start_mark.line != value.end_mark.line:
                raise ConfigError(
                    "python: stands where it cannot be taken out",
                    where=f"{path}:{key.start_mark.line + 1}",
                    remedy="remove it by hand, so that the provisioned environment is used",
                )
            lines = text.splitlines(keepends=True)
            del lines[key.start_mark.line]
            _write_checked(path, "".join(lines), old, replace(device, python=""))
            return True
    return False


def render_entry(device: Device, *, key: str, indent: int = _INDENT, step: int = _INDENT) -> str:
    """A device as it stands below `devices:`; what has its default is left out."""
    values: dict[str, str | int] = {"kind": device.kind.value, "address": device.address, "port": device.port}
    values |= {"user": device.user, "key": key, "host_key": device.host_key, "work_folder": device.work_folder}
    values |= {"python": device.python} if device.python else {}
    values |= {"slots": device.slots}
    lines = [f"{' ' * indent}{scalar(device.name)}:"]
    for name, value in values.items():
        if _DEFAULTS.get(name) != value:
            lines.append(f"{' ' * (indent + step)}{name}: {scalar(value)}")
    if device.tags:
        lines.append(f"{' ' * (indent + step)}tags: [{', '.join(scalar(tag) for tag in device.tags)}]")
    return "\n".join(lines) + "\n"


def scalar(value: str | int) -> str:
    """A value as YAML that is read back as it is: JSON's strings are YAML's as well."""
    if isinstance(value, int):
        return str(value)
    words = value.split(" ")
    plain = all(re.fullmatch(r"[A-Za-z0-9/+=@~_.-]+", word) for word in words) and _PLAIN.fullmatch(words[0])
    return value if plain and value.lower() not in _READ_OTHERWISE else json.dumps(value, ensure_ascii=False)


def _refuse_same(device: Device, known: Device, path: Path) -> None:
    same = ""
    if known.name == device.name:
        same = f"there is a device {device.name}"
    elif (known.address, known.port) == (device.address, device.port):
        same = f"{device.address}:{device.port} is there as {known.name}"
    elif known.host_key.split()[:2] == device.host_key.split()[:2]:
        same = f"the device with that host key is there as {known.name}"
    if same:
        raise ConfigError(same, where=str(path), remedy="remove that entry first if it is to be replaced")


def _root(text: str, path: Path) -> yaml.MappingNode:
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("is no mapping", where=str(path), remedy="name a devices.yaml")
    return node


def _child(node: yaml.MappingNode, name: str, path: Path) -> yaml.MappingNode:
    for key, value in node.value:
        if key.value == name and isinstance(value, yaml.MappingNode):
            return value
    raise ConfigError(f"{name} is no mapping there", where=str(path), remedy="write it as `key: value` lines")


def _with_entry(text: str, device: Device, key: str, path: Path) -> str:
    """The text with the entry after the last one below `devices:`."""
    if text.strip() == "devices:":
        return f"devices:\n{render_entry(device, key=key)}"
    devices = _child(_root(text, path), "devices", path)
    if devices.flow_style or not devices.value:
        raise ConfigError(
            "`devices` is written in braces, an entry cannot be added",
            where=f"{path}:{devices.start_mark.line + 1}",
            remedy="write each device on lines of its own",
        )
    first_key, _ = devices.value[0]
    indent = first_key.start_mark.column
    steps = [value.value[0][0].start_mark.column - indent for _, value in devices.value if _is_block(value)]
    last = last_line(devices)
    lines = text.splitlines(keepends=True)
    while last + 1 < len(lines) and re.match(rf" {{{indent + 1},}}#", lines[last + 1]):
        last += 1  # a comment at the end of the last entry belongs to it
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    entry = render_entry(device, key=key, indent=indent, step=steps[-1] if steps else _INDENT)
    return "".join([*lines[: last + 1], entry, *lines[last + 1 :]])


def _is_block(node: yaml.Node) -> bool:
    return isinstance(node, yaml.MappingNode) and not node.flow_style and bool(node.value)


def last_line(node: yaml.Node) -> int:
    """The last line, from 0, on which something of `node` stands. A block's own end mark is behind what follows it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return max(max(last_line(key), last_line(value)) for key, value in node.value)
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return max(last_line(value) for value in node.value)
    line = int(node.end_mark.line)
    return line - 1 if node.end_mark.column == 0 and line > node.start_mark.line else line


def _write_checked(path: Path, text: str, old: Fleet | None, device: Device) -> None:
    """Put `text` at `path` if, loaded from that folder, it is the old fleet with `device` in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        new = load_fleet(temporary)
    except ConfigError as error:
        raise ConfigError(
            f"the entry cannot be written there: {error.problem}", where=str(path), remedy="add it by hand"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
    expected = {entry.name: entry for entry in old.devices} if old else {}
    expected[device.name] = device
    told = {entry.name: entry for entry in new.devices}
    if told != expected or (old is not None and _beside(new, old) != _beside(old, old)):
        raise ConfigError(
            "the entry cannot be written there without changing others", where=str(path), remedy="add it by hand"
        )
    write_text(path, text)


def _beside(fleet: Fleet, old: Fleet) -> Fleet:
    """What a fleet says beside its devices, as far as `old` could say it."""
    return replace(fleet, devices=(), path=None, limits={name: fleet.limits[name] for name in old.limits})
