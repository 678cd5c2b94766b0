"""The wire: any bytes give a value or `DecodeError`, and what is written is read back."""

from contextlib import suppress
from dataclasses import fields
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger.codec import dumps, loads
from ledger.errors import DecodeError
from symphony.core import limits, messages
from symphony.core.peers import presence
from symphony.core.records import CAPABILITY, Capability, Requirement, Skill

ID16, KEY, SIG = (st.binary(min_size=n, max_size=n) for n in (16, 32, 64))
COUNT = st.integers(0, 2**32 - 1)
NAME = st.text(min_size=1, max_size=64)
TEXT = st.text(max_size=200)
ADDRESS = st.text(min_size=1, max_size=200)
MENTION = st.builds(presence.Mention, node=st.binary(min_size=32, max_size=32), address=ADDRESS)
VECTOR = st.none() | st.binary(min_size=384, max_size=384)
REQUIREMENT = st.builds(
    Requirement,
    role=st.sampled_from(("plan", "solve", "judge")),
    skill=st.text(min_size=1, max_size=limits.MAX_SKILL_CHARS),
    privacy=st.sampled_from(("local", "swarm", "open")),
    context_tokens=COUNT,
    vector=VECTOR,
    encoder=st.none() | NAME,
)
QUOTE = st.builds(messages.Quote, step=NAME, question=TEXT, owner=KEY, text=TEXT)
ORDER = st.builds(
    messages.Order,
    role=st.sampled_from(("plan", "solve")),
    question=st.text(min_size=1, max_size=200),
    quotes=st.lists(QUOTE, max_size=3).map(tuple),
    goal=TEXT,
    final=st.booleans(),
    answer_type=st.sampled_from(("text", "number", "choice")),
    choices=st.lists(TEXT, max_size=3).map(tuple),
    max_tokens=st.integers(1, 32_768),
    seed=COUNT,
)
CALL = st.builds(messages.UnitCall, unit=ID16, requirement=REQUIREMENT)
BID = st.builds(
    messages.Bid,
    unit=ID16,
    agent=NAME,
    capability=KEY,
    free=COUNT,
    queued=COUNT,
    estimate_ms=st.integers(0, 2**48 - 1),
)
EPOCH = st.integers(1, 2**31)
MESSAGE = st.one_of(
    st.builds(
        messages.Beacon,
        beacon=ID16,
        task=ID16,
        conductor=KEY,
        calls=st.lists(CALL, min_size=1, max_size=3).map(tuple),
        window_ms=COUNT,
    ),
    st.builds(messages.Bids, beacon=ID16, bids=st.lists(BID, max_size=4).map(tuple)),
    st.builds(
        messages.Work,
        entry=st.binary(min_size=1, max_size=300),
        unit=ID16,
        epoch=EPOCH,
        order=ORDER,
        salt=ID16,
        deadline_ms=COUNT,
    ),
    st.builds(messages.Refused, unit=ID16, epoch=COUNT, reason=TEXT),
    st.builds(messages.Progress, unit=ID16, epoch=COUNT, number=COUNT, text=TEXT),
    st.builds(messages.Renewed, unit=ID16, epoch=COUNT, number=COUNT),
    st.builds(
        messages.Done,
        entry=st.binary(min_size=1, max_size=300),
        unit=ID16,
        epoch=COUNT,
        output=TEXT,
    ),
    st.builds(messages.CancelAsked, task=ID16),
    st.builds(messages.Stop, unit=ID16, epoch=COUNT),
    st.builds(
        presence.Presence,
        incarnation=COUNT,
        running=COUNT,
        queued=COUNT,
        slots=COUNT,
        addresses=st.lists(ADDRESS, max_size=4).map(tuple),
        others=st.lists(MENTION, max_size=4).map(tuple),
    ),
    st.builds(presence.ContactAsked, node=KEY, number=COUNT),
    st.builds(presence.ContactTold, node=KEY, number=COUNT, incarnation=st.none() | COUNT),
    st.builds(
        presence.Seek,
        nodes=st.lists(KEY, min_size=1, max_size=4).map(tuple),
        seeker=KEY,
        addresses=st.lists(ADDRESS, min_size=1, max_size=4).map(tuple),
        number=COUNT,
        hops=st.integers(0, limits.SEEK_HOPS),
    ),
    st.builds(messages.Heads, heads=st.binary(min_size=1, max_size=99), reply=st.booleans()),
    st.builds(messages.Reconcile, frame=st.binary(min_size=1, max_size=99), answer=st.booleans()),
    st.builds(messages.CosignAsked, entry=st.binary(min_size=1, max_size=300)),
    st.builds(messages.Want, author=KEY, first=EPOCH, last=EPOCH),
    st.builds(
        messages.Entries,
        entries=st.lists(st.binary(max_size=99), min_size=1, max_size=4).map(tuple),
        asked=st.booleans(),
    ),
)
TAGS = [
    field.default
    for kind in get_args(messages.Message)
    for field in fields(kind)
    if field.name == "type"
]
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.text(max_size=9) | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(max_size=9) | st.integers(0, 99), inner, max_size=4)
    ),
    max_leaves=12,
)


def written(plain):
    """The bytes of a plain value; b"" if it is too deep or too large to have any."""
    try:
        return dumps(plain)
    except ValueError:
        return b""


@given(MESSAGE)
def test_what_is_written_is_read_back(message):
    raw = messages.encode(message)
    assert messages.decode(raw) == message
    assert messages.encode(messages.decode(raw)) == raw


@given(st.binary(max_size=400))
@settings(max_examples=300)
def test_any_bytes_are_a_message_or_a_decode_error(data):
    with suppress(DecodeError):
        messages.decode(data)


@given(PLAIN, st.sampled_from(TAGS))
@settings(max_examples=300)
def test_any_value_under_any_tag_is_a_message_or_a_decode_error(value, tag):
    """Structured nonsense gets deeper than random bytes do."""
    plain = {**value, "type": tag} if isinstance(value, dict) else value
    with suppress(DecodeError):
        messages.decode(written(plain))


@given(MESSAGE, st.data())
@settings(max_examples=200)
def test_a_message_with_one_field_of_another_type_is_refused_or_read(message, data):
    plain = loads(messages.encode(message))
    field = data.draw(st.sampled_from(sorted(plain)))
    plain[field] = data.draw(PLAIN)
    with suppress(DecodeError):
        messages.decode(written(plain))


@pytest.mark.parametrize("wrong", ["7", True, None, 7.5, b"7", -1, 2**32])
def test_numbers_are_never_read_from_anything_else(wrong):
    plain = {"type": "stop", "unit": bytes(16), "epoch": wrong}
    if isinstance(wrong, float):
        with pytest.raises(TypeError):
            dumps(plain)
        return
    with pytest.raises(DecodeError):
        messages.decode(dumps(plain))


def test_unknown_fields_are_ignored_so_that_later_versions_may_add_some():
    plain = {"type": "stop", "unit": bytes(16), "epoch": 1, "why": "later"}
    assert messages.decode(dumps(plain)) == messages.Stop(bytes(16), 1)


@pytest.mark.parametrize(
    "plain",
    [{}, {"type": "stop"}, {"type": "no such"}, [], 7, None, {"type": ["stop"]}, {7: 8}],
)
def test_what_is_no_message_is_refused(plain):
    with pytest.raises(DecodeError):
        messages.decode(dumps(plain))


def test_frames_have_a_size():
    entries = messages.Entries((bytes(limits.MAX_FRAME_BYTES - 60),))
    assert len(messages.encode(entries)) <= limits.MAX_FRAME_BYTES
    assert messages.decode(messages.encode(entries)) == entries
    with pytest.raises(DecodeError, match="at most"):
        messages.decode(messages.encode(messages.Entries((bytes(limits.MAX_FRAME_BYTES),))))


@pytest.mark.parametrize(("count", "fits"), [(15, True), (16, True), (17, False)])
def test_a_capability_has_a_bounded_number_of_skills(count, fits):
    skill = Skill("math", "adds")
    record = Capability(
        "a", ("solve",), (skill,) * count, "m", "l", "e", 1, 1, ("swarm",), bytes(32)
    )
    raw = CAPABILITY.encode(record)
    if fits:
        assert CAPABILITY.decode(raw) == record
    else:
        with pytest.raises(DecodeError, match="skills"):
            CAPABILITY.decode(raw)
