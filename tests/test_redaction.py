"""What is taken out of texts from elsewhere, what is left alone, and that it takes its time on nothing."""

from __future__ import annotations

import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import ErrorDescription
from harness.redaction import REDACTED, known_secrets, redact, redact_error

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCY0123456789"  # noqa: S105 made up
ED25519 = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
RSA = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.mark.parametrize(
    "line",
    [
        f"AWS_SECRET_ACCESS_KEY={SECRET}",
        f"AWS_SECRET_ACCESS_KEY = '{SECRET}'",
        f"export GITHUB_TOKEN={SECRET}; make",
        f"environ({{'HOME': '/root', 'AWS_SECRET_ACCESS_KEY': '{SECRET}', 'LANG': 'C'}})",
        f'{{"password": "{SECRET}", "user": "me"}}',
        f"MY_API_KEY: {SECRET}",
        f"password: {SECRET}",
        f"login with --token={SECRET}",
        f"PGPASSWORD='correct horse {SECRET} staple'",
        f"postgresql://closet:{SECRET.replace('/', '%2F')}@db.lab:5432/closet",
        f"https://:{SECRET.replace('/', '%2F')}@host/x",
        f"Authorization: Bearer {SECRET}",
        f"authorization: basic {SECRET}",
        f'"Authorization": "token {SECRET}"',
        f"GET /b/o?X-Amz-Date=1&X-Amz-Signature={SECRET}&X-Amz-Expires=3 403",
    ],
)
def test_a_value_is_taken_out_by_its_name(line: str) -> None:
    said = redact(line)
    assert REDACTED in said
    for part in (SECRET, SECRET.replace("/", "%2F"), SECRET[10:], SECRET[:10]):
        assert part not in said


@pytest.mark.parametrize(
    "token",
    [
        "AKIAIOSFODNN7EXAMPLE",
        "ghp_" + "a1" * 18,
        "github_pat_" + "b2" * 20,
        "glpat-" + "c3" * 10,
        "xoxb-123456789012-abcdef",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl",
    ],
)
def test_a_token_is_known_by_its_beginning(token: str) -> None:
    assert redact(f"refused: {token} is not valid") == f"refused: {REDACTED} is not valid"


@pytest.mark.parametrize("key", [ED25519, RSA], ids=["ed25519", "rsa"])
@pytest.mark.parametrize("escaped", [False, True])
def test_no_line_of_a_private_key_is_left_however_it_was_cut(key: str, escaped: bool) -> None:
    key = key.strip()
    text = key.replace("\n", "\\n") if escaped else key
    lines = [line for line in key.splitlines() if not line.startswith("-----")]
    around = f"before\n{text}\nafter the key\n"
    assert redact(around).split() == ["before", REDACTED, "after", "the", "key"]
    middle = len(text) // 2
    for cut in (f"before\n{text[:middle]}", f"{text[middle:]}\nafter"):
        said = redact(cut)
        assert not any(line in said for line in lines)
        assert ("before" in said) == ("before" in cut)


@pytest.mark.parametrize(
    "line",
    [
        "unexpected token: x",
        "PWD=/home/comma",
        "ssh://comma@10.0.0.1:22/data",
        "http://[::1]:8080/path",
        "12:34:56 frame 3 of 80",
        "KeyError: 'position.x'",
        "the password is wrong",
        "the policy takes 512 features, desire_pulse 8",
        "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
        "5beb9b58bd12b691/0000010a--a51155e496/3 · driving_model · sha256 " + "ab" * 32,
        'File "/data/closet/code/harness/replay/token.py", line 3, in tokens',
    ],
)
def test_what_is_no_secret_stays(line: str) -> None:
    assert redact(line, known_secrets({"HOME": "/root", "PATH": "/bin"})) == line


def test_what_is_known_is_taken_out_wherever_it_stands() -> None:
    environment = {
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "CLOSET_SHELF": "postgresql://me:hunter2222@db/closet",
        "MY_TOKEN": "short",
        "HOME": "/home/comma",
    }
    known = known_secrets(environment)
    assert known == (SECRET, "hunter2222")
    assert redact(f"<{SECRET}> hunter2222 short /home/comma", known) == f"<{REDACTED}> {REDACTED} short /home/comma"


def test_an_error_keeps_its_kind_and_loses_its_secrets() -> None:
    error = ErrorDescription("ProductCrashError", f"killed: TOKEN={SECRET}", "ssh://u:pass1word@h", "PASSWORD=abcdef")
    said = redact_error(error)
    assert (said.kind, said.problem) == ("ProductCrashError", f"killed: TOKEN={REDACTED}")
    assert said.where == f"ssh://u:{REDACTED}@h"
    assert said.remedy == f"PASSWORD={REDACTED}"


PIECES = st.sampled_from(
    ["PASSWORD", "=", ":", " ", "'", '"', "\n", "://", "@", "u", SECRET, REDACTED, "Bearer ",
     "-----BEGIN RSA PRIVATE KEY-----",
     "-----END RSA PRIVATE KEY-----", "TOKEN", "&X-Amz-Signature=", "{", "}", ",", "\\n", "eyJhbGciOi.eyJzdWIiOi.x"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=20).map("".join))
def test_what_was_redacted_stays_so(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(st.text("abcdefghij \n.,()", max_size=200))
def test_prose_is_not_touched(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "piece",
    ["a-", "TOKEN", "x_TOKEN_", "-----BEGIN RSA PRIVATE KEY-----", "-----END RSA PRIVATE KEY-----\n", "A" * 16 + "\n",
     "https://", "h://u:", "Bearer ", "PASSWORD='", "&sig=", "eyJaaaaaaaa."],
)  # fmt: skip
def test_hostile_text_takes_no_longer_than_it_may(piece: str) -> None:
    text = piece * (65_536 // len(piece))
    began_s = time.process_time()
    redact(text + "PRIVATE KEY PASSWORD")
    assert time.process_time() - began_s < 2.0
