"""The dashboard of a closet: what runs now, how devices are, what nights say together, and changes by hand.

It shows what the shelf's database and the records of runs hold, and decides nothing: changes go through the same
functions as the commands.
"""

from harness.serve.server import serve
from harness.serve.settings import Settings, check_settings

__all__ = ["Settings", "check_settings", "serve"]
