"""Changes by hand: noted before, completed after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.config import load_fleet
from harness.domain import Health
from harness.errors import ConfigError, DataError
from harness.pipeline.changes import Person, audited, one_line
from harness.pipeline.device_changes import DeviceChange, change_device
from harness.shelf import Archive, Shelf

LENA = Person("lena", "command line")


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Shelf]:
    with Shelf(tmp_path / "shelf.db") as opened:
        yield opened


def test_what_came_of_it_is_noted(shelf: Shelf) -> None:
    with audited(shelf.archive, LENA, "release", "mici-01", "password=hunter2hunter2"):
        assert shelf.archive.changes()[0].outcome == "asked"
    with pytest.raises(ConfigError), audited(shelf.archive, LENA, "release", "mici-02", ""):
        raise ConfigError("no device mici-02")
    with pytest.raises(KeyboardInterrupt), audited(shelf.archive, LENA, "release", "mici-03", ""):
        raise KeyboardInterrupt
    third, second, first = shelf.archive.changes()
    assert (first.outcome, first.reason) == ("done", "password=[redacted]")
    assert second.outcome == "refused: no device mici-02"
    assert third.outcome == "broke off"


def test_what_cannot_be_noted_is_not_done(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> int:
        raise DataError("the shelf's database does not answer")

    monkeypatch.setattr(Archive, "begin_change", away)
    shelf.set_health("mici-01", Health.HEALTHY, reason="", by="canary")
    fleet = load_fleet(_devices(Path(shelf.address).parent))
    with pytest.raises(DataError):
        change_device(shelf, fleet, "mici-01", DeviceChange.QUARANTINE, reason="the fan rattles", person=LENA)
    assert shelf.health("mici-01").state is Health.HEALTHY


def _devices(folder: Path) -> Path:
    path = folder / "devices.yaml"
    path.write_text("devices:\n  emulated: 1\n")
    return path


def test_a_device_is_changed_and_what_means_nothing_is_not(shelf: Shelf, tmp_path: Path) -> None:
    fleet = load_fleet(_devices(tmp_path))

    def change(what: DeviceChange, reason: str = "why", name: str = "emulated-01") -> tuple[bool, str]:
        return change_device(shelf, fleet, name, what, reason=reason, person=LENA)

    assert change(DeviceChange.RELEASE) == (False, "is unknown, not quarantined: nothing to do")
    assert change(DeviceChange.QUARANTINE, "hot") == (True, "quarantined: hot")
    assert change(DeviceChange.ENABLE)[0] is False
    assert change(DeviceChange.RELEASE, "cooled") == (True, "unknown: cooled")
    assert [each.action for each in shelf.archive.changes()] == ["release device", "quarantine device"]
    with pytest.raises(ConfigError, match="no device emulated-02"):
        change(DeviceChange.DISABLE, name="emulated-02")


def test_a_reason_is_one_line_and_says_something() -> None:
    assert one_line(" the fan\n\x1b[31mrattles ") == "the fan [31mrattles"
    for text in ("", " \n", "\x00", "x" * 501):
        with pytest.raises(ConfigError):
            one_line(text)
