"""What a worker needs: the list that ships follows from the project's lock, and has what travels."""

from __future__ import annotations

import ast
import importlib
import os
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.tags import platform_tags

from harness.closet.provision.requirements import WORKER_LOCK, load_requirements
from harness.closet.provision.target import BELOW_PYTHON, LEAST_PYTHON, Target, unsuitable
from harness.errors import ConfigError

ROOT = Path(__file__).parents[2]


def test_the_list_that_ships_is_what_the_project_is_locked_to(tmp_path: Path) -> None:
    subprocess.run([ROOT / "ci" / "lock-worker", tmp_path / "made"], check=True, timeout=60)
    assert (tmp_path / "made").read_text() == WORKER_LOCK.read_text()


def test_everything_in_the_list_can_be_imported_by_the_name_it_is_tried_with() -> None:
    for requirement in load_requirements():
        importlib.import_module(requirement.module)


def test_whatever_the_travelling_code_imports_is_in_the_list() -> None:
    ours = {requirement.module.partition(".")[0] for requirement in load_requirements()} | {"harness"}
    for part in ("recording", "replay"):
        for path in (ROOT / "harness" / part).rglob("*.py"):
            if "driven" in path.parts:
                continue  # what a car really did is computed where the run is, not on a device
            for node in ast.walk(ast.parse(path.read_text())):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                names += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                strange = {name.partition(".")[0] for name in names} - ours - sys.stdlib_module_names
                assert not strange, f"{path} imports {strange}"


def test_no_address_of_an_index_is_in_the_list() -> None:
    text = WORKER_LOCK.read_text()
    assert "://" not in text
    assert "index" not in text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("numpy==2.0\n", r":1: not a package pinned by digest"),
        ("# what\n\nnumpy>=2.0 --hash=sha256:" + "0" * 64, r":3: not a package pinned"),
        ("a==1 --hash=sha256:" + "0" * 64 + "\n--no-index\n", r":2: not a package"),
        ("a==1 --hash=md5:00\n", "not a package pinned"),
        ("# nothing\n", "names no package"),
    ],
)
def test_what_is_not_pinned_by_digest_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "lock").write_text(text)
    with pytest.raises(ConfigError, match=said):
        load_requirements(tmp_path / "lock")


def test_a_list_is_read_as_pip_reads_it(tmp_path: Path) -> None:
    one, two = "1" * 64, "2" * 64
    text = f"Some_Thing==1.0 ; python_version < '4' \\\n  --hash=sha256:{one} \\\n  --hash=sha256:{two} # both\n"
    (tmp_path / "lock").write_text(text)
    (found,) = load_requirements(tmp_path / "lock")
    assert (found.name, found.version, found.digests) == ("some-thing", "1.0", {one, two})
    assert found.module == "some_thing"


def test_the_pythons_are_those_of_the_project() -> None:
    wanted = SpecifierSet(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"])
    assert wanted.contains(".".join(map(str, LEAST_PYTHON)))
    assert not wanted.contains(f"{LEAST_PYTHON[0]}.{LEAST_PYTHON[1] - 1}.99")
    assert not wanted.contains(".".join(map(str, BELOW_PYTHON)))
    assert wanted.contains(f"{BELOW_PYTHON[0]}.{BELOW_PYTHON[1] - 1}.99")


def test_platforms_are_those_that_packaging_finds_on_this_machine() -> None:
    name, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
    if name != "glibc" or sysconfig.get_platform() not in {"linux-x86_64", "linux-aarch64"}:
        pytest.skip("not a Linux with glibc on a machine that wheels are made for")
    major, minor = (int(part) for part in version.split(".")[:2])
    target = Target((3, 11, 7), os.uname().machine, (major, minor))
    linux, *named = platform_tags()
    assert target.platforms == (*named, linux), "one made for no distribution in particular comes last with us"


def test_the_platforms_of_a_comma_device() -> None:
    target = Target((3, 12, 3), "aarch64", (2, 39))
    assert target.tag == "cp312"
    assert target.platforms[0] == "manylinux_2_39_aarch64"
    assert target.platforms[-3:] == ("manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64")


GOOD = {
    "implementation": "cpython", "python": (3, 12, 3), "machine": "aarch64", "glibc": (2, 39), "is_64_bit": True,
    "free_threaded": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({}, ""),
        ({"python": (3, 11, 0)}, ""),
        ({"python": (3, 10, 12)}, "3.10.12 is not at least 3.11"),
        ({"python": (3, 13, 0)}, "below 3.13"),
        ({"implementation": "pypy"}, "not CPython"),
        ({"machine": "armv7l"}, "no wheels for armv7l"),
        ({"is_64_bit": False}, "with 32 bits"),
        ({"glibc": None}, "not glibc"),
        ({"glibc": (2, 12)}, "glibc 2.12"),
        ({"free_threaded": True}, "free-threaded"),
    ],
)
def test_which_pythons_will_do(change: dict[str, object], said: str) -> None:
    reason = unsuitable(**{**GOOD, **change})
    assert bool(reason) == bool(said)
    assert said in reason
