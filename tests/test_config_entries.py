"""Entries written into a file that people keep."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.config import load_fleet
from harness.config.entries import NAME, add_device, use_environment
from harness.domain import Device, DeviceKind
from harness.errors import ConfigError

HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI"

ENTRY = """\
    kind: tizi
    address: 10.0.0.9
    key: key
    host_key: ssh-ed25519 AAAAother
"""
FILES = {
    "plain": f"devices:\n  first:\n{ENTRY}",
    "no end of line": f"devices:\n  first:\n{ENTRY}".rstrip("\n"),
    "emulated last": f"devices:\n  first:\n{ENTRY}  emulated: 2\n",
    "emulated only": "# the shelf\ndevices:\n  emulated: 2  # two\n\n# the end\n",
    "things after": f"limits: {{leftovers: 3}}\ndevices:\n  first:\n{ENTRY}\n# where runs meet\nshelf: shelf.db\n",
    "a comment at the end of an entry": f"devices:\n  first:\n{ENTRY}    # lent to nobody\n# and now\nshelf: s.db\n",
    "four spaces": "devices:\n    first:\n" + ENTRY.replace("    ", "        "),
    "a list in the entry": f"devices:\n  first:\n{ENTRY}    tags:\n    - a\n    - b\nshelf: s.db\n",
    "a folded text": f"devices:\n  first:\n{ENTRY}    python: >-\n      /usr/bin/python3\n\n\nshelf: s.db\n",
    "braces in the entry": "devices:\n  first: {kind: tizi, address: a, key: key, host_key: ssh-ed25519 AAAAother}\n",
    "a comment only at the end": f"devices:\n  first:\n{ENTRY}\n\n  # more will come\n",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "key").write_text("a private key")
    return tmp_path


def device(folder: Path, **changes: object) -> Device:
    plain = Device(
        "mici-01", DeviceKind.MICI, "10.0.0.21", 22, "comma", str(folder / "key"), HOST_KEY, "/data/closet", ""
    )
    return replace(plain, **changes)


@pytest.mark.parametrize("name", FILES)
def test_an_entry_is_added_and_every_line_stays_in_its_order(folder: Path, name: str) -> None:
    path = folder / "devices.yaml"
    path.write_text(FILES[name])
    before = load_fleet(path)
    add_device(path, device(folder, slots=2, tags=("a", "b c")), key="key")
    after = load_fleet(path)
    assert [entry for entry in after.devices if entry.name != "mici-01"] == list(before.devices)
    assert device(folder, slots=2, tags=("a", "b c")) in after.devices
    assert (after.shelf, after.emulated) == (before.shelf, before.emulated)
    old, new = FILES[name].splitlines(), path.read_text().splitlines()
    begin = next(number for number, line in enumerate(new) if line.strip() == "mici-01:")
    added = len(new) - len(old)
    assert new[:begin] + new[begin + added :] == old
    assert not list(folder.glob(".*"))


def test_a_comment_stays_with_the_entry_it_ends(folder: Path) -> None:
    path = folder / "devices.yaml"
    path.write_text(FILES["a comment at the end of an entry"])
    add_device(path, device(folder), key="key")
    text = path.read_text()
    assert text.index("# lent to nobody") < text.index("mici-01:") < text.index("# and now")


def test_a_file_is_made_where_there_is_none(folder: Path) -> None:
    path = folder / "new" / "devices.yaml"
    add_device(path, device(folder), key=str(folder / "key"))
    add_device(path, device(folder, name="mici-02", address="b", host_key="ssh-rsa AAAAb"), key="../key")
    assert [entry.name for entry in load_fleet(path).devices] == ["mici-01", "mici-02"]
    assert path.read_text().count("devices:") == 1


@pytest.mark.parametrize("written", ["/data/closet/", "//data//closet", "/data/./closet/."])
def test_a_work_folder_is_read_in_its_one_way_to_write_it(folder: Path, written: str) -> None:
    """Programs on the device are recognised by it."""
    path = folder / "devices.yaml"
    path.write_text(f"devices:\n  first:\n{ENTRY}    work_folder: {written}\n")
    assert [entry.work_folder for entry in load_fleet(path).devices] == ["/data/closet"]


@pytest.mark.parametrize("written", ["/data/../home", "/..", "/", "//", "data/closet"])
def test_a_work_folder_that_could_be_anywhere_is_refused(folder: Path, written: str) -> None:
    path = folder / "devices.yaml"
    path.write_text(f"devices:\n  first:\n{ENTRY}    work_folder: {written}\n")
    with pytest.raises(ConfigError, match=r"work_folder"):
        load_fleet(path)


def test_a_link_stays_a_link(folder: Path) -> None:
    (folder / "real").mkdir()
    (folder / "real" / "shelf.yaml").write_text("devices:\n  emulated: 1\n")
    (folder / "real" / "key").write_text("a private key")
    (folder / "devices.yaml").symlink_to("real/shelf.yaml")
    add_device(folder / "devices.yaml", device(folder / "real"), key="key")
    assert (folder / "devices.yaml").is_symlink()
    assert "mici-01" in (folder / "real" / "shelf.yaml").read_text()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "first", "address": "x", "host_key": "ssh-rsa AAAAx"}, "there is a device first"),
        ({"address": "10.0.0.9", "host_key": "ssh-rsa AAAAx"}, r"10\.0\.0\.9:22 is there as first"),
        ({"host_key": "ssh-ed25519 AAAAother comment"}, "with that host key is there as first"),
        ({"name": "emulated"}, "'emulated' cannot name a device"),
        ({"name": "a: b"}, "cannot name a device"),
        ({"name": "../x"}, "cannot name a device"),
    ],
)
def test_one_device_is_not_two(folder: Path, changes: dict[str, str], said: str) -> None:
    path = folder / "devices.yaml"
    path.write_text(FILES["plain"])
    with pytest.raises(ConfigError, match=said):
        add_device(path, device(folder, **changes), key="key")
    assert path.read_text() == FILES["plain"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("devices: {emulated: 1}\n", "is written in braces"),
        ("devices:\n  first:\n    kind: boat\n", "should be"),
        ("devices:\n  emulated: 1\n---\nmore: 1\n", "not YAML"),
    ],
)
def test_a_file_that_cannot_be_added_to_is_left_alone(folder: Path, text: str, said: str) -> None:
    path = folder / "devices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        add_device(path, device(folder), key="key")
    assert path.read_text() == text
    assert not list(folder.glob(".*"))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Zl", "Zp")), min_size=1, max_size=20)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.from_regex(NAME, fullmatch=True), WORDS, WORDS, st.lists(WORDS, max_size=3), st.integers(1, 65535))
def test_whatever_is_written_is_read_back(
    folder: Path, name: str, address: str, user: str, tags: list[str], port: int
) -> None:
    path = folder / "devices.yaml"
    path.write_text("devices:\n  emulated: 1\n")
    if name == "emulated":
        return
    wanted = device(folder, name=name, address=address, user=user, tags=tuple(tags), port=port)
    add_device(path, wanted, key="key")
    assert load_fleet(path).devices == (wanted,)


@pytest.mark.parametrize("name", ["true", "null", "1", "1e3", "on", "0x10", "2001-01-01"])
def test_names_that_yaml_takes_for_something_else(folder: Path, name: str) -> None:
    path = folder / "devices.yaml"
    add_device(path, device(folder, name=name, user=name, tags=(name,)), key="key")
    (read,) = load_fleet(path).devices
    assert (read.name, read.user, read.tags) == (name, name, (name,))


def test_a_python_is_taken_out_so_that_the_environment_is_used(folder: Path) -> None:
    path = folder / "devices.yaml"
    text = FILES["things after"].replace("    key: key\n", "    key: key\n    python: /usr/bin/python3  # old\n")
    path.write_text(text)
    assert use_environment(path, "first")
    assert path.read_text() == FILES["things after"]
    assert not use_environment(path, "first"), "there is none any more"
    assert not use_environment(path, "nobody")
    path.write_text(FILES["a folded text"])
    with pytest.raises(ConfigError, match="cannot be taken out"):
        use_environment(path, "first")
    assert path.read_text() == FILES["a folded text"]


def test_there_is_no_place_for_a_password(folder: Path) -> None:
    path = folder / "devices.yaml"
    path.write_text(FILES["plain"] + "    password: comma\n")
    with pytest.raises(ConfigError, match="password: unknown key"):
        load_fleet(path)
    assert not {field for field in Device.__dataclass_fields__ if "pass" in field}
