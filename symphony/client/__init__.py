"""The SDK: talk to any node's gateway from ordinary code, asyncio or trio.

It is an HTTP client and nothing else: no libp2p, no event loop of its own, no global state.
`Symphony` blocks, `AsyncSymphony` does not; both are thin over `wire` (what to send, what it
means), `stream` (server-sent events), `answer` (what comes back) and `faults` (typed errors).
"""

from symphony.client.aio import AsyncSymphony as AsyncSymphony
from symphony.client.aio import AsyncTask as AsyncTask
from symphony.client.answer import Answer as Answer
from symphony.client.answer import Ballot as Ballot
from symphony.client.answer import ReceiptRef as ReceiptRef
from symphony.client.answer import TaskEvent as TaskEvent
from symphony.client.sync import Symphony as Symphony
from symphony.client.sync import Task as Task
from symphony.client.wire import TaskOptions as TaskOptions
