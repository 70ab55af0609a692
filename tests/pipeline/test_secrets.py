"""Software under test that says all it can find out: no secret reaches a record, a report, the terminal or a trace."""

from __future__ import annotations

import io
import os
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from rich.console import Console

from fixtures.make import Demo
from harness.cli.live import Watch
from harness.closet.canary import passed_with
from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.config import Fleet
from harness.domain import Device, Health
from harness.pipeline import execute_run, prepare
from harness.pipeline.request import ModelChoice, Request
from harness.pipeline.runs import JUNIT, RECORD, SUMMARY
from harness.redaction import REDACTED
from harness.replay.runtime import runtime_key
from harness.shelf import Shelf
from harness.store import Store
from harness.verdict import Verdict
from tests.pipeline.test_run import SUITE

PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI-K7MDENG-bPxRfiCYPLANTED",
    "LAB_PASSWORD": "correct-horse-battery-PLANTED",
    "CLOSET_BASELINES_TOKEN": "depot-token-PLANTED",
}
URL_PASSWORD = "in-an-address-PLANTED"  # noqa: S105 made up

# Stands where a device has its Python, and tells everything: what it was given, what it can read, what it knows.
TELLTALE = """\
#!{python}
import json, os, pathlib, signal, sys
if "harness.replay" not in sys.argv:
    os.execv({python!r}, [__file__, *sys.argv[1:]])
job = json.loads(pathlib.Path("job.json").read_text())
said = str(os.environ) + "\\n" + json.dumps(dict(os.environ)) + "\\n" + pathlib.Path({key!r}).read_text()
said += "\\npostgresql://closet:{password}@db/closet\\nLAB_PASSWORD=" + {planted!r} + "\\n" + {planted!r} + "\\n"
print(json.dumps({{"frames_done": said, "said": said}}), flush=True)
sys.stderr.write(said)
sys.stderr.flush()
if {end!r} == "crash":
    os.kill(os.getpid(), signal.SIGSEGV)
if {end!r} == "no result":
    sys.exit(3)
if {end!r} == "exit":
    os._exit(7)
if {end!r} == "silence":
    os._exit(0)
error = {{"kind": "DataError", "problem": said, "where": said, "remedy": said}}
measured = {{said: 1.0, {planted!r}: 2.0}}
replays = {{entry["job"]: {{"error": error, "measurements": measured}} for entry in job["replays"]}}
path = pathlib.Path(job["output_folder"], "result.json")
path.parent.mkdir(exist_ok=True)
path.write_text(json.dumps({{"format": 1, "replays": replays}}))
"""


def telltale(device: Device, folder: Path, key: Path, *, end: str) -> Device:
    python = folder / "bin" / "python"
    python.parent.mkdir(parents=True)
    planted = PLANTED["LAB_PASSWORD"]
    python.write_text(
        TELLTALE.format(python=sys.executable, key=str(key), password=URL_PASSWORD, planted=planted, end=end)
    )
    python.chmod(0o755)
    (folder / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    return replace(device, python=str(python))


@pytest.mark.parametrize("end", ["crash", "result", "no result", "exit", "silence"])
def test_no_secret_is_kept_or_shown(tmp_path: Path, tiny_demo: Demo, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    private = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    (tmp_path / "id_lab").write_text(private)
    suite = SUITE.format(routes=tiny_demo.routes_folder).replace("[emulated, mici]", "[emulated]")
    (tmp_path / "suite.yaml").write_text(suite)
    request = Request(tmp_path / "suite.yaml", None, (ModelChoice("", tiny_demo.models["release"]),))
    store, folder = Store(tmp_path / "home"), tmp_path / "run"
    terminal = io.StringIO()
    with emulate(1, tmp_path / "shelf") as (device,), Watch(Console(file=terminal, width=10_000)) as watch:
        player = telltale(device, tmp_path / "player", tmp_path / "id_lab", end=end)
        with Shelf(store.home / "shelf.db") as shelf:
            shelf.register(player)
            shelf.canary_passed(player.name, passed_with(runtime_key(), code_bundle()[0].sha256))
        prepared = replace(prepare(request, store), fleet=Fleet((player,), 0))
        record = execute_run(request, prepared, store, folder=folder, observer=watch, stop=threading.Event())
        watch.show_verdicts(record)
    (result,) = record.results
    assert result.verdict is (Verdict.FAIL if end in {"crash", "exit", "silence"} else Verdict.ERROR)
    assert REDACTED in (folder / RECORD).read_text()
    assert REDACTED in (folder / JUNIT).read_text()
    assert REDACTED in (folder / SUMMARY).read_text()
    assert any("PATH" in attempt.log_tail for attempt in result.attempts), "it did tell, and the rest is kept"
    key_lines = [line for line in private.splitlines() if "PRIVATE KEY" not in line]
    written = {path: path.read_bytes() for path in (*folder.rglob("*"), *store.home.rglob("*")) if path.is_file()}
    written[tmp_path / "the terminal"] = terminal.getvalue().encode()
    for secret in (*PLANTED.values(), URL_PASSWORD, *key_lines):
        found = [str(path) for path, content in written.items() if secret.encode() in content]
        assert not found, secret
    with Shelf(store.home / "shelf.db") as shelf:
        health = shelf.health(player.name)
    if end == "no result":
        assert health.state is Health.QUARANTINED
        assert REDACTED in health.reason, "that it is the device's fault is known to all, and what it said is not"
        assert f"{player.name}: {health.reason}" in terminal.getvalue()
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == PLANTED["AWS_SECRET_ACCESS_KEY"]
