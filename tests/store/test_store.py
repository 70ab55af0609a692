from __future__ import annotations

import dataclasses
import hashlib
import os
import sqlite3
import threading

import numpy as np
import pytest

from harness.errors import DataError
from harness.store import Approval, BlobStore, Index, Store
from harness.trace import Channel, Trace, write_trace
from harness.verdict import CheckResult, Closeness, Finding, FindingKind, Severity

CONTENT = b"a minute of driving" * 1000
DIGEST = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "home") as store:
        yield store


def flip_a_bit(path):
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(damaged)


class TestBlobs:
    @pytest.mark.parametrize("way", ["bytes", "copy", "link"])
    def test_what_is_put_is_found_by_its_digest(self, store, tmp_path, way):
        source = tmp_path / "source"
        source.write_bytes(CONTENT)
        blob = store.put_bytes(CONTENT) if way == "bytes" else store.put_file(source, link=way == "link")
        assert (blob.sha256, blob.size_bytes) == (DIGEST, len(CONTENT))
        assert store.path(DIGEST) == tmp_path / "home/store/blobs" / DIGEST[:2] / DIGEST
        assert store.has(DIGEST)
        assert store.read(DIGEST) == CONTENT
        assert [path.name for path in store.path(DIGEST).parent.iterdir()] == [DIGEST]

    def test_a_copy_does_not_change_with_its_source(self, store, tmp_path):
        source = tmp_path / "source"
        source.write_bytes(CONTENT)
        store.put_file(source)
        flip_a_bit(source)
        assert store.read(DIGEST) == CONTENT

    def test_a_link_shares_the_file(self, store, tmp_path):
        source = tmp_path / "source"
        source.write_bytes(CONTENT)
        store.put_file(source, link=True)
        assert store.path(DIGEST).samefile(source)

    def test_a_damaged_blob_is_refused_set_aside_and_can_be_put_again(self, store):
        store.put_bytes(CONTENT)
        flip_a_bit(store.path(DIGEST))
        with pytest.raises(DataError, match="damaged") as caught:
            store.read(DIGEST)
        assert caught.value.where == str(store.path(DIGEST))
        assert "run the job again" in caught.value.remedy
        assert not store.has(DIGEST)
        store.put_bytes(CONTENT)
        assert store.read(DIGEST) == CONTENT

    @pytest.mark.parametrize("way", ["bytes", "file"])
    def test_putting_repairs_damage_that_nobody_has_read_yet(self, store, tmp_path, way):
        store.put_bytes(CONTENT)
        flip_a_bit(store.path(DIGEST))
        source = tmp_path / "source"
        source.write_bytes(CONTENT)
        store.put_bytes(CONTENT) if way == "bytes" else store.put_file(source)
        assert store.read(DIGEST) == CONTENT

    def test_verified_checks_the_bytes(self, store):
        store.put_bytes(CONTENT)
        assert store.blobs.verified(DIGEST) == store.path(DIGEST)
        flip_a_bit(store.path(DIGEST))
        with pytest.raises(DataError, match="damaged"):
            store.blobs.verified(DIGEST)

    def test_absent_blobs_and_files_are_data_errors(self, store, tmp_path):
        with pytest.raises(DataError, match="not in the store"):
            store.read(DIGEST)
        with pytest.raises(DataError, match="not in the store"):
            store.blobs.verified(DIGEST)
        with pytest.raises(DataError, match="cannot be read"):
            store.put_file(tmp_path / "absent")

    @pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, DIGEST + "\n", "0" * 63])
    def test_only_digests_are_names(self, store, name):
        with pytest.raises(DataError, match="not a sha256"):
            store.path(name)

    def test_a_folder_that_cannot_be_written_is_said(self, tmp_path):
        blocked = tmp_path / "file"
        blocked.write_text("in the way")
        with pytest.raises(DataError, match="cannot write"):
            BlobStore(blocked / "blobs").put_bytes(CONTENT)
        with pytest.raises(DataError, match="cannot write"):
            Store(blocked / "home")


class TestIndex:
    def test_a_trace_is_found_by_its_job(self, store):
        blob = store.put_bytes(CONTENT)
        assert store.find_trace("job") is None
        store.remember_trace("job", blob.sha256, {"device": "mici-01"})
        found = store.find_trace("job")
        assert found is not None
        assert (found.sha256, found.facts) == (DIGEST, {"device": "mici-01"})

    def test_a_trace_whose_blob_is_gone_is_not_found(self, store):
        store.put_bytes(CONTENT)
        store.remember_trace("job", DIGEST, {})
        store.path(DIGEST).unlink()
        assert store.find_trace("job") is None

    def test_a_trace_must_be_stored_first(self, store):
        with pytest.raises(DataError, match="not in the store"):
            store.remember_trace("job", DIGEST, {})

    def test_checks_come_back_as_they_were(self, store):
        finding = Finding(
            FindingKind.CHANGED, Severity.BLOCK, "a", "words\nand more", 1, 2, 3, 0.05, 0.1, 0.15, "1", "∞", "m", 2.5
        )
        checks = (CheckResult("action", Closeness.BEYOND, (finding,), 3, 1200), CheckResult("b", Closeness.EXACT))
        store.remember_checks("key", checks)
        assert store.find_checks("key") == checks
        assert store.find_checks("other") is None

    def test_it_outlives_the_process(self, tmp_path):
        with Store(tmp_path) as store:
            store.put_bytes(CONTENT)
            store.remember_trace("job", DIGEST, {})
        with Store(tmp_path) as store:
            assert store.find_trace("job") is not None

    def test_checks_of_another_program_are_worked_out_again(self, store, tmp_path):
        store.remember_checks("key", ())
        with sqlite3.connect(tmp_path / "home/closet.db") as connection:
            connection.execute("UPDATE checks SET checks = '[{\"check\": 1}]'")
        connection.close()
        assert store.find_checks("key") is None

    @pytest.mark.parametrize(
        "content", [b"not a database, but long enough to be looked at" * 50, b"SQLite format 3\0junk"]
    )
    def test_a_damaged_database_is_set_aside(self, tmp_path, content):
        (tmp_path / "closet.db").write_bytes(content)
        with Store(tmp_path) as store:
            store.remember_checks("key", ())
            assert store.find_checks("key") == ()
        assert (tmp_path / "closet.db.damaged").read_bytes() == content

    def test_threads_share_it(self, store):
        blob = store.put_bytes(CONTENT)

        def work(n: int) -> None:
            for k in range(20):
                store.remember_trace(f"{n}-{k}", blob.sha256, {"n": str(n)})

        threads = [threading.Thread(target=work, args=(n,)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert all(store.find_trace(f"{n}-{k}") for n in range(6) for k in range(20))


class TestDigests:
    @pytest.fixture
    def settled(self, tmp_path):
        """A file whose modification time is long past, as a recording's is. The index trusts no fresh one."""
        path = tmp_path / "rlog"
        path.write_bytes(CONTENT)
        os.utime(path, ns=(1, 1))
        return path

    def test_digest_of_a_file(self, store, settled):
        assert (store.digest_file(settled).sha256, store.digest_file(settled).size_bytes) == (DIGEST, len(CONTENT))

    def test_a_file_just_written_is_read_again(self, store, tmp_path):
        # Same size, and the time stamp put back: only reading can tell.
        path = tmp_path / "fresh"
        path.write_bytes(b"one")
        before = path.stat()
        store.digest_file(path)
        path.write_bytes(b"two")
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert store.digest_file(path).sha256 == hashlib.sha256(b"two").hexdigest()

    def test_the_digest_of_a_fresh_file_is_not_kept(self, store, tmp_path):
        (tmp_path / "fresh").write_bytes(CONTENT)
        store.digest_file(tmp_path / "fresh")
        with sqlite3.connect(tmp_path / "home/closet.db") as connection:
            assert connection.execute("SELECT count(*) FROM digests").fetchone() == (0,)
        connection.close()

    def test_a_known_digest_is_not_read_again(self, tmp_path, settled):
        index = Index(tmp_path / "closet.db", settled_ns=0)
        assert index.digest_file(settled).sha256 == DIGEST
        with sqlite3.connect(tmp_path / "closet.db") as connection:
            connection.execute("UPDATE digests SET sha256 = 'what is remembered'")
        connection.close()
        assert index.digest_file(settled).sha256 == "what is remembered"
        index.close()

    @pytest.mark.parametrize("change", ["content", "replaced", "touched back"])
    def test_a_changed_file_is_read_again(self, tmp_path, settled, change):
        index = Index(tmp_path / "closet.db", settled_ns=0)
        index.digest_file(settled)
        other = CONTENT[::-1]
        if change == "replaced":
            (tmp_path / "new").write_bytes(other)
            (tmp_path / "new").replace(settled)
        else:
            settled.write_bytes(other)
        if change != "content":
            os.utime(settled, ns=(1, 1))
        assert index.digest_file(settled).sha256 == hashlib.sha256(other).hexdigest()
        index.close()

    def test_a_missing_file_is_a_data_error(self, store, tmp_path):
        with pytest.raises(DataError, match="cannot be read"):
            store.digest_file(tmp_path / "absent")


def test_a_stored_trace_is_loaded_and_checked(store, tmp_path):
    values = np.arange(4.0)
    trace = Trace("r", "s", np.arange(4), np.arange(4), {"a": Channel("a", "m", values)}, {})
    write_trace(tmp_path / "t", trace)
    blob = store.put_file(tmp_path / "t")
    np.testing.assert_array_equal(store.load_trace(blob.sha256).channels["a"].values, values)
    flip_a_bit(store.path(blob.sha256))
    with pytest.raises(DataError, match="damaged"):
        store.load_trace(blob.sha256)


def test_only_whole_traces_are_approved(store):
    blob = store.put_bytes(CONTENT)
    good = Approval("2026-11-21", "me", "why", "run", "d/l/0", "driving_model", "mici", blob.sha256)
    lost = dataclasses.replace(good, segment="d/l/1", trace_sha256="0" * 64)
    with pytest.raises(DataError, match="not in the store"):
        store.approve([good, lost])
    assert store.ledger() == ()
    assert store.approve([good]) == store.ledger()
    assert store.approved("d/l/0", "driving_model", "mici") == good
