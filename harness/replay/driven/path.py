"""Motion integrated to a path, and the path as it lies before the car at each camera frame.

Turning is integrated on SO(3), each step by the mean rate of its two ends; position by the trapezoidal rule. Over the
ten seconds of a plan the error of both is below a centimetre at 20 Hz (the tests say for which drives).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.replay.actions import T_IDXS
from harness.replay.driven.motion import Motion

Floats = npt.NDArray[np.float64]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

# Bits of `path.marks`: why a point is not known, then what one should know of the drive up to it.
SEGMENT_END, BAD_POSE, UNCALIBRATED = 1, 2, 4
STANDING, OVERRIDING, DISENGAGED = 8, 16, 32
UNKNOWN = SEGMENT_END | BAD_POSE | UNCALIBRATED

_LONGEST_STEP_NS = 250_000_000  # five samples at 20 Hz: beyond that nobody knows what the car did between
_EDGE_NS = 60_000_000  # a frame so little before the first sample, or after the last, still has its place
_STANDING_MPS = 0.3


@dataclass(frozen=True, slots=True)
class Track:
    """Motion with where it led: `places_m` (m, 3) and `turns` (m, 3, 3), car axes to those of the first sample.

    `bad` (m,) counts the steps so far that cannot be trusted; `flows_mps` (m, 3) is the velocity in the first axes.
    """

    motion: Motion
    places_m: Floats
    turns: Floats
    flows_mps: Floats
    bad: Int64s


@dataclass(frozen=True, slots=True)
class Paths:
    """The path before each of n frames at T_IDXS, (n, 33) each: metres, rad, m/s in the car frame of the frame.

    `marks` uint8 are the bits above; points whose bits have any of UNKNOWN are zero.
    """

    x: Floats
    y: Floats
    z: Floats
    heading: Floats
    speed: Floats
    marks: npt.NDArray[np.uint8]

    @property
    def valid(self) -> Bools:
        """(n, 33): the point is known."""
        return np.asarray((self.marks & UNKNOWN) == 0, np.bool_)


def integrate(motion: Motion) -> Track:
    """Follow the motion from its first sample, which becomes the origin."""
    count = len(motion.t_ns)
    steps_s = np.diff(motion.t_ns) / 1e9
    mean_rate = (motion.rate_radps[:-1] + motion.rate_radps[1:]) / 2
    turned = rotations(mean_rate * steps_s[:, None])
    turns = np.empty((count, 3, 3))
    here = np.eye(3)
    for i in range(count):
        turns[i] = here
        if i < count - 1:
            here = here @ turned[i]
    flows = np.einsum("nij,nj->ni", turns, motion.velocity_mps)
    moved = (flows[:-1] + flows[1:]) / 2 * steps_s[:, None]
    places = np.concatenate([np.zeros((min(count, 1), 3)), np.cumsum(moved, axis=0)])
    broken = ~(motion.ok[:-1] & motion.ok[1:]) | (np.diff(motion.t_ns) > _LONGEST_STEP_NS)
    bad = np.concatenate([np.zeros(min(count, 1), np.int64), np.cumsum(broken)])
    return Track(motion, places, turns, flows, bad)


def paths_at(track: Track, frame_t_ns: Int64s) -> Paths:
    """The path before each frame at `frame_t_ns` (n,)."""
    n, motion = len(frame_t_ns), track.motion
    shape = (n, len(T_IDXS))
    if len(motion.t_ns) < 2:
        nothing = np.zeros(shape)
        return Paths(nothing, nothing, nothing, nothing, nothing, np.full(shape, BAD_POSE, np.uint8))
    at_ns = frame_t_ns[:, None] + np.round(T_IDXS * 1e9).astype(np.int64)
    steps, places, turns, speeds = _follow(track, at_ns.ravel())
    places, turns = places.reshape(*shape, 3), turns.reshape(*shape, 3, 3)
    home = turns[:, 0]
    ahead = np.einsum("nji,nkj->nki", home, places - places[:, :1])
    facing = np.einsum("nji,nkj->nki", home, turns[..., 0])
    heading = np.unwrap(np.arctan2(facing[..., 1], facing[..., 0]), axis=1)
    marks = np.zeros(shape, np.uint8)
    marks[at_ns > motion.t_ns[-1] + _EDGE_NS] |= SEGMENT_END
    steps = steps.reshape(shape)
    # The step a point lies in is only trusted when its far end is good as well.
    marks[track.bad[steps + 1] > track.bad[steps[:, :1]]] |= BAD_POSE
    marks[frame_t_ns < motion.t_ns[0] - _EDGE_NS] |= BAD_POSE
    if not motion.calibrated:
        marks |= np.uint8(UNCALIBRATED)
    speeds = speeds.reshape(shape)
    marks[np.maximum.accumulate(np.abs(speeds), axis=1) < _STANDING_MPS] |= STANDING
    known = (marks & UNKNOWN) == 0
    x, y, z = (np.where(known, ahead[..., axis], 0.0) for axis in range(3))
    return Paths(x, y, z, np.where(known, heading, 0.0), np.where(known, speeds, 0.0), marks)


def _follow(track: Track, at_ns: Int64s) -> tuple[Int64s, Floats, Floats, Floats]:
    """Step, place, turn and forward speed at times (k,), within a step as it was integrated."""
    motion = track.motion
    steps = np.clip(np.searchsorted(motion.t_ns, at_ns, side="right") - 1, 0, len(motion.t_ns) - 2)
    step_s = (motion.t_ns[steps + 1] - motion.t_ns[steps]) / 1e9
    after_s = (at_ns - motion.t_ns[steps]) / 1e9
    share = (after_s / step_s)[:, None]
    flow, gain = track.flows_mps[steps], track.flows_mps[steps + 1] - track.flows_mps[steps]
    places = track.places_m[steps] + after_s[:, None] * (flow + share * gain / 2)
    mean_rate = (motion.rate_radps[steps] + motion.rate_radps[steps + 1]) / 2
    turns = track.turns[steps] @ rotations(mean_rate * after_s[:, None])
    forward = motion.velocity_mps[:, 0]
    speeds = forward[steps] + share[:, 0] * (forward[steps + 1] - forward[steps])
    return steps.astype(np.int64), places, turns, speeds


def rotations(vectors: Floats) -> Floats:
    """(n, 3, 3): rotations about (n, 3) vectors by their length in rad (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)
    small = angle < 1e-8
    safe = np.where(small, 1.0, angle)
    first = np.where(small, 1.0, np.sin(angle) / safe)
    second = np.where(small, 0.5, (1 - np.cos(angle)) / safe**2)
    x, y, z = vectors.T
    zero = np.zeros_like(x)
    skew = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], 1).reshape(-1, 3, 3)
    turned: Floats = np.eye(3) + first[:, None, None] * skew + second[:, None, None] * (skew @ skew)
    return turned
