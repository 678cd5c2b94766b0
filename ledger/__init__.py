"""A signed, append-only, gossiped ledger: one key, one chain; reconcile heads; prove forks.

It stands alone: it knows nothing of tasks, models or networks, and apart from its one adapter
(`ledger.sqlite`, imported on its own so that this package stays pure) it does no I/O, reads no
clock and draws no randomness.

Bytes come in through `codec` and `entry`, are judged by `book`, kept by a `store`, and evened out
between peers by `sync`. `fork` holds the proof that an author signed two histories, `keys` who
signed at all, `clock` the time stamps, `limits` every bound and `errors` everything that can go
wrong.
"""

from ledger.admission import Accepted as Accepted
from ledger.admission import Admission as Admission
from ledger.admission import Begun as Begun
from ledger.admission import Duplicate as Duplicate
from ledger.admission import Forked as Forked
from ledger.admission import Held as Held
from ledger.admission import Pending as Pending
from ledger.admission import Refused as Refused
from ledger.book import Book as Book
from ledger.checkpoint import Checkpoint as Checkpoint
from ledger.checkpoint import Sealed as Sealed
from ledger.checkpoint import encode_cosign as encode_cosign
from ledger.checkpoint import may_cosign as may_cosign
from ledger.checkpoint import parse_checkpoint as parse_checkpoint
from ledger.checkpoint import parse_cosign as parse_cosign
from ledger.checkpoint import verify_sealed as verify_sealed
from ledger.checkpoint import witnesses as witnesses
from ledger.clock import HybridClock as HybridClock
from ledger.clock import Observed as Observed
from ledger.clock import pack as pack
from ledger.clock import physical_ms as physical_ms
from ledger.codec import Encodable as Encodable
from ledger.codec import Key as Key
from ledger.codec import Value as Value
from ledger.codec import dumps as dumps
from ledger.codec import loads as loads
from ledger.entry import Entry as Entry
from ledger.entry import Head as Head
from ledger.entry import check_entry as check_entry
from ledger.entry import parse_entry as parse_entry
from ledger.entry import seal as seal
from ledger.errors import DecodeError as DecodeError
from ledger.errors import DirectoryLocked as DirectoryLocked
from ledger.errors import ForkDetected as ForkDetected
from ledger.errors import InvalidEntry as InvalidEntry
from ledger.errors import KeyRefused as KeyRefused
from ledger.errors import LedgerError as LedgerError
from ledger.errors import Reason as Reason
from ledger.errors import SchemaTooNew as SchemaTooNew
from ledger.errors import StoreError as StoreError
from ledger.errors import WrongSwarm as WrongSwarm
from ledger.fork import ForkProof as ForkProof
from ledger.fork import parse_proof as parse_proof
from ledger.fork import verify_proof as verify_proof
from ledger.handover import Adopt as Adopt
from ledger.handover import Retire as Retire
from ledger.handover import commit as commit
from ledger.handover import encode_pledge as encode_pledge
from ledger.handover import encode_retire as encode_retire
from ledger.header import Header as Header
from ledger.horizon import Horizon as Horizon
from ledger.horizon import encode_horizon as encode_horizon
from ledger.horizon import parse_horizon as parse_horizon
from ledger.horizon import verify_horizon as verify_horizon
from ledger.keys import PrivateKey as PrivateKey
from ledger.keys import Signer as Signer
from ledger.keys import Verifier as Verifier
from ledger.keys import admit_public_key as admit_public_key
from ledger.keys import did_key as did_key
from ledger.keys import parse_did_key as parse_did_key
from ledger.keys import parse_peer_id as parse_peer_id
from ledger.keys import peer_id as peer_id
from ledger.keys import verify as verify
from ledger.kinds import Kind as Kind
from ledger.limits import Limits as Limits
from ledger.memory import MemoryStore as MemoryStore
from ledger.merkle import Frontier as Frontier
from ledger.merkle import Tree as Tree
from ledger.reconcile import Initiator as Initiator
from ledger.reconcile import respond as respond
from ledger.store import Problem as Problem
from ledger.store import Store as Store
from ledger.succession import Succession as Succession
from ledger.sync import Want as Want
from ledger.sync import encode_heads as encode_heads
from ledger.sync import encode_wants as encode_wants
from ledger.sync import heads_frame as heads_frame
from ledger.sync import parse_heads as parse_heads
from ledger.sync import parse_wants as parse_wants
from ledger.sync import suspects as suspects
from ledger.sync import wants as wants
