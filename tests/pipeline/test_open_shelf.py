"""Which shelf a command uses."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import Fleet, load_fleet
from harness.errors import ConfigError, ConfigMistakesError
from harness.pipeline.shelf import open_shelf


def fleet(shelf: str = "") -> Fleet:
    return Fleet((), 1, shelf=shelf)


def test_the_environment_wins_over_the_file_and_that_over_the_home(tmp_path: Path) -> None:
    named, file = tmp_path / "named.db", tmp_path / "file.db"
    for environment, given, path in (
        ({"CLOSET_SHELF": str(named)}, fleet(str(file)), named),
        ({"CLOSET_SHELF": f"sqlite:///{named}"}, fleet(str(file)), named),
        ({"CLOSET_SHELF": ""}, fleet(str(file)), file),
        ({}, fleet(), tmp_path / "home" / "shelf.db"),
        ({}, None, tmp_path / "home" / "shelf.db"),
    ):
        with open_shelf(tmp_path / "home", given, environment) as shelf:
            assert shelf.address == str(path)
            assert path.is_file()


@pytest.mark.parametrize("address", ["mysql://host/db", "postgresql://me:secret@host/db"])
def test_an_address_that_is_none_is_told_with_its_place_and_without_its_secret(address: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        open_shelf(tmp_path, fleet(address), {})
    assert "shelf" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_path_in_devices_yaml_is_relative_to_it(tmp_path: Path) -> None:
    path = tmp_path / "lab" / "devices.yaml"
    path.parent.mkdir()
    path.write_text("shelf: state/shelf.db\ndevices: {emulated: 1}\n")
    (path.parent / "state").mkdir()
    with open_shelf(tmp_path, load_fleet(path), {}) as shelf:
        assert shelf.address == str(path.parent / "state" / "shelf.db")


@pytest.mark.parametrize("address", ["postgresql://closet:hunter2@db/closet", "postgresql://db/x?password=hunter2"])
def test_a_password_in_devices_yaml_is_refused_with_its_line(address: str, tmp_path: Path) -> None:
    path = tmp_path / "devices.yaml"
    path.write_text(f"devices: {{emulated: 1}}\nshelf: {address}\n")
    with pytest.raises(ConfigMistakesError) as caught:
        load_fleet(path)
    assert f"{path}:2" in str(caught.value)
    assert "PGPASSFILE" in str(caught.value)
    assert "hunter2" not in str(caught.value)
