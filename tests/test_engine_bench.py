"""Which pairs count is decided by what was stolen from the machine, never by their ratios."""

import pytest

from symphony.testing.engine_bench import CALM, PAIRS, Pair, calmest, wants_more


def pair(ratio: float, stolen: float) -> Pair:
    return Pair(direct=10.0, through=10.0 * ratio, cost_ms=0.3, stolen=stolen)


CALM_PAIR, DISTURBED = pair(1.0, CALM), pair(1.0, CALM + 0.01)


@pytest.mark.parametrize(
    ("pairs", "late", "more"),
    [
        ([], True, True),
        ([DISTURBED] * (PAIRS - 1), True, True),
        ([DISTURBED] * PAIRS, True, False),
        ([DISTURBED] * 20, False, True),
        ([DISTURBED] * 20 + [CALM_PAIR] * 4, False, True),
        ([DISTURBED] * 20 + [CALM_PAIR] * 5, False, False),
        ([CALM_PAIR] * 5, False, False),
    ],
)
def test_pairs_are_taken_until_enough_were_calm(pairs: list[Pair], late: bool, more: bool):
    assert wants_more(pairs, 5, late=late) is more


def test_the_calmest_pairs_count_in_their_order():
    pairs = [pair(0.5, 0.4), pair(0.9, 0.02), pair(1.4, 0.3), pair(1.1, 0.0), pair(0.7, 0.2)]
    assert [found.ratio for found in calmest(pairs, 3)] == [0.9, 1.1, 0.7]
    assert calmest(pairs[:1], 3) == pairs[:1]
