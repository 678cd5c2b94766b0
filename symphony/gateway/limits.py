"""Every bound of the local gateway, each with its reason. Sizes in bytes, times in seconds.

A bound is checked before the thing it bounds is parsed or stored. Bounds that belong to a task
(chains, prompt, deadline) are the core's, in `symphony.core.limits`.
"""

from __future__ import annotations

# --- requests ---------------------------------------------------------------------------------
MAX_BODY_BYTES = 256 * 1024  # a prompt may have 64 KiB; JSON escapes can make that 4 times more
BODY_S = 10.0  # a body this small, over loopback, takes milliseconds
DRAIN_BYTES = 1024 * 1024  # read past a refused body, so that the client gets to see our answer
DRAIN_S = 2.0  # ... and for this long
MAX_REQUESTS = 256  # in flight at once, event streams included: each is a socket and a task
MAX_HEADER_BYTES = 16 * 1024  # h11's own default: key, host and a few more
MAX_HOST_CHARS = 261  # a DNS name (253), a colon, a port; longer is no host
KNOWN_HOSTS = 64  # host names whose reading is remembered: clients use one or two
MAX_KEY_CHARS = 256  # of an Authorization header worth comparing

# --- connections ------------------------------------------------------------------------------
IDLE_S = 30.0  # a kept-alive connection without a request; also the time to send the headers
STALLED_S = 30.0  # a client that stops reading is cut off: hypercorn's send can't be cancelled
CLOSE_S = 2.0  # open streams may take this long to end when the node shuts down

# --- streams ----------------------------------------------------------------------------------
KEEP_ALIVE_S = 5.0  # below every proxy's and client's read timeout that we know of (10 s and up)
CANCEL_S = 5.0  # handing a cancellation to the node; it is a channel send away

# --- the OpenAI surface -----------------------------------------------------------------------
MAX_MESSAGES = 256  # turns of one conversation; all of them together are bounded by the body
MAX_STOPS = 4  # what the OpenAI API allows
MAX_STOP_CHARS = 64
MAX_SCHEMA_BYTES = 16 * 1024  # the core's bound on `answer_schema`
MAX_CHOICES = 64  # the core's bound on `choices`
MAX_CHOICE_CHARS = 300

# --- the task API -----------------------------------------------------------------------------
MAX_IDEMPOTENCY_KEYS = 1024  # remembered submits: a retry comes within seconds
MAX_IDEMPOTENCY_CHARS = 128
LEDGER_PAGE = 100  # entries of a ledger page unless asked otherwise
MAX_LEDGER_PAGE = 1000  # of some 2 KiB each as JSON
MAX_INVITE_MINUTES = 60 * 24 * 30  # a month: an invite is handed over, not kept
