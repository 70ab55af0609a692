from __future__ import annotations

import ast
import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

from harness.closet.agent.cache import unpack_files
from harness.closet.code_bundle import agent_bundle, code_bundle


def test_equal_sources_are_equal_bytes() -> None:
    blob, content = code_bundle()
    assert code_bundle() == (blob, content)
    assert blob.sha256 == hashlib.sha256(content).hexdigest()
    assert blob.size_bytes == len(content)
    assert agent_bundle() == agent_bundle()


def test_nothing_in_it_tells_when_or_by_whom_it_was_made() -> None:
    with tarfile.open(fileobj=io.BytesIO(code_bundle()[1])) as archive:
        for entry in archive:
            assert (entry.mtime, entry.uid, entry.gid, entry.uname, entry.gname, entry.mode) == (0, 0, 0, "", "", 0o644)
            assert entry.isfile()
    with zipfile.ZipFile(io.BytesIO(agent_bundle())) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


def modules(names: list[str]) -> set[str]:
    return {name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in names}


def imported(source: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
    return found


def test_what_travels_needs_nothing_of_ours_that_does_not() -> None:
    with tarfile.open(fileobj=io.BytesIO(code_bundle()[1])) as archive:
        sources = {entry.name: archive.extractfile(entry).read() for entry in archive}
    there = modules([name for name in sources if name.endswith(".py")])
    assert {"harness.errors", "harness.domain", "harness.files", "harness.trace"} <= there
    assert not [name for name in there if name.startswith(("harness.closet", "harness.config", "harness.report"))]
    for name, source in sources.items():
        if name.endswith(".py"):
            ours = {module for module in imported(source.decode()) if module.split(".")[0] == "harness"}
            assert ours <= there | {"harness"}, name


def test_it_runs_where_only_it_is(tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(code_bundle()[1])) as archive:
        unpack_files(archive, tmp_path / "code")
    program = "import harness.domain, harness.trace; print(harness.__file__)"
    told = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path / "code"), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == str(tmp_path / "code" / "harness" / "__init__.py")


def test_the_agent_needs_the_standard_library_only() -> None:
    with zipfile.ZipFile(io.BytesIO(agent_bundle())) as archive:
        sources = {name: archive.read(name).decode() for name in archive.namelist()}
    there = modules(list(sources))
    for name, source in sources.items():
        for module in imported(source):
            assert module in there or module.split(".")[0] in sys.stdlib_module_names, (name, module)
