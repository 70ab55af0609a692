"""Baselines of several runtimes, on branches, beside each other, signed, exported, and shared by a depot."""

from __future__ import annotations

import dataclasses
import subprocess
import tarfile
import threading

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from harness.errors import ConfigError, DataError
from harness.store import MAIN, Approval, Signature, Store, landing
from harness.store.approvals import filled_in, standing

PLACE = ("d/l/0", "driving_model", "mici", "{}")


def approval(trace: str, **changes) -> Approval:
    entry = Approval("2026-11-21T03:00:00+00:00", "me", "seen", "run-1", *PLACE[:3], trace, runtime="ort 1")
    return dataclasses.replace(entry, **changes)


def held(entries, branch=MAIN):
    return [entry.trace_sha256 for entry in standing(entries, branch).get(PLACE, ())]


@pytest.fixture
def store(tmp_path):
    with Store(tmp_path / "one", depot="") as store:
        yield store


def put(store: Store, text: str) -> str:
    return store.put_bytes(text.encode()).sha256


def test_a_new_approval_replaces_its_runtime_only():
    entries = (approval("a"), approval("b", runtime="ort 2"), approval("c"))
    assert held(entries) == ["c", "b"]
    assert [entry.replaces for entry in filled_in([approval("d")], entries)] == ["c"]
    assert [entry.replaces for entry in filled_in([approval("d", runtime="ort 3")], entries)] == [""]


def test_beside_keeps_what_was_accepted_and_withdrawing_takes_one_away():
    entries = (approval("a"), approval("b", beside=True))
    assert held(entries) == ["b", "a"]
    assert held((*entries, approval("a", withdrawn=True))) == ["b"]
    assert held((*entries, approval("c"))) == ["c"]


def test_a_branch_lies_over_main_and_is_unseen_elsewhere():
    entries = (approval("a"), approval("b", branch="x"), approval("c"))
    assert held(entries) == ["c"]
    assert held(entries, "x") == ["b"]
    assert held(entries, "y") == ["c"]


def test_landing_makes_the_branch_hold_on_main_and_once_only():
    entries = (approval("a"), *filled_in([approval("b", branch="x")], [approval("a")]))
    landed = landing(entries, "x", who="me", when="later", reason="merged")
    assert [(entry.trace_sha256, entry.branch, entry.when) for entry in landed] == [("b", MAIN, "later")]
    assert held((*entries, *landed)) == ["b"]
    assert landing((*entries, *landed), "x", who="me", when="later", reason="merged") == ()


def test_landing_is_refused_where_main_moved_on():
    entries = (approval("a"), *filled_in([approval("b", branch="x")], [approval("a")]), approval("c"))
    with pytest.raises(DataError, match="main has approved another baseline since: c instead of a"):
        landing(entries, "x", who="me", when="later", reason="merged")


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "x"]), st.booleans(), st.booleans())))
def test_what_stands_was_approved_and_not_withdrawn_after(steps):
    entries = [approval(trace, branch=branch, beside=beside, withdrawn=gone) for trace, branch, beside, gone in steps]
    main = held(entries)
    assert len(set(main)) == len(main)
    own = [entry for entry in entries if entry.branch == MAIN]
    for trace in main:
        last = [entry for entry in own if entry.trace_sha256 == trace][-1]
        assert not last.withdrawn
    kept = [entry for entry in own if not entry.withdrawn]
    if kept and not any(entry.withdrawn for entry in own):
        assert main[0] == kept[-1].trace_sha256
    assert held([entry for entry in entries if entry.branch == MAIN]) == main, "a branch changes nothing on main"


# Signatures, by the real ssh-keygen.


@pytest.fixture
def key(tmp_path):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path)], check=True)
    (tmp_path / "allowed").write_text(f"maintainer {(tmp_path / 'key.pub').read_text()}")
    return path


def test_a_signed_approval_holds_and_one_without_is_named(store, key, tmp_path):
    first = store.approve([approval(put(store, "a"))], Signature(key, "maintainer"))
    store.baselines.require_signed(first, tmp_path / "allowed")
    assert store.baselines.problems(tmp_path / "allowed") == ()
    second = store.approve([approval(put(store, "b"))])
    with pytest.raises(DataError, match=r"d/l/0 · driving_model · mici: the approval is not signed"):
        store.baselines.require_signed(second, tmp_path / "allowed")
    assert len(store.baselines.problems(tmp_path / "allowed")) == 1


def test_a_signature_by_another_key_or_under_another_name_does_not_hold(store, key, tmp_path):
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    for signature in (Signature(other, "maintainer"), Signature(key, "somebody")):
        entries = store.approve([approval(put(store, "a"))], signature)
        with pytest.raises(DataError, match=f"signature of {signature.signer} does not hold"):
            store.baselines.require_signed(entries, tmp_path / "allowed")


def test_a_signature_does_not_hold_for_other_approvals(store, key, tmp_path):
    """The line is altered as somebody with write access would: contents and digest anew, signature kept."""
    store.approve([approval(put(store, "a"))], Signature(key, "maintainer"))
    (batch,) = store.baselines.ledger.batches()
    from harness.store.approvals import make_batch  # noqa: PLC0415

    forged = make_batch([dataclasses.replace(batch.approvals[0], reason="forged")])
    forged = dataclasses.replace(forged, signature=batch.signature, signer=batch.signer)
    store.baselines.ledger.path.write_bytes(forged.line)
    with pytest.raises(DataError, match="does not hold"):
        store.baselines.require_signed(store.ledger(), tmp_path / "allowed")


def test_a_key_that_is_none_is_said_before_anything_is_written(store, tmp_path):
    (tmp_path / "nokey").write_text("hello")
    with pytest.raises(ConfigError, match="ssh-keygen did not sign"):
        store.approve([approval(put(store, "a"))], Signature(tmp_path / "nokey", "me"))
    with pytest.raises(ConfigError, match="no key at"):
        store.approve([approval(put(store, "a"))], Signature(tmp_path / "absent", "me"))
    assert store.ledger() == ()


# Archives.


def test_an_archive_carries_ledger_and_traces(store, tmp_path):
    store.approve([approval(put(store, "a"))])
    store.approve([approval(put(store, "b"), branch="x")])
    assert store.baselines.write_archive(tmp_path / "all.tar") == 2
    with Store(tmp_path / "two", depot="") as other:
        assert other.baselines.read_archive(tmp_path / "all.tar") == (2, 2)
        assert other.ledger() == store.ledger()
        assert other.baselines.problems() == ()
        assert other.baselines.read_archive(tmp_path / "all.tar") == (0, 2)
        other.approve([approval(put(other, "c"))])
        store.approve([approval(put(store, "d"))])
        store.baselines.write_archive(tmp_path / "apart.tar")
        with pytest.raises(DataError, match="went apart"):
            other.baselines.read_archive(tmp_path / "apart.tar")


def test_a_damaged_archive_adds_nothing(store, tmp_path):
    store.approve([approval(put(store, "a"))])
    store.baselines.write_archive(tmp_path / "all.tar")
    whole = (tmp_path / "all.tar").read_bytes()
    at = whole.rindex(b"a\0")
    (tmp_path / "bad.tar").write_bytes(whole[:at] + b"b" + whole[at + 1 :])
    (tmp_path / "none.tar").write_bytes(b"no archive at all")
    with tarfile.open(tmp_path / "empty.tar", "w"):
        pass
    with Store(tmp_path / "two", depot="") as other:
        for name, problem in (("bad", "other bytes"), ("none", "not an archive"), ("empty", "ledger.jsonl is not in")):
            with pytest.raises(DataError, match=problem):
                other.baselines.read_archive(tmp_path / f"{name}.tar")
        assert other.ledger() == ()


def test_what_is_missing_or_damaged_is_told(store):
    digest = put(store, "a")
    store.approve([approval(digest)])
    store.path(digest).write_bytes(b"z")
    (problem,) = store.baselines.problems()
    assert "damaged" in str(problem)
    (problem,) = store.baselines.problems()
    assert "not in the store" in str(problem)


# Depots: a folder, and a real S3 server.


@pytest.fixture(scope="module")
def s3():
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def depot(request, tmp_path, monkeypatch):
    if request.param == "folder":
        return str(tmp_path / "depot")
    address = request.getfixturevalue("s3")
    for name, value in (
        ("AWS_ENDPOINT_URL", address),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    bucket = f"lab-{tmp_path.name.strip('_').replace('_', '-')[:40].lower()}"
    boto3.client("s3").create_bucket(Bucket=bucket)
    return f"s3://{bucket}/closet"


def test_closets_share_what_they_approve(depot, tmp_path):
    with Store(tmp_path / "one", depot=depot) as one, Store(tmp_path / "two", depot=depot) as two:
        digest = put(one, "a")
        one.approve([approval(digest)])
        assert two.approved(*PLACE) is None
        assert two.baselines.sync() == 1
        two.baselines.fetch(digest)
        assert two.read(digest) == b"a"
        (entry,) = two.approve([approval(put(two, "b"))])
        assert entry.replaces == digest
        (entry,) = one.approve([approval(put(one, "c"))])
        assert entry.replaces == put(two, "b"), "it was brought before approving"
        two.baselines.sync()
        assert two.ledger() == one.ledger()
        assert two.baselines.problems() == ()


def test_approvals_at_the_same_time_come_into_one_order(depot, tmp_path):
    stores = [Store(tmp_path / name, depot=depot) for name in ("one", "two", "three")]
    failures = []

    def approve(store: Store, name: int) -> None:
        try:
            for number in range(4):
                store.approve([approval(put(store, f"{name} {number}"), reason=f"{name} {number}")])
        except Exception as error:  # noqa: BLE001 shown by the assertion
            failures.append(error)

    threads = [threading.Thread(target=approve, args=(store, number)) for number, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    for store in stores:
        store.baselines.sync()
    ledgers = [[entry.reason for entry in store.ledger()] for store in stores]
    assert ledgers[0] == ledgers[1] == ledgers[2]
    assert sorted(ledgers[0]) == sorted(f"{name} {number}" for name in range(3) for number in range(4))
    chain = stores[0].ledger()
    assert [entry.replaces for entry in chain[1:]] == [entry.trace_sha256 for entry in chain[:-1]]


def test_what_was_approved_before_there_was_a_depot_goes_there(depot, tmp_path):
    with Store(tmp_path / "one", depot="") as before:
        digest = put(before, "a")
        before.approve([approval(digest)])
    with Store(tmp_path / "one", depot=depot) as one, Store(tmp_path / "two", depot=depot) as two:
        one.baselines.sync()
        assert two.baselines.sync() == 1
        two.baselines.fetch(digest)
    with Store(tmp_path / "three", depot="") as apart:
        apart.approve([approval(put(apart, "z"))])
    with Store(tmp_path / "three", depot=depot) as apart, pytest.raises(DataError, match="the two ledgers went apart"):
        apart.baselines.sync()


def test_a_depot_that_does_not_work_approves_nothing(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    with Store(tmp_path / "one", depot=str(tmp_path / "file" / "depot")) as store:
        digest = put(store, "a")
        with pytest.raises(DataError, match="does not answer as it should"):
            store.approve([approval(digest)])
        assert store.ledger() == ()


def test_addresses_that_cannot_be_meant(tmp_path):
    with pytest.raises(ConfigError, match=r"no depot|no library"):
        Store(tmp_path, depot="nonsense://x")
    with pytest.raises(ConfigError, match="credentials in the address"):
        Store(tmp_path, depot="s3://key:secret@bucket/prefix")
