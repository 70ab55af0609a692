"""Kept features are what was kept, or they are not used."""

from __future__ import annotations

import numpy as np
import pytest

from harness.replay.features import FeatureCache, VisionRecord

KEY = {"vision": "abc", "rows": [1, 2, 3]}


def record(seed: int = 0) -> VisionRecord:
    rng = np.random.default_rng(seed)
    outputs = rng.standard_normal((5, 7)).astype(np.float32)
    outputs[2, 3] = np.nan
    return VisionRecord(outputs, rng.integers(0, 2**63, 5).astype(np.uint64), np.arange(5, dtype=np.uint64))


def test_what_was_kept_comes_back(tmp_path):
    cache = FeatureCache(tmp_path / "new" / "folder")
    assert cache.load(KEY) is None
    cache.save(KEY, record())
    found = cache.load(dict(reversed(KEY.items())))
    assert found is not None
    for name in ("outputs", "narrow_digests", "wide_digests"):
        mine, theirs = getattr(record(), name), getattr(found, name)
        assert mine.dtype == theirs.dtype
        np.testing.assert_array_equal(mine, theirs)
    assert cache.load(KEY | {"vision": "abd"}) is None


def test_without_a_folder_nothing_is_kept():
    cache = FeatureCache(None)
    cache.save(KEY, record())
    assert cache.load(KEY) is None


@pytest.mark.parametrize("share", [0.0, 0.01, 0.1, 0.3, 0.5, 0.9, 0.999])
def test_a_changed_or_cut_entry_is_not_used(tmp_path, share):
    cache = FeatureCache(tmp_path)
    cache.save(KEY, record())
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    at = int(share * len(whole))
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])
    assert cache.load(KEY) is None
    path.write_bytes(whole[:at])
    assert cache.load(KEY) is None
    path.write_bytes(whole + b"x")
    assert cache.load(KEY) is None
    cache.save(KEY, record(1))
    found = cache.load(KEY)
    assert found is not None
    np.testing.assert_array_equal(found.outputs, record(1).outputs)


def test_an_entry_under_another_name_is_not_used(tmp_path):
    cache = FeatureCache(tmp_path)
    cache.save(KEY, record())
    (path,) = tmp_path.iterdir()
    other = {"vision": "other"}
    cache.save(other, record(1))
    (second,) = set(tmp_path.iterdir()) - {path}
    second.write_bytes(path.read_bytes())
    assert cache.load(other) is None


def test_a_folder_that_cannot_be_written_loses_the_entry_only(tmp_path):
    (tmp_path / "file").touch()
    cache = FeatureCache(tmp_path / "file")
    cache.save(KEY, record())
    assert cache.load(KEY) is None
