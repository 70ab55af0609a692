"""Folders in which the commands of a page can be given as they stand there, on small data."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from fixtures.make import TINY, Demo, DemoSpec, build_demo
from harness.cli.emulators import render_devices
from harness.closet.emulator import emulate
from harness.domain import DeviceKind
from tests.docs.shown import ROOT

CACHE = ROOT / ".closet" / "fixtures"
THREE = DemoSpec(
    seconds=8.0, segments=1, routes=3, variants=("release", "reexport", "fp16", "curve_bias", "longitudinal_lag")
)
"""What ci/demo renders, and the models of docs/investigation.md."""

SEGMENT = "5beb9b58bd12b691_0000010a--a51155e496--3"
"""The minute that pages speak of: in the labs it is the tiny drive under that name."""

_VERSIONS = {**dict.fromkeys(range(2, 7), "release"), **dict.fromkeys(range(7, 10), "curve_bias")}
_ALIASES = {"next": "curve_bias", "master": "reexport", "release-fp16": "fp16"} | {
    f"v0.11.{number}": model for number, model in _VERSIONS.items()
}
_BOTH = "longitudinal_lag_and_curve_bias"


def tiny_demo() -> Demo:
    """The drive of four seconds that all tests share."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return build_demo(CACHE / f"tiny-{TINY.digest[:16]}", TINY, jobs=1)


def three_drives() -> Demo:
    """Three drives of eight seconds, for pages that speak of several."""
    CACHE.mkdir(parents=True, exist_ok=True)
    return build_demo(CACHE / f"three-{THREE.digest[:16]}", THREE)


def prepare_tutorial(folder: Path, demo: Demo) -> None:
    """An empty folder but for the drives that the tutorial makes: making them again finds them."""
    (folder / "practice").symlink_to(demo.folder)


def prepare_desk(folder: Path, demo: Demo, *, renamed: bool) -> None:
    """What the how-to pages take for granted: suites, routes, models, a shelf of emulated workers.

    `renamed` puts the first drive under the name that pages speak of.
    """
    shutil.copytree(ROOT / "suites", folder / "suites")
    shutil.copytree(ROOT / "fixtures" / "intents", folder / "fixtures" / "intents")
    for suite in (folder / "suites").glob("*.yaml"):
        text = suite.read_text().replace("kinds: [tizi, mici]", "kinds: [emulated]")
        suite.write_text(text.replace("../.closet/demo/routes", "../routes"))
    (folder / "devices.yaml").write_text(f"devices:\n  emulated: {2 if renamed else 3}\n")
    routes = folder / "routes"
    routes.mkdir()
    for recording in sorted(demo.routes_folder.iterdir()):
        name = SEGMENT if renamed else recording.name
        shutil.copytree(recording, routes / name)
        shutil.copy(recording / "rlog.zst", folder / "rlog.zst")
    models = folder / "models"
    models.mkdir()
    for name, path in demo.models.items():
        shutil.copytree(path, models / name)
    for name, model in _ALIASES.items():
        if model in demo.models:
            shutil.copytree(demo.models[model], models / name)
    if "longitudinal_lag" in demo.models:
        shutil.copytree(demo.models["curve_bias"], models / _BOTH)
        shutil.copy(demo.models["longitudinal_lag"] / "driving_policy.onnx", models / _BOTH)


@contextmanager
def named_devices(folder: Path) -> Iterator[None]:
    """A shelf of two devices by the names that pages use: emulated workers that say they are comma devices."""
    with emulate(2, folder / "shelf") as (one, other):
        shelf = (
            replace(one, name="mici-01", kind=DeviceKind.MICI),
            replace(other, name="tizi-04", kind=DeviceKind.TIZI),
        )
        # Heat and load of the machine that the tests share are no fault of these.
        limits = "limits: {max_temperature_c: null, max_load_per_cpu: null}\n"
        (folder / "devices.yaml").write_text(render_devices(shelf) + limits)
        yield
