"""The testing closet: recorded drives through the next driving software, judged."""

import os

__version__ = "0.1.0"

# onnxruntime writes a database into the home folder and reports its use to its maker unless told not to before it is
# loaded. A closet keeps to its own folders and tells nobody.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
