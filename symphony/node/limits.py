"""The bounds of a running node, each with its reason."""

from __future__ import annotations

INBOX = 1024  # inputs waiting for the core; beyond it whoever brings one has to wait
BATCH = 128  # inputs handled between two commits: bounds how long a commit is put off
QUICK_APPEND_MS = 5.0  # a mean commit below this is not worth a thread (its switch costs 0.3 ms)
SUBMIT_WAIT_S = 1.0  # for a new task to be on the disk before its client is told its id
UNKEPT_MS = 500  # entries of others wait so long for a commit that is needed anyway: each saved one
# is a sync of the disk that no work has to queue behind
MARK_SYNC_S = 1.0  # how often the high-water mark is synced while it moves
OUTGOING_GOSSIP = 256  # messages waiting to be gossiped; gossip may lose what doesn't fit
OUTGOING_URGENT = 64  # proofs of forks waiting before all others; each is an entry of ours as well
RANGE_FRAME_BYTES = 128 * 1024  # entries per frame in answer to a `Want`
RANGE_WAIT_S = 20.0  # a peer that doesn't read its range for so long doesn't get the rest
RANGES_PER_PEER = 512  # ranges waiting to be sent to one peer: twice what a node asks for at once
HISTORY_EVENTS = 4_000  # remembered per running task; token events are dropped first
ENDED_TASKS = 256  # ended tasks whose history is kept
WATCHER_EVENTS = 1_024  # waiting for one slow watcher before it loses token events
WATCHER_MUST = 4_096  # and before it is given up altogether
REJECTS_BEFORE_BAN = 50  # broken rules by one peer within a minute: no honest peer comes near
BAN_S = 300.0
WALL_CLOCK_EVERY_S = 10.0  # how often the core is told the wall-clock time
INVITES_EVERY_S = 3.0  # how often a founder's node looks for invites that were revoked
RESTORE_PAGE = 1_000  # capability entries read at once when a node opens
RESTORE_PAGE_BYTES = 1024 * 1024  # of the own log, read at once
OWN_ENTRIES_RELEARNED = 1_024  # the end of the own log: some 250 tasks, a second at a start
CLOSE_S = 5.0  # for a clean shutdown of engines and network, each
SERVER_WAIT_S = 20.0  # of a start, for a server by URL to say what it can do: 1.5 s a text is 4.5
SERVER_LATER_S = 450.0  # for the same, when nobody waits: seven short texts, a minute each
SERVER_NOTE_S = 24 * 3600  # that this is remembered: tomorrow another program may serve that name
SERVER_NOTES_KEPT = 64  # servers that one home remembers
SERVER_NOTES_BYTES = 64 * 1024  # the file with them: some 200 bytes each
SERVER_PAUSE_S = 2.0  # before a server that did not is asked again; doubled each time, up to
SERVER_PAUSE_MOST_S = 60.0  # this: a list of models a minute costs nobody anything
LOAD_S = 1.0  # for a model server to say how busy it is; it takes some milliseconds
SELF_TEST_DAYS = 7  # drivers, models and cores change; not from one start to the next
SELF_TESTS_KEPT = 64  # engines that one home has ever had
SELF_TESTS_BYTES = 64 * 1024  # the file with them: some 300 bytes each
SKILL_VECTORS_BYTES = 4 * 1024 * 1024  # 4 000 skills, at 840 bytes each
EMBED_AT_ONCE = 64  # texts per call of the encoder
EMBED_WAIT_S = 10.0  # then the texts are matched by their words
RECEIPTS_SEARCHED = 10_000  # files read to find a receipt by its digest: some seconds
NOTE_BYTES_PER_TASK = 16 * 1024 * 1024  # 16 chains of 8 steps with outputs of 64 KiB, and bidders
FOLD_NOTES_BYTES = 4 * 1024 * 1024  # notes written before their WAL is folded: some 50 tasks
ENDED_KEPT_MS = 7 * 24 * 3600 * 1000  # as long as anybody may look at a task's entries
EVIDENCE_ROWS = 100_000  # before the own last entry: a week of a busy swarm, some 100 ms to find
