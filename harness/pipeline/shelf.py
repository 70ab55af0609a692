"""Which shelf a command uses: the environment's, that of devices.yaml, or a file beside the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.config import Fleet
from harness.errors import ConfigError
from harness.shelf import DEADLINE_S, Shelf, parse_address

SHELF_VARIABLE = "CLOSET_SHELF"
SHELF_FILE = "shelf.db"


def open_shelf(
    home: Path,
    fleet: Fleet | None = None,
    environment: Mapping[str, str] = os.environ,
    *,
    deadline_s: float = DEADLINE_S,
) -> Shelf:
    """The shelf that CLOSET_SHELF names, else the one of the fleet's file, else the closet's own in `home`.

    Others are waited for `deadline_s` at most.
    ConfigError when the address is none; DataError when the shelf cannot be opened.
    """
    named = environment.get(SHELF_VARIABLE, "")
    if named:
        return Shelf(parse_address(named), deadline_s=deadline_s)
    if fleet is not None and fleet.shelf:
        try:
            return Shelf(parse_address(fleet.shelf, from_file=True), deadline_s=deadline_s)
        except ConfigError as error:
            raise ConfigError(error.problem, where=f"{fleet.path}: shelf", remedy=error.remedy) from error
    home.mkdir(parents=True, exist_ok=True)
    return Shelf(home / SHELF_FILE, deadline_s=deadline_s)
