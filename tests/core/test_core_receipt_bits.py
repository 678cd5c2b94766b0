"""Every single bit of a receipt counts: all of a small one (slow), a sample of a large one."""

import json
from pathlib import Path
from random import Random

import pytest
from core_seal import Conductor

from symphony.core.receipts.receipt import verify_receipt
from symphony.core.receipts.receipt_json import from_json, to_json
from symphony.errors import ReceiptInvalid
from symphony.testing.receipt_bench import measure_receipt

FROZEN = json.loads((Path(__file__).parents[1] / "vectors" / "v1" / "receipt.json").read_text())
VOTED = bytes.fromhex(FROZEN["voted"]["receipt"])
CAPPED = bytes.fromhex(FROZEN["capped"]["receipt"])
SEALED = bytes.fromhex(FROZEN["sealed"])


def refused(data: bytes, bit: int) -> bool:
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << (bit % 8)
    try:
        verify_receipt(bytes(changed))
    except ReceiptInvalid as error:
        return bool(error.message)
    return False


@pytest.mark.parametrize("data", [VOTED, CAPPED, SEALED], ids=["voted", "capped", "sealed"])
def test_a_sample_of_all_bits(data: bytes) -> None:
    random = Random(len(data))
    bits = [random.randrange(8 * len(data)) for _ in range(60)]
    assert [bit for bit in bits if not refused(data, bit)] == []


@pytest.mark.slow
def test_all_bits_of_a_small_sealed_receipt() -> None:
    data = SEALED
    assert [bit for bit in range(8 * len(data)) if not refused(data, bit)] == []


def test_the_benchmark_measures_nine_ballots() -> None:
    found = measure_receipt(rounds=3, probes=2, flips=4)
    assert (found["ballots"], found["evidence"]) == (9, 2)
    assert found["bits_refused"] == found["bits_flipped"] == 4
    assert 0 < found["verify_ms"] <= found["verify_max_ms"]


def test_a_sealed_conductors_bits_in_its_proofs() -> None:
    """The paths and cosignatures are the newest part of the file: look at them closely."""
    conductor = Conductor(witnesses="ada")
    data = conductor.sealed()
    at = data.index(b"paths")
    for bit in range(8 * at, 8 * at + 8 * 160, 7):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << (bit % 8)
        conductor.refusal(bytes(changed))


@pytest.mark.parametrize("data", [VOTED, SEALED], ids=["voted", "sealed"])
def test_the_json_form_is_the_same_receipt(data: bytes) -> None:
    text = to_json(data)
    assert from_json(text) == data
    assert from_json(json.dumps(json.loads(text), indent=2, sort_keys=True)) == data


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: text.replace('"salt": "73', '"salt": "7A', 1).replace("7A", "7a".upper()),
        lambda text: text.replace('"format":', '"format": "x", "format":', 1),
        lambda text: text.replace('"format":', '"hidden": "x", "format":', 1),
        lambda text: text.replace('"prompt": "', '"prompt": "\\ud800', 1),
        lambda text: text.replace('"entries": [', '"entries": [7, ', 1),
        lambda text: text[:-1],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: '{"format": NaN}',
    ],
)
def test_json_that_is_no_receipt(spoil) -> None:
    with pytest.raises(ReceiptInvalid):
        from_json(spoil(to_json(SEALED)))
