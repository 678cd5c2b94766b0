"""Which bodies may be forgotten, by whom, and what is believed of an entry that comes without.

A chain needs headers and signatures only; bodies are nine tenths of a ledger. An author says in
the header until when a body is of use (`expires`), and a year of tasks need not be kept by all.

    may be dropped    a body of the application's kinds (1 to 15), once `expires` is over
    never             one without `expires`; one of the ledger's own kinds and of unknown ones,
                      because chains are judged by them for ever

The rule looks at nothing but the header and a clock, so it is the same for who drops and for who
is offered the rest. Who drops waits `DROP_AFTER_MS` more: by then the clocks of all who might
ask are past that moment, whatever they are off by. So an entry without its body is believed
exactly when nobody need have it any more, and no relay can strip a body while it is of use.

A newcomer therefore gets every header and signature, checks every chain, and lacks what was said
long ago. To audit that as well takes an export that was made in time.
"""

from __future__ import annotations

from ledger.clock import pack, physical_ms
from ledger.header import Header
from ledger.limits import DROP_AFTER_MS, FIRST_OWN_KIND


def mortal_until(header: Header) -> int | None:
    """The stamp after which the body of this entry may be dropped; None if it stays for ever."""
    return header.expires if header.kind < FIRST_OWN_KIND else None


def may_lack(header: Header, now_ms: int) -> bool:
    """May this entry come without its body, at wall-clock time `now_ms`?"""
    until = mortal_until(header)
    return until is not None and physical_ms(until) <= now_ms


def drop_before(now_ms: int) -> int:
    """Bodies whose `expires` is not above this stamp are dropped at wall-clock time `now_ms`."""
    return pack(max(0, now_ms - DROP_AFTER_MS))
