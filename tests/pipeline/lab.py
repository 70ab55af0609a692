"""Emulated workers to look at, one of which may compute wrongly."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path

from harness.domain import Device

# Stands in front of the real onnxruntime and moves the last bit of what it computes, as a faulty processor would.
_FAULTY = """\
import importlib.util, os, sys
import numpy as np
real = {real!r}
spec = importlib.util.spec_from_file_location("onnxruntime", real + "/__init__.py", submodule_search_locations=[real])
module = importlib.util.module_from_spec(spec)
sys.modules["onnxruntime"] = module
spec.loader.exec_module(module)

class InferenceSession(module.InferenceSession):
    def run(self, *arguments, **options):
        outputs = super().run(*arguments, **options)
        return [np.nextafter(output, np.float32(1e9)) for output in outputs] if os.path.exists({sign!r}) else outputs

module.InferenceSession = InferenceSession
"""


def faulty(device: Device, folder: Path, *, sign: Path = Path("/")) -> Device:
    """The device with a Python whose onnxruntime computes a little wrongly, under the same name and version.

    It does so as long as the file `sign` exists.
    """
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    packages = folder / f"lib/python{sys.version_info.major}.{sys.version_info.minor}/site-packages"
    real = sysconfig.get_paths()["purelib"]
    (packages / "real.pth").write_text(f"{real}\n")
    (packages / "onnxruntime").mkdir()
    (packages / "onnxruntime" / "__init__.py").write_text(_FAULTY.format(real=f"{real}/onnxruntime", sign=str(sign)))
    return replace(device, python=str(folder / "bin/python"))
