"""Every bound of this room, with its reason.

A model server is a guest: it may hang, flood or lie, so each thing it can make us wait for,
hold or count has a number here. "Guess" marks a number that no measurement stands behind.
"""

from __future__ import annotations

from typing import Final

RESPONSE_BYTES: Final = 10 * 1024 * 1024
"""One whole response, headers apart. 4 096 tokens with log-probabilities are about 1 MiB."""

LINE_BYTES: Final = 1024 * 1024
"""One line of a server-sent event. A line holds one token; the rest is room for odd servers."""

LINES_AT_ONCE: Final = 256
"""Lines of an answer that are read before other work gets a turn: 3 ms of tokens."""

ERROR_BODY_BYTES: Final = 64 * 1024
"""As much of an error page as is read to find its message."""

ERROR_TEXT_CHARS: Final = 300
"""As much of a server's own words as goes into our error: enough to act on, too few to flood."""

ERROR_WORDS_SECONDS: Final = 1.0
"""How long the words behind a refusal are waited for: they mostly come with its head, and a server
that promises more than it says would keep a slot until the request's deadline."""

PROMPT_BYTES: Final = 1024 * 1024
"""All messages of one request in UTF-8: 32 k tokens of dense text are about 128 KiB."""

MESSAGES: Final = 64
"""Messages of one request. A step sends two; a chat passed through the gateway sends dozens."""

COMPLETION_TOKENS: Final = 32_768
"""The longest output anyone may ask for: the context of the largest catalogued model."""

STOPS: Final = 16
"""Stop strings of one request; public servers take 4, llama.cpp any number."""

DEADLINE_MS: Final = 3_600_000
"""An hour: no generation of a swarm is worth more."""

PATTERN_CHARS: Final = 512
"""A regular expression. Python's matcher backtracks: short patterns keep the damage small."""

REGEX_TEXT_CHARS: Final = 8192
"""The longest output that is matched with a regular expression, for the same reason."""

CHECKED_CHARS: Final = 64 * 1024
"""The longest output that is held against a constraint: as much as an owner may send back, and a
validator's complaints repeat the value once for each alternative (9.5 MB took 3.8 GB)."""

CHOICES: Final = 256
"""Options of a choice list: labels and letters, not dictionaries."""

GRAMMAR_CHARS: Final = 64 * 1024
"""A GBNF grammar as text: as a schema."""

GRAMMAR_SYMBOLS: Final = 20_000
"""Symbols of a grammar once read: what the recogniser has to hold."""

GRAMMAR_REPEATS: Final = 2000
"""The largest m or n of `{m,n}`; llama.cpp refuses more than 2 000 as well."""

GRAMMAR_STEPS: Final = 4_000_000
"""Work allowed to check one output against a grammar: about two seconds of Python."""

CONCURRENCY: Final = 4
"""Generations at once when nobody says otherwise: the slots of the embedded server."""

WAITING_PER_SLOT: Final = 8
"""Requests that may wait for each slot; one more is refused as overload. Guess."""

OWN_IN_A_ROW: Final = 3
"""Of the owner's waiting requests, how many may pass one of the swarm's: three quarters of a
busy engine stay with whoever pays for its power. Guess."""

METRICS_LINES: Final = 5000
"""Lines of a metrics page that are looked at; vLLM's has about 600."""

COUNTED_MOST: Final = 2**53
"""What a counter of a server may say, and still be exact as a floating-point number: at a million
tokens a second it is reached after 285 years."""

TOKENS_MOST: Final = 2**32 - 1
"""What a server may say that one request took; more does not fit the swarm's records."""

LOGPROB_MOST: Final = 1e6
"""How far from 0 a token's log-probability may be: the least that a float holds is -745, and vLLM
writes -9999 for minus infinity."""

RETRY_AFTER_MS: Final = 1000
"""When to come back after an overload that names no time of its own."""

RETRY_AFTER_MAX_MS: Final = 60_000
"""A server's own Retry-After is believed up to a minute."""

SENDS: Final = 2
"""One retry of a generation, and only when it is known that not one byte of an answer came: idle
connections get closed by servers, and llama.cpp's was seen to close some unanswered."""

GPU_SECONDS: Final = 5.0
"""Asking NVIDIA's driver: 0.1 s, or some seconds where it was asleep."""

GPU_BYTES: Final = 16 * 1024
"""What it may answer: some 60 bytes a GPU."""

CONNECT_SECONDS: Final = 5.0
"""Reaching a server. Loopback takes under 1 ms, another continent 300 ms."""

HEALTH_SECONDS: Final = 5.0
"""A health answer costs a server nothing; later than this it is as good as down."""

PROBE_SECONDS: Final = 60.0
"""The self-test of one constraint on an unknown server, which may have to load its model."""

MODELS_LISTED: Final = 1000
"""Entries of `/v1/models` that are looked at."""

MODEL_NAME_CHARS: Final = 4096
"""The longest name of a model that a server is believed to have: some use a file's path."""

NAME_SHOWN_CHARS: Final = 80
"""As much of a model's name as goes into a hint, which lists five."""

CONTEXT_TOKENS: Final = 2048
"""Context of one request when neither the server nor the configuration says: the least that a
plan and its needs fit into."""

CONTEXT_TOKENS_MOST: Final = 2**24
"""The largest context that a server is believed to have: models announce up to ten million. What a
node says of its agents has to fit the swarm's records."""

START_SECONDS: Final = 120.0
"""From spawning the embedded server to its ready line: 1.4 s warm for 100 MB, 5 s for 1 GB;
the rest is for cold disks."""

READY_LINE_BYTES: Final = 4096
"""The child's one line."""

STDERR_TAIL_BYTES: Final = 2048
"""As much of a failed child's last words as is shown."""

GATHERED_BLOCKS: Final = 64
"""Blocks of one answer, of 64 KiB at most, that are read ahead of whoever reads along: two
seconds of a fast model, and then the server waits."""

HEAD_BYTES: Final = 64 * 1024
"""The head of an answer, or the size line of a piece of it; servers send some hundred bytes."""

FRAMES_BYTES: Final = 256 * 1024
"""What an answer may have on the wire beyond twice its body: heads and the sizes of pieces. Those
are five bytes each, and a token's piece has two hundred."""

KEPT_SECONDS: Final = 30.0
"""How long an idle connection is worth trying; most servers close theirs after 5 s or later, which
is seen, or costs one more try."""

TOGETHER_S: Final = 0.1
"""Between two reads of an answer under way: ten a second look steady to who watches."""

TOGETHER_BYTES: Final = 512
"""What is read without waiting for more. A token's piece has 180 to 250 bytes; the last pieces of
an answer, with the reason of its end and its counts, have 550 to 1 070 (llama.cpp)."""

BLOCKS_ALONE: Final = 3
"""How many blocks of an answer are read as they come: some servers open with one that says only who
speaks, and the first word is awaited most."""

RUN_OUT_SECONDS: Final = 0.05
"""The end of a chunked body arrives with its last chunk, or soon."""

STOP_SECONDS: Final = 5.0
"""From closing the child's standard input to killing it."""

GONE_POLL_SECONDS: Final = 0.05
"""How often it is looked whether all processes of a server are gone."""

DYING_SECONDS: Final = 1.0
"""From a refused connection to the death of the process behind it; the kernel frees a few
hundred MB in between."""

BURY_SECONDS: Final = 0.3
"""How long a broken answer waits to see whether its server is dead: the failure is not told before,
and the next bidder waits for it."""

RESTART_BACKOFF_MS: Final = (0, 500, 1000, 2000, 5000, 10_000, 30_000)
"""Pause before the n-th start in a row that failed; the last one repeats. The first restart
is immediate, as a killed process most often was killed once."""

STABLE_MS: Final = 60_000
"""A child that lived this long was healthy: its death starts the back-off from the front."""

PARALLEL_SLOTS: Final = 4
"""Slots of the embedded server: 4 x 2048 tokens take 0.36 GB with SmolLM2, 2.1 GB with Qwen."""

CACHE_RAM_MIB: Final = 256
"""The embedded server's prompt cache; its own default is 8 GiB."""

HTTP_THREADS: Final = 8
"""Threads of the embedded server's HTTP side beyond its slots. Each streaming answer holds one,
and health and the closing of abandoned answers must not wait behind generations."""

LOCK_SECONDS: Final = 3600.0
"""How long a pull, a conversion or a removal waits for another of the same model."""

LOCK_POLL_SECONDS: Final = 0.1
"""How often it looks."""

DOWNLOAD_SECONDS: Final = 3600.0
"""The longest one download may take: 1.1 GB at 2.5 Mbit/s."""

COPY_BYTES: Final = 1024 * 1024
"""Block of a file copy or hash."""

ENCODE_TEXTS: Final = 256
"""Texts of one call to the encoder: 256 x 256 tokens of activations are about 100 MB."""

ENCODE_CHARS: Final = 8192
"""Characters of a text that the encoder looks at; 256 tokens are seldom more than 2 000."""

ENCODE_TOKENS: Final = 256
"""The sequence length that MiniLM was trained with."""

ENCODE_BATCH: Final = 16
"""Texts padded together; more gains nothing on one thread and costs memory."""

VLLM_CONCURRENCY: Final = 32
"""Sequences at once of a vLLM of ours: on two cores 32 give 340 tokens/s together, one gives 52."""

VLLM_START_SECONDS: Final = 900.0
"""From spawning vLLM to its health: 30 s for a small model on two idle cores, minutes for one
that is fetched or compiled first."""

VLLM_GRACE_SECONDS: Final = 4.0
"""From asking vLLM's processes to go to killing them: under `STOP_SECONDS`, after which the
leash itself is killed."""

VLLM_CPU_CACHE_GIB: Final = 2
"""Key-value cache of vLLM on a machine without a GPU: 90 k tokens of SmolLM2, 75 k of Qwen 1.5B."""

VLLM_ADAPTERS_AT_ONCE: Final = 8
"""LoRA adapters in one batch of a vLLM of ours: each takes its share of the GPU's memory at the
start, and those beyond wait for the next batch. Guess."""

ADAPTER_CONFIG_BYTES: Final = 64 * 1024
"""The configuration of a LoRA adapter: some hundred bytes, some thousand with layers."""

VLLM_BATCHED_TOKENS: Final = 4096
"""The least that a batch may hold where prompts are not prefilled in pieces."""

INSTALL_SECONDS: Final = 3600.0
"""The longest an installation may take: 3 GB at 8 Mbit/s."""

CONVERT_SECONDS: Final = 1800.0
"""The longest a conversion may take: 130 s for 1.5 G parameters on two busy cores."""

SELF_TEST_TOKENS: Final = 64
"""Tokens of one measured request: a second on a laptop, and the prefill is a small part of it."""

SELF_TEST_REQUESTS: Final = 8
"""Requests at once in a self-test; more tell little about a laptop."""

SELF_TEST_MS: Final = 600_000
"""How long a measured request may take: a server may have to load its model first."""

RECORDED_FILE_BYTES: Final = 256 * 1024 * 1024
"""A compressed file of recorded outputs; the largest known has 8 MiB."""

RECORDED_LINE_BYTES: Final = 1024 * 1024
"""One recorded output and its question: 4 000 characters, and room for other formats."""

RECORDED_LINES: Final = 2_000_000
"""60 systems on 30 000 questions."""

RECORDED_TOKENS: Final = 1_000_000_000
"""Of one recorded output; the sum over all lines is still exact as a float."""

CHARS_PER_TOKEN: Final = 4
"""Where a text was recorded and its tokens were not: the usual ratio of English."""
