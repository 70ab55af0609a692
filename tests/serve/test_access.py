"""Guesses and sessions over time."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import ConfigError
from harness.serve.access import SESSION_S, Access, Guesses, is_csrf
from harness.serve.settings import Settings, parse_networks, read_token


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_guesses_are_forgiven_one_by_one() -> None:
    clock = Clock()
    guesses = Guesses(clock)
    for second in range(5):
        clock.now_s = second
        assert guesses.wait_s("a") == 0
        guesses.wrong("a")
    assert guesses.wait_s("a") == pytest.approx(56)
    assert guesses.wait_s("b") == 0
    clock.now_s = 60.0
    assert guesses.wait_s("a") == 0
    guesses.wrong("a")
    assert guesses.wait_s("a") == pytest.approx(1)


def test_many_addresses_together_have_a_bound_too() -> None:
    guesses = Guesses(Clock())
    for number in range(50):
        guesses.wrong(f"10.0.0.{number}")
    assert guesses.wait_s("192.168.0.1") == 60


def test_a_session_ends() -> None:
    clock = Clock()
    access = Access(Settings(Path()), clock)
    secret = access.begin_session("lena", "10.0.0.1")
    viewer = access.session(secret)
    assert viewer is not None
    assert is_csrf(viewer, viewer.csrf)
    assert not is_csrf(viewer, "")
    assert access.session(secret[:-1]) is None
    clock.now_s = SESSION_S
    assert access.session(secret) is None


def test_a_link_logs_in_once() -> None:
    access = Access(Settings(Path()))
    assert not access.takes_link_token("")
    first = access.new_link_token()
    second = access.new_link_token()
    assert not access.takes_link_token(first)
    assert access.takes_link_token(second)
    assert not access.takes_link_token(second)
    assert not access.is_token(second), "there is none that always counts"


def test_a_token_is_kept_from_others(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("0123456789abcdef\n")
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="others can read"):
        read_token(path, "")
    path.chmod(0o600)
    assert read_token(path, "") == read_token(None, "0123456789abcdef ")
    path.write_text("short")
    with pytest.raises(ConfigError, match="fewer than 16"):
        read_token(path, "")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_token(tmp_path / "none", "")
    assert read_token(None, "") is None


def test_networks_name_a_proxy() -> None:
    assert [str(each) for each in parse_networks(["10.0.0.5", "fd00::/8"])] == ["10.0.0.5/32", "fd00::/8"]
    for text in ("0.0.0.0/0", "10.0.0.5/8", "proxy"):
        with pytest.raises(ConfigError):
            parse_networks([text])
