"""What outlives a run: blobs by digest, which job gave which trace, comparisons, approved baselines."""

from harness.store.blobs import BlobStore
from harness.store.index import Index, StoredTrace
from harness.store.ledger import Approval, Ledger
from harness.store.store import Store

__all__ = ["Approval", "BlobStore", "Index", "Ledger", "Store", "StoredTrace"]
