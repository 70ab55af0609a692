"""Text from elsewhere without what looks like a secret: for everything a device or a program under test said.

Two nets. What is known to be secret is taken out wherever it stands: the values of this program's own variables whose
names say so. What only looks secret is taken out by its form: private keys, passwords in addresses, values assigned to
a name like AWS_SECRET_ACCESS_KEY, tokens with a known beginning. A net is no promise: the software under test is given
few variables in the first place.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from urllib.parse import unquote

from harness.errors import ErrorDescription

REDACTED = "[redacted]"
_LEAST_SECRET = 6  # characters; shorter values are words that stand in many texts

_NAME = (
    r"(?:SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|PRIVATE_?KEY|API_?KEY|ACCESS_?KEY|CREDENTIAL|SESSION_?KEY"
    r"|SIGNING_?KEY|ENCRYPTION_?KEY|COOKIE)"
)
_SECRET_NAME = re.compile(_NAME, re.IGNORECASE)
_NOT_YET = rf"(?!{re.escape(REDACTED)})"
_VALUE = rf"(?P<quote>['\"]?){_NOT_YET}(?:(?<=')[^'\n]+|(?<=\")[^\"\n]+|[^\s'\",;&)}}\]]+)"
# A name that is assigned a value, as a shell, Python's os.environ, JSON or YAML write it. A word of prose before a
# colon ("unexpected token: x") is none: there the name must be in capitals, or quoted.
_ASSIGNED = (
    re.compile(rf"(?P<head>\b[A-Z0-9_]{{0,64}}{_NAME}[A-Z0-9_]{{0,64}}['\"]?[ ]?[=:][ ]?){_VALUE}"),
    re.compile(rf"(?P<head>\b[\w-]{{0,64}}{_NAME}[\w-]{{0,64}}(?:['\"][ ]?[=:][ ]?|=)){_VALUE}", re.IGNORECASE),
    re.compile(rf"(?P<head>\b(?:password|passwd|passphrase)[ ]?:[ ]?){_VALUE}", re.IGNORECASE),
)
_SIGNED = re.compile(
    rf"(?P<head>[?&;](?:X-Amz-[A-Za-z-]{{1,40}}|sig|signature|key)=){_NOT_YET}[^\s&;'\"]+", re.IGNORECASE
)
_ADDRESS = re.compile(rf"(?P<head>\b[A-Za-z][A-Za-z0-9+.-]{{0,30}}://[^\s:/@'\"]{{0,128}}:){_NOT_YET}[^\s/@'\"]+(?=@)")
_USER_PASSWORD = re.compile(r"[^:/]*://[^:/]*:[^@]*@")  # as SQLAlchemy reads it: it may hold / and ?
_PARAMETER = re.compile(r"[?&;#]([^=&;#]*)=")
_AUTHORIZATION = re.compile(
    rf"(?P<head>\b(?:authorization['\"]?[ ]?[:=][ ]?['\"]?(?:[a-z]+[ ])?|bearer[ ])){_NOT_YET}[^\s'\",\[]{{6,}}",
    re.IGNORECASE,
)
_TOKEN = re.compile(
    r"\b(?:(?:AKIA|ASIA)[0-9A-Z]{16}|gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}"
    r"|xox[abeprs]-[\w-]{10,}|sk-[\w-]{20,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*)"
)
_KEY_BEGINS = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_BODY = re.compile(r"(?:\s|\\[nr]|[A-Za-z0-9+/=]{16,}|(?:Proc-Type|DEK-Info|Version|Comment): [^\n]*)*")
_KEY_LINE = re.compile(r"[A-Za-z0-9+/=]+")
_BETWEEN = re.compile(r"(\s|\\[nr])")


def known_secrets(environment: Mapping[str, str] = os.environ) -> tuple[str, ...]:
    """Values that are secret by the name of their variable, and passwords in addresses; the longest first."""
    found = {value for name, value in environment.items() if _SECRET_NAME.search(name)}
    for value in environment.values():
        found |= {match[0].removeprefix(match["head"]) for match in _ADDRESS.finditer(value)}
    return tuple(
        sorted((value for value in found if len(value) >= _LEAST_SECRET), key=lambda value: (-len(value), value))
    )


def redact(text: str, known: Iterable[str] = ()) -> str:
    """`text` with what is `known` to be secret, and what looks so, replaced by a mark."""
    for secret in known:
        text = text.replace(secret, REDACTED)
    text = _without_keys(text)
    for pattern in (_ADDRESS, _SIGNED, _AUTHORIZATION):
        text = pattern.sub(rf"\g<head>{REDACTED}", text)
    if _SECRET_NAME.search(text):
        for pattern in _ASSIGNED:
            text = pattern.sub(rf"\g<head>\g<quote>{REDACTED}", text)
    return _TOKEN.sub(REDACTED, text)


def redact_error(error: ErrorDescription, known: Iterable[str] = ()) -> ErrorDescription:
    """An error whose words hold no secret."""
    known = tuple(known)
    problem, where, remedy = (redact(words, known) for words in (error.problem, error.where, error.remedy))
    return replace(error, problem=problem, where=where, remedy=remedy)


def holds_password(address: str) -> bool:
    """Whether an address `scheme://…` holds a password: after the user, or as a parameter such as `sslpassword`."""
    return bool(_USER_PASSWORD.match(address)) or any(
        "password" in unquote(name).lower() for name in _PARAMETER.findall(address.partition("://")[2])
    )


def _without_keys(text: str) -> str:
    """Private keys taken out whole, also those whose beginning or end was cut off with the rest of a long text."""
    if "PRIVATE KEY" not in text:
        return text
    kept: list[str] = []
    place = 0
    end = _KEY_ENDS.search(text)
    while begin := _KEY_BEGINS.search(text, place):
        kept += [_without_headless(text[place : begin.start()]), REDACTED]
        if end is not None and end.start() < begin.end():
            end = _KEY_ENDS.search(text, begin.end())
        body = _KEY_BODY.match(text, begin.end())
        place = end.end() if end else body.end() if body else begin.end()
    return "".join([*kept, _without_headless(text[place:])])


def _without_headless(text: str) -> str:
    """Text in which no private key begins, without those that only end there."""
    kept: list[str] = []
    place = 0
    for end in _KEY_ENDS.finditer(text):
        words = _BETWEEN.split(text[place : end.start()])
        least = 1  # characters: the last line of a key may be short
        while words:
            if words[-1] and not _BETWEEN.fullmatch(words[-1]):
                if len(words[-1]) < least or not _KEY_LINE.fullmatch(words[-1]):
                    break
                least = 16
            words.pop()
        kept += [*words, REDACTED]
        place = end.end()
    return "".join([*kept, text[place:]])
