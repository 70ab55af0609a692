"""Where a shelf may be, and what an address may not say."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError

from harness.errors import ConfigError
from harness.redaction import holds_password
from harness.shelf import Shelf, parse_address


def test_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/ann")
    for text, path in (
        ("closet/shelf.db", tmp_path / "closet/shelf.db"),
        ("~/shelf.db", Path("/home/ann/shelf.db")),
        ("sqlite:////data/shelf.db", Path("/data/shelf.db")),
        ("/data/50%/a b.db", Path("/data/50%/a b.db")),
    ):
        assert parse_address(text, from_file=True).path == path


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_a_server(scheme: str) -> None:
    address = parse_address(f"{scheme}://closet@db.lab:5433/closet?sslmode=require", from_file=True)
    assert address.path is None
    assert str(address) == "postgresql+psycopg://closet@db.lab:5433/closet?sslmode=require"


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://ann:hunter2@db/closet",
        "postgresql://ann@db/closet?password=hunter2",
        "postgresql://:hunter2@",
        "postgresql://ann@db/closet?sslmode=require&sslpassword=hunter2",
        "postgresql://db/closet?a=b#&password=hunter2",
        "postgresql://db/closet?pass%77ord=hunter2",
        "postgresql://ann:hunter2?x@db/closet",
    ],
)
def test_a_password_in_a_file_is_refused(text: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_address(text, from_file=True)
    assert "hunter2" not in str(refused.value)
    assert "PGPASSFILE" in refused.value.remedy
    assert "hunter2" not in str(parse_address(text)), "elsewhere it may be, and is not shown"


@pytest.mark.parametrize(
    "text", ["", " ", "a\0b", "mysql://db/closet", "sqlite://", "postgresql://db:port/closet", "http://a b"]
)
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_address(text)


@given(st.text("ab:/?#&=@%", max_size=12).map(lambda text: text.replace("a", "password")))
def test_what_the_database_would_take_for_a_password_is_none_in_a_file(rest: str) -> None:
    try:
        url = make_url(f"postgresql://{rest}")
    except (ArgumentError, ValueError):
        return
    if url.password is not None or any("password" in key for key in url.query):
        assert holds_password(f"postgresql://{rest}")


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_config_error(text: str) -> None:
    for from_file in (False, True):
        for address in (text, f"postgresql://{text}"):
            try:
                parsed = parse_address(address, from_file=from_file)
            except ConfigError:
                continue
            assert (parsed.path is None) != (parsed.url is None)


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="no folder for the shelf"):
        Shelf(tmp_path / "file" / "shelf.db")
