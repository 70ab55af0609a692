"""The desk of the command line's tests: a closet's home, a suite, models."""

from tests.cli.conftest import desk

__all__ = ["desk"]
