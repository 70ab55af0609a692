"""The path that the car really drove, as a trace on the camera frames of a segment: what plans are held against.

Not a replayer of the software on trial: it runs where the run is, from the log alone. The truth is told with its own
validity, error and circumstances; who was driving is marked, never dropped.
"""

from harness.replay.driven.path import BAD_POSE, DISENGAGED, OVERRIDING, SEGMENT_END, STANDING, UNCALIBRATED, UNKNOWN
from harness.replay.driven.truth import DRIVEN_VERSION, NAME, driven_trace, load_driven

__all__ = [
    "BAD_POSE",
    "DISENGAGED",
    "DRIVEN_VERSION",
    "NAME",
    "OVERRIDING",
    "SEGMENT_END",
    "STANDING",
    "UNCALIBRATED",
    "UNKNOWN",
    "driven_trace",
    "load_driven",
]
