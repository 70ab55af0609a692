"""Camera minutes made quickly: a few groups of pictures are encoded once and laid end to end in many orders.

A camera file of the device is closed groups of 30 pictures, so any order of groups is a valid file, and files that use
every group equally often cost the same to decode while their bytes differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from harness.files import atomic_writer
from harness.recording.video import DEVICE_GOP, encode_hevc

Plane: TypeAlias = npt.NDArray[np.uint8]

# How far the textures are larger than the picture that moves over them, and how much sensor noise lies on top.
_ROOM, _NOISE = 192, 3
_OCTAVES = (4, 16, 64, 256)


def write_groups(folder: Path, seed: int, count: int, width: int, height: int, threads: int) -> tuple[Path, ...]:
    """`count` files of one group each, of one camera, at the device's bit rate."""
    rng = np.random.default_rng(seed)
    scene = [_texture(rng, height + _ROOM, width + _ROOM)]
    scene += [_texture(rng, (height + _ROOM) // 2, (width + _ROOM) // 2) for _ in range(2)]
    noise = rng.integers(0, _NOISE, (height + _ROOM, width + _ROOM), np.uint8)
    paths = tuple(folder / f"{number:02d}.hevc" for number in range(count))
    for path in paths:
        encode_hevc(path, _pictures(rng, scene, noise, width, height), width=width, height=height, threads=threads)
    return paths


def write_segment(path: Path, groups: Sequence[Path], count: int, seed: int) -> None:
    """A camera file of `count` groups: each of `groups` equally often (as far as it goes), in a seeded order."""
    rounds = -(-count // len(groups))
    order = np.random.default_rng(seed).permutation(np.tile(np.arange(len(groups)), rounds)[:count])
    contents = [group.read_bytes() for group in groups]
    with atomic_writer(path) as stream:
        stream.writelines(contents[number] for number in order)


def _texture(rng: np.random.Generator, height: int, width: int) -> Plane:
    """Noise of several sizes, as roads and trees have it: (height, width)."""
    total = np.zeros((height, width), np.float32)
    for size in _OCTAVES:
        coarse = rng.standard_normal((-(-height // size), -(-width // size)), np.float32)
        total += np.repeat(np.repeat(coarse, size, 0), size, 1)[:height, :width] * np.float32(6 + size**0.5)
    return np.clip(total + 120, 0, 245).astype(np.uint8)


def _pictures(
    rng: np.random.Generator, scene: list[Plane], noise: Plane, width: int, height: int
) -> Iterator[tuple[Plane, Plane, Plane]]:
    """One group: the window glides over the scene, and the noise is another in each picture."""
    start, speed = rng.integers(0, _ROOM // 2, 2), rng.integers(1, 3, 2)
    for index in range(DEVICE_GOP):
        top, left = (int(value) & ~1 for value in (start + speed * index) % _ROOM)
        shake, shift = (int(value) for value in rng.integers(0, _ROOM, 2))
        luma = scene[0][top : top + height, left : left + width]
        small = (slice(top // 2, top // 2 + height // 2), slice(left // 2, left // 2 + width // 2))
        yield luma + noise[shake : shake + height, shift : shift + width], scene[1][small], scene[2][small]
