"""closet devices with all its commands."""

from __future__ import annotations

from harness.cli.device_burn_in import burn_in
from harness.cli.device_care import COMMANDS
from harness.cli.devices import devices
from harness.cli.provisioning import add, provision

__all__ = ["devices"]

for _command in (*COMMANDS, burn_in, add, provision):
    devices.add_command(_command)
