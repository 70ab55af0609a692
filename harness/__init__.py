"""The testing closet: recorded drives through the next driving software, judged."""

__version__ = "0.1.0"
