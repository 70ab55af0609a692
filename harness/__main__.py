"""`python -m harness` is the `closet` command."""

from harness.cli import script

script()
