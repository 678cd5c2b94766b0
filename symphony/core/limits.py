"""Every bound of the protocol core, each with its reason. Times in ms, sizes in bytes.

Numbers marked *guess* have not been measured yet; the simulator and the benchmarks are where
they are to be settled.
"""

from __future__ import annotations

# --- tasks ------------------------------------------------------------------------------------
MAX_PROMPT_BYTES = 64 * 1024  # a prompt travels in one frame (256 KiB) with its inputs
MAX_CHAINS = 16  # more ballots than this never changed a vote in the recorded pools
MAX_NODES = 1_024  # that a task may be limited to: more units than that no task has
MAX_TASKS = 256  # tasks conducted at once by one node; each holds some 100 KiB of texts
MIN_ALPHA, MAX_ALPHA = 0.000_1, 0.5  # below, no swarm has votes enough; above, a coin does
MAX_ALPHA_PPM = int(MAX_ALPHA * 1_000_000)  # the same in a record
MAX_DEADLINE_MS = 24 * 3600 * 1000  # a day: a task is an answer, not a service
DEFAULT_DEADLINE_MS = 300_000  # five minutes: a small model on a busy laptop needs some
DEFAULT_BUDGET_TOKENS = 50_000  # three chains of eight steps with room to spare
MAX_TOKENS = 32_768  # of one output; the largest context windows of models that run at home
ENDED_TASKS_KEPT = 256  # ended tasks a node can still describe from memory

# --- plans ------------------------------------------------------------------------------------
MAX_STEPS = 8  # longer plans of small models ramble; the paper's have 3 to 5
FORCED_STEPS = 3  # what a grammar lets a planner write; small models ramble when they may
MAX_DEPTH = 6  # a chain of dependent steps; each costs a round trip to a model
MAX_QUESTION_CHARS = 600  # a step's question; longer ones were copies of the whole prompt
MAX_SKILL_CHARS = 80  # the text that is matched and gossiped: short, so it leaks little
MAX_PLAN_BYTES = 16 * 1024

# --- work -------------------------------------------------------------------------------------
MAX_CONCURRENCY = 1_024  # units that one agent takes on at once
MAX_NAME_CHARS = 64  # of a model or an engine (`Name` in `wire`); longer ones are cut
MAX_OUTPUT_BYTES = 64 * 1024  # what an owner may send back for one unit
MAX_INPUT_CHARS = 4_000  # each quoted output of an earlier step: a context window has ends
MAX_QUEUE_PER_AGENT = 4  # awarded work waiting for a free slot; more is refused, not hidden
PROGRESS_EVERY_MS = 250  # token text is batched: a frame per token would cost more than it shows
MAX_PROGRESS_CHARS = 2_000

MAX_FENCES = 65_536  # highest epochs remembered, some 100 bytes each
MAX_EARLY_STOPS = 256  # that overtook their work; one that is forgotten costs a lease of work
MAX_OPEN_RENEWALS = 64  # renewals that were not answered yet

# --- answers: whoever reads an output spends less than 20 ms on it ------------------------------
MAX_MARKED_FROM_END = 16 * 1024  # characters: a mark before that is not of a *final* answer
MAX_ANSWER_CHARS = 1_000  # read behind a mark; an answer stands at the beginning of its line
MAX_UNMARKED_CHARS = 2_000  # read at the end of an output without a mark
MAX_FOLDED_CHARS = 4_000  # longer texts are compared as written: no two models write them alike
MAX_JSON_DEPTH = 64  # brackets in each other; deeper, a parser's stack would decide what is JSON
MAX_JSON_VALUES = 2_048  # values and keys, at up to 4 us each: more is a table, not an answer
MAX_JSON_EXPONENT_DIGITS = 9  # 1e999999999 is a number still; its zeros are never written out
MAX_JSON_ZEROS = 64  # that are written out: 1e3 and 1000 are one; beyond, the exponent is kept
MAX_TERM_PRODUCTS = 1_536  # of two terms, in one expression, at some 10 us each

# --- schemas of answers -----------------------------------------------------------------------
SCHEMA_BYTES = 64 * 1024  # as text; plans take 1 KiB
SCHEMAS_KNOWN = 64  # checked ones that are remembered: of plans, and of a few applications
SCHEMA_PARTS = 512  # references expanded, long lists of values count as several; a plan has 60
SCHEMA_DEPTH = 32  # parts inside parts: deeper than any answer that a model writes
SCHEMA_STEPS = 20_000  # a part of a schema meets a part of an output: 0.2 s of checking, and 1.2 s
# with the longest values to compare on two cores that others use too
SCHEMA_STEP_CHARS = 64  # of the values that a part compares with (`enum`, `const`, `required`), as
# much as one step: some 15 short ones, a microsecond each
SCHEMA_ERROR_CHARS = 200  # of what is wrong with one

# --- comparisons ------------------------------------------------------------------------------
MAX_COMPARED = 3  # answers of one task, the most frequent ones: three pairs
JUDGES_PER_PAIR = 2  # each gives two words; a third judge costs as much as half a chain
MAX_COMPARISONS = 6  # MAX_COMPARED over two, times the judges
JUDGE_TOKENS = 64  # "Answer: second", and some words before it for models that can't be brief

# --- beacon -----------------------------------------------------------------------------------
BIDS_WANTED = 8  # enough to choose well; see docs/design
ASKED_BY_MATCH = 8  # candidates asked directly, best match first
ASKED_AT_RANDOM = 2  # exploration: newcomers get heard
BID_WINDOW_MS = 250  # closes earlier when all asked have answered; a LAN answers in 5 ms
BID_LIFETIME_MS = 30_000  # a bid may be used for failover this long
MAX_BIDS_PER_NODE = 4  # agents of one node that may bid for one unit
MAX_BIDS_PER_UNIT = 16  # recorded in the award: 16 × 64 bytes
MAX_CALLS_PER_UNIT = 4  # beacons repeated for one unit before it counts as NoBids
LOOK_AHEAD_MS = 50  # after an award: by then its owner has begun, and other chains have awards too
CALL_BACKOFF_MS = 400  # first pause between two beacons of a unit, doubled each time
MAX_ATTEMPTS = 4  # owners tried for one unit before its chain fails
MAX_AWARDS_PER_ENTRY = 4  # 16 candidates and a vector each: a body stays under 16 KiB
SCORE_BUCKETS = 16  # takes the prize away from shaving the last percent


# --- experience -------------------------------------------------------------------------------
FADE_PPM = 950_000  # of a count, with each new one: some 20 observations count, a shock shows in 5
PRIOR_MILLI = 2_000  # two observations that nobody made; more would be slow to believe ten probes
CLAIM_MILLI = 1_500  # observations after which what an agent says of itself counts half
FORGET_AWARDS = 512  # of ours, without one sight of an agent's skill: then half of it is forgotten
PRIOR_KEPT_MILLI = 3_000  # deliveries that a newcomer is credited with: one miss costs a quarter
MAX_EXPERIENCES = 16_384  # agents, and pairs of agent and skill: some 300 bytes each
MAX_RESULTS_TO_GRADE = 4_096  # last results: a probe's outcomes come within some hours of them
MAX_OPEN_TASKS = 512  # tasks whose awards are remembered until their verdict; twice MAX_TASKS
OWNER_AGAIN_BUCKETS = 4  # how much better an owner must be to get a second chain of the same task
BREAKER_MISSES = 8  # in a row: an engine that fails every third time gets there once in 15 000
BREAKER_INCIDENTS = 3  # a partition is one, and a node that comes back delivers before the third
BREAKER_PAUSE = 64  # awards of ours before the second chance, doubled each time ...
BREAKER_DOUBLINGS = 4  # ... up to 1 024

# --- notes ------------------------------------------------------------------------------------
MAX_NOTE_BYTES = 256 * 1024  # a frame's worth: a prompt of 64 KiB, or eight capabilities of 17 KiB
MAX_LISTINGS_PER_NOTE = 8
PATIENCE_MS = 10_000  # after a restart, peers need some seconds to come back before they can bid
MAX_WORK_HELD = 64  # orders that came ahead, 200 KiB each at the most
MAX_HANDED_OVER = 64  # results kept for a conductor that asks again, 64 KiB each at the most

# --- hedging ----------------------------------------------------------------------------------
PACES_REMEMBERED = 32  # durations of one agent in one role: the 95th percentile is the 31st
PACES_NEEDED = 5  # fewer say nothing about how long is long
MAX_PACES = 4_096  # agents in a role, some 1 KiB each
HEDGE_AFTER_MS = 1_000  # nobody is late before: a second award takes some 10 ms of two nodes
MAX_HEDGES_PER_TASK = 3  # a swarm that is slow as a whole is not helped by more work

# --- leases -----------------------------------------------------------------------------------
LEASE_MS = 10_000
RENEW_EVERY_MS = LEASE_MS // 3  # two renewals may get lost
OWNER_STOPS_PPM = 900_000  # the owner lets go at 0.9 lease ...
CONDUCTOR_WAITS_PPM = 1_100_000  # ... and the conductor waits 1.1: clocks may drift by 10 %

# --- evidence ---------------------------------------------------------------------------------
MAX_OUTCOMES_PER_ENTRY = 32  # some 150 bytes each
MAX_PROBES_OUT = 2  # at once: they are to be no load
PROBE_EVERY_MS = 60_000  # between two of one node; the edge asks for far fewer
PROBE_TOKENS = 6_000  # that this pause pays for; what cost more makes the next one wait longer
PROBE_FLUSH_MS = 600_000  # outcomes gather, so that one entry holds many and none tells at once ...
PROBE_DOUBLINGS = 6  # ... for twice as long each time, up to ten hours ...
OUTCOMES_ENOUGH = 12  # ... or until so many have gathered: votes cite entries, and only so many
PROBE_WINDOW_MS = 28 * 24 * 3600 * 1000  # four half-lives: what is older weighs below a sixteenth
PROBE_LIFETIME_MS = PROBE_WINDOW_MS + 7 * 24 * 3600 * 1000  # of the body, for who looks back
AGREEMENT_WINDOW_MS = 7 * 24 * 3600 * 1000  # verdicts keep their bodies for a day more
MAX_EVIDENCE = 4_096  # entries with evidence held in memory, some 1 KiB each
EVIDENCE_ROOM = 256  # made at once when it is full: sharing out looks at every author
MAX_AUTHORS_MET = 16_384  # whose evidence may be cited; 32 bytes each, and later ones are not
MAX_CITED = 96  # of them in one receipt: each costs its reader 0.2 ms or so, with its signature
MAX_POOL = 64  # agents that are looked at to choose the rule of a task
MAX_CITED_PROBES = 48  # of these; the rest is for verdicts, which show who votes like whom
MAX_STANDINGS = 65_536  # pairs of agent and skill in one reputation, some 150 bytes each
MAX_REPUTATION_BYTES = 16 * 1024 * 1024

# --- membership and ledger --------------------------------------------------------------------
PRESENCE_EVERY_MS = 5_000
PRESENCE_SOON_MS = 1_000  # after a new peer: those who come together are introduced together
ADDRESSES_TOLD = 4  # where a node can be dialled: as many as an address book keeps
MENTIONS = 4  # other nodes named in a word of presence: a fresh peer hears of 24 in 6 words
MAX_MET = 512  # nodes that were mentioned and handed to the network: as many as it remembers
CONTACT_AFTER_MS = 3 * PRESENCE_EVERY_MS  # of silence: one word may get lost, periods are ± 20 %
CONTACT_MS = 2_000  # for a round of asking after a quiet peer: twice what go-betweens wait
GO_BETWEEN_MS = 1_000  # for a word of the peer in question: a round trip, and a busy moment
GO_BETWEENS = 3  # asked about a quiet peer, as in SWIM: more than one may lie, or be cut off, too
CONTACTS_AT_ONCE = 8  # rounds: each is some ten messages; the rest has its turn a period later
UNANSWERED_ROUNDS = 3  # then silence is held against a peer although nobody spoke of it
MAX_DOUBT = 3  # a node that doubts itself gives answers up to four times as long
CONTACT_LATE_MS = 1_000  # a timer that is later than this shows that the node was held up
CONTACTS_PER_S = 4  # questions of one asker answered in the long run: eight rounds take two seconds
CONTACTS_BURST = 32  # and at once: an honest asker whose patience is short has 16 out
MAX_QUESTIONS = 256  # of all askers, not answered yet; some 200 bytes each
SOUGHT = 4  # nodes sought at once: one that is found is enough, and not all are there
SEEK_FIRST = 8  # peers asked to introduce us: with some 48 peers each they know 300 others ...
SEEK_FURTHER = 3  # ... and each of these eight asks so many of its own: 1 000 more
SEEK_HOPS = 1  # that a seek is passed on; with another one it would cost 416 messages
SEEK_MESSAGES = SEEK_FIRST * (1 + SEEK_FURTHER * (1 + SOUGHT))  # of one seek at the most: 128
CLAIM_TEXTS = 64  # embedded at once to check claims: ten nodes' agents, at 5 ms each in a thread
SEEK_EVERY_MS = 30_000  # for each skill the whole directory is looked at: 10 ms for 10 000 agents
SEEK_AGAIN_MS = 300_000  # before a node is sought once more: it is probably away ...
SEEK_URGENT_MS = 300  # ... unless nobody at hand can do the work: then with each call
MAX_SOUGHT = 256  # nodes of which it is known when they were sought
MAX_SKILLS_SOUGHT = 256  # skills of which it is known who has them, four nodes each
MAX_SEEKS_KNOWN = 1_024  # handled already: a seek is over within a second
SEEKS_PER_S = 1  # handled for one peer in the long run, 15 messages each at the most
SEEKS_BURST = 16  # and at once: some tasks with several rare skills begin together
CAPABILITY_LIFETIME_MS = 24 * 3600 * 1000
SYNC_EVERY_MS = 15_000
WANT_PATIENCE_MS = 1_000  # a range asked for is on its way that long; a round trip and a read
MAX_ASKED = 16_384  # pairs of peer and author of which the last request is remembered
ASKING_MS = 10_000  # for the own head after a start: dialling a peer takes 5 s at the most
MAX_BARE_ENTRY_BYTES = 1_024  # header and signature take 600 at the most
PEERS_ASKED = 3  # that answer before a node appends: two may have been restored with it
RANGES_REMEMBERED = 4  # for each of them, apart: mostly it is one gap that grows and is filled
PROOFS_AT_ONCE = 16  # shown to a peer that compares heads, 520 bytes each; the rest next time
MAX_LOOKUPS = 64  # rows of the store asked for at once, to compare with what peers show
HELD_INPUTS = 256  # submissions and the like that wait until the own log is open
MAX_BEHIND = 16_384  # logs that one peer has more of, as many as a book may know
RANGES_IN_FLIGHT = 256  # ranges asked of one peer and not come yet, 1 024 entries each at most
RANGE_PATIENCE_MS = 10_000  # then the range may be asked of another peer; a slow link is not lost
MAX_RECONCILE_BYTES = 64 * 1024
RECONCILE_PER_S = 4  # frames answered to one peer: each may hash 10 000 heads, some 10 ms
RECONCILE_BURST = 32  # four whole sessions at once, of eight rounds at most
CHECKPOINT_EVERY_MS = 60_000  # with news; a lone entry is sealed within a minute
CHECKPOINT_ENTRIES = 64  # or sooner, once so many have gathered
WITNESSES = 3  # asked to cosign a checkpoint; more would cost every node an entry each
COSIGN_AFTER_MS = 1_000  # requests gather, so that one entry cosigns many
COSIGN_TRIES = 10  # seconds that a witness waits for the entries that a checkpoint covers
MAX_COSIGNS_WAITING = 256  # peers whose checkpoint is looked at, one each
MAX_WITNESSED = 16_384  # logs whose last cosigned checkpoint is remembered, some 300 bytes each
BODY_LIFETIME_MS = MAX_DEADLINE_MS + 7 * 24 * 3600 * 1000  # a week after the task is surely over
RETENTION_FIRST_MS = 10 * 60 * 1000  # after a start: there is more urgent work
RETENTION_EVERY_MS = 3600 * 1000
RETENTION_PAUSE_MS = 1_000  # between two batches: 256 a second is more than 10 busy nodes write
BODIES_AT_ONCE = 256  # forgotten in one transaction: some 10 ms of the disk's time
MAX_REVOCATIONS = 65_536  # invites taken back, by the founder and by who claims to succeed it
SEAL_AGAIN_MS = 5_000  # between checkpoints that were asked for: each costs a few nodes an entry
MAX_COVERING = 8  # checkpoints of one log that are tried for a receipt; the first has witnesses
SEAL_PAGE_ENTRIES = 256  # entries read at once to find a seal: 5 ms, while nothing is appended
SEAL_PAGES = 64  # and so many pages of checkpoints and of cosignatures; an hour of a large swarm
SEAL_PAGE_IDS = 4_096  # headers hashed at once to prove inclusion: 10 ms
PUBLISH_AFTER_MS = 50  # a lone entry is gossiped soon, ...
PUBLISH_EVERY_MS = 2_000  # ... a stream of them in batches: a gossip message costs a swarm of five
# some 10 ms of CPU, whether it holds one entry or forty
PUBLISH_PER_S = 15  # own entries gossiped in the long run: three quarters of what books take in ...
PUBLISH_BURST = 150  # ... and at once; a task has some 15
MAX_UNPUBLISHED = 4_096  # own entries that wait to be gossiped: five minutes of that, some 2 MiB
ACKNOWLEDGE_EVERY_MS = 1_000  # tokens renew a lease ten times a second; the owner needs one answer
MAX_SKILLS_PER_AGENT = 16
MAX_AGENTS_PER_NODE = 16
MAX_DIRECTORY = 100_000  # capability records held in memory, some 1 KiB each with vectors
MAX_READ = 64  # the same of awards and of results: an entry comes once for each of its units
MAX_READ_CAPABILITIES = 1_024  # decoded records kept for when the same bytes come again, 2 KiB each
MAX_GOSSIP_BATCH_BYTES = 64 * 1024
MAX_FRAME_BYTES = 256 * 1024

# --- stewards ---------------------------------------------------------------------------------
STEWARDS = 2  # named in a durable task: three nodes must be lost at once before it is
EPOCHS_PER_PLACE = 3_000  # a thousand awards of one unit before a steward's: ten is a lot
TEND_EVERY_MS = RENEW_EVERY_MS  # a conductor says that it is alive as often as an owner does
TAKE_OVER_MS = (4 * LEASE_MS, 2 * LEASE_MS, 3 * LEASE_MS)  # of silence, by place: a conductor that
# came back to a task that a steward has, and lost; the first steward; the second
ASK_LINE_MS = 3_000  # a restarted conductor hears by then whether a steward has its task
ENTRUST_AHEAD = 16  # notes on their way to a steward that it has not acknowledged
TEND_ENDED_MS = 2 * LEASE_MS  # a task that is over: so long a steward may need to fetch its end
MAX_ESTATES_KEPT = 64  # tasks that are over, for one of their line that is away: some 100 KiB each
MAX_BOXES = 4_096  # notes of one task: 16 chains of 8 steps, each awarded four times, have 1 500
MAX_BOX_BYTES = 200 * 1024  # a note in a frame, beside a task entry; eight capabilities of 17 KiB
MAX_CHARGES = 256  # durable tasks of others that a node keeps
MAX_CHARGES_OF_ONE = 64  # of one conductor, so that none takes all the room
MAX_CHARGES_BYTES = 64 * 1024 * 1024  # all their boxes together, in memory
MAX_CHARGE_BYTES = 8 * 1024 * 1024  # and those of one task: hundreds of outputs, a few MiB
MAX_LISTS = 2  # of boxes by one conductor of a task: the newest, and the one before a restart
CHARGE_KEPT_MS = 24 * 3600 * 1000  # after its end a steward still says how a task ended
