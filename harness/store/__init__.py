"""What outlives a run: blobs by digest, which job gave which trace, comparisons, approved baselines."""

from harness.store.approvals import MAIN, Approval, landing
from harness.store.baselines import Baselines, Signature
from harness.store.blobs import BlobStore
from harness.store.depot import Depot
from harness.store.halves import sweep_halves
from harness.store.index import Index, StoredTrace
from harness.store.ledger import Ledger
from harness.store.store import Store

__all__ = [
    "MAIN",
    "Approval",
    "Baselines",
    "BlobStore",
    "Depot",
    "Index",
    "Ledger",
    "Signature",
    "Store",
    "StoredTrace",
    "landing",
    "sweep_halves",
]
