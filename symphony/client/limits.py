"""Every bound of the SDK, each with its reason. Times in seconds, sizes in bytes."""

from __future__ import annotations

TIMEOUT_S = 30.0  # one plain request; the node answers in milliseconds or not at all
CONNECT_S = 5.0  # to a gateway on this machine or in this room
SILENCE_S = 30.0  # of a stream: six keep-alives of the gateway missed
MAX_RETRIES = 2  # as the openai client has it
SEAL_POLL_S = 0.5  # between two looks for a receipt's seal, which takes nodes a second or two
BACKOFF_S = 0.25  # before the first retry, doubled each time
MAX_BACKOFF_S = 4.0  # also the most of a server's Retry-After that is obeyed
MAX_EVENT_BYTES = 4 * 1024 * 1024  # a verdict of 16 ballots of 64 KiB, escaped as JSON
