"""Which shelf a command uses: the environment's, that of devices.yaml, or a file beside the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from harness.config import Fleet
from harness.errors import ConfigError
from harness.shelf import Shelf, parse_address

SHELF_VARIABLE = "CLOSET_SHELF"
SHELF_FILE = "shelf.db"


def open_shelf(home: Path, fleet: Fleet | None = None, environment: Mapping[str, str] = os.environ) -> Shelf:
    """The shelf that CLOSET_SHELF names, else the one of the fleet's file, else the closet's own in `home`.

    ConfigError when the address is none; DataError when the shelf cannot be opened.
    """
    named = environment.get(SHELF_VARIABLE, "")
    if named:
        return Shelf(parse_address(named))
    if fleet is not None and fleet.shelf:
        try:
            return Shelf(parse_address(fleet.shelf, from_file=True))
        except ConfigError as error:
            raise ConfigError(error.problem, where=f"{fleet.path}: shelf", remedy=error.remedy) from error
    home.mkdir(parents=True, exist_ok=True)
    return Shelf(home / SHELF_FILE)
