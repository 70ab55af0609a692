"""Which Python runs our programs on a device."""

from __future__ import annotations

from harness.domain import Device

ENVIRONMENT_PYTHON = "env/current/bin/python"  # below the work folder, where provisioning puts it

NOT_PROVISIONED = "not provisioned"  # what such a device says, where nothing of ours was started
# The folder is an argument, so that nothing of it is ever read as shell.
_CHOOSE = (
    f'p="$1/{ENVIRONMENT_PYTHON}"; [ -x "$p" ] || {{ echo "{NOT_PROVISIONED}" >&2; exit 69; }}; shift; exec "$p" "$@"'
)


def interpreter(device: Device) -> tuple[str, ...]:
    """The beginning of every command: the Python that devices.yaml names.

    Without one it is that of the provisioned environment; where there is none nothing runs, and nothing is brought.
    """
    if device.python:
        return (device.python,)
    return ("sh", "-c", _CHOOSE, "closet", device.work_folder)
