"""`python -m ci.reference`: write the reference pages anew."""

from __future__ import annotations

import sys

from ci.reference import FOLDER, write_pages


def main() -> int:
    """Write and tell which pages changed."""
    for path in write_pages():
        sys.stderr.write(f"ci/docs: wrote {path.relative_to(FOLDER.parents[1])}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
