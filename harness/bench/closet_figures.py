"""Figures of the way to a device: how fast files reach it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from harness.bench.figure import Better, Figure
from harness.bench.workbench import Workbench
from harness.closet.code_bundle import code_bundle
from harness.closet.emulator import emulate
from harness.closet.pool import open_pool
from harness.closet.work import Work
from harness.domain import Blob, Device, DeviceKind
from harness.errors import from_description
from harness.files import file_sha256
from harness.shelf import Shelf

_DEADLINE_S = 300.0
_LEAVE_A_FILE = "import pathlib; pathlib.Path('out/done').write_text('done')"


def staging(bench: Workbench) -> float:
    """Megabytes a second that reach an emulated worker over SSH, checked by digest on arrival."""
    folder = bench.fresh("staging")
    size = bench.scale.staged_mb * 1_000_000
    with emulate(1, folder / "closet") as devices:
        speeds = [_staged(folder, devices[0], size, number) for number in range(bench.scale.staging_goes)]
    listed = ", ".join(f"{speed:.0f}" for speed in speeds)
    bench.tell(f"staging {bench.scale.staged_mb} MB: {listed} MB/s")
    return max(speeds)


def _staged(folder: Path, device: Device, size: int, number: int) -> float:
    """Send a file that nobody has sent before as part of a work, and see how fast it went."""
    path = folder / f"{number}.blob"
    path.write_bytes(os.urandom(size))
    _, bundle = code_bundle()
    code_path = folder / "code.tar"
    code_path.write_bytes(bundle)
    blob, code = (Blob(file_sha256(each), each.stat().st_size) for each in (path, code_path))
    work = Work(
        id=f"{number:064x}",
        device_kind=DeviceKind.EMULATED,
        tags=(),
        blobs=(blob,),
        job_text="{}",
        arguments=("-c", _LEAVE_A_FILE),
        code=code,
        cost_s=1.0,
        deadline_s=_DEADLINE_S,
    )
    paths = {blob.sha256: path, code.sha256: code_path}
    with (
        Shelf(folder / "shelf.db") as shelf,
        open_pool(
            (device,),
            shelf=shelf,
            run="bench",
            blob_path=paths.__getitem__,
            destination=folder / "results",
            on_event=lambda _: None,
            stop=threading.Event(),
        ) as pool,
    ):
        pool.submit((work,))
        (outcome,) = pool.outcomes()
    path.unlink()
    if outcome.error is not None:
        raise from_description(outcome.error)
    measurements = outcome.attempts[-1].measurements
    return measurements["staged_bytes"] / 1e6 / measurements["staging_s"]


FIGURES = (Figure("staging to an emulated worker", "MB/s", 200.0, Better.HIGHER, staging),)
