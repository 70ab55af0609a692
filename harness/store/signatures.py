"""Approvals signed with SSH keys, as `ssh-keygen -Y` does: who may sign is a file of allowed signers."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import replace
from pathlib import Path

from harness.errors import ConfigError, DataError
from harness.store.approvals import Batch

# Signatures are made for this use alone: one made for a commit or a mail is none here.
NAMESPACE = "closet-baselines"
_DEADLINE_S = 60.0


def signed(batch: Batch, key: Path, signer: str) -> Batch:
    """The batch with a signature by `key` (a private key, or a public one whose private half an agent holds).

    ConfigError when the key cannot sign.
    """
    if not key.is_file():
        raise ConfigError(f"no key at {key}", where="--sign", remedy="name an SSH key; ssh-keygen -t ed25519 makes one")
    with tempfile.TemporaryDirectory(prefix="closet-sign-") as folder:
        message = Path(folder) / "batch"
        message.write_bytes(_message(batch, signer))
        done = _ssh_keygen("sign", "-n", NAMESPACE, "-f", str(key), str(message))
        if done.returncode != 0:
            raise ConfigError(
                f"ssh-keygen did not sign: {_said(done)}", where=str(key), remedy="see whether the key is usable"
            )
        return replace(batch, signature=message.with_suffix(".sig").read_text(), signer=signer)


def verify(batch: Batch, allowed_signers: Path) -> None:
    """DataError unless the batch carries a signature by somebody in the file of allowed signers."""
    if not allowed_signers.is_file():
        raise ConfigError(
            f"no file of allowed signers at {allowed_signers}",
            where=str(allowed_signers),
            remedy='one line each: name, key type, key; as in "ssh-keygen -Y verify"',
        )
    if not batch.signature:
        raise DataError(
            "the approval is not signed", where=f"batch {batch.sha256[:12]}", remedy="bless again with --sign KEY"
        )
    with tempfile.TemporaryDirectory(prefix="closet-verify-") as folder:
        signature = Path(folder) / "batch.sig"
        signature.write_text(batch.signature)
        done = _ssh_keygen(
            "verify",
            *("-n", NAMESPACE, "-f", str(allowed_signers), "-I", batch.signer, "-s", str(signature)),
            content=_message(batch, batch.signer),
        )
    if done.returncode != 0:
        raise DataError(
            f"the signature of {batch.signer or 'nobody'} does not hold: {_said(done)}",
            where=f"batch {batch.sha256[:12]}",
            remedy=f"see {allowed_signers}; bless again with a key that is allowed",
        )


def _message(batch: Batch, signer: str) -> bytes:
    """What is signed: the digest of the approvals and the name it is signed under."""
    return f"{batch.sha256} {signer}\n".encode()


def _ssh_keygen(action: str, *arguments: str, content: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run(
            ["ssh-keygen", "-Y", action, *arguments],
            input=content,
            capture_output=True,
            timeout=_DEADLINE_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise ConfigError("ssh-keygen is not installed", remedy="install OpenSSH's client") from error
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"ssh-keygen did not answer within {_DEADLINE_S:.0f} s", remedy="it may ask for a passphrase: use an agent"
        ) from error


def _said(done: subprocess.CompletedProcess[bytes]) -> str:
    text = (done.stderr or done.stdout).decode(errors="replace").strip()
    return text.splitlines()[-1] if text else f"exit {done.returncode}"
