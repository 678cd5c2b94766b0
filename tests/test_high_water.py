"""The mark of the own log survives what a disk may do to a file."""

import shutil
import stat

import pytest

from ledger import StoreError
from symphony.identity import MARK_NAME
from symphony.node.high_water import HighWater


def reopened(home) -> int:
    mark = HighWater(home)
    mark.close()
    return mark.seq


def test_it_only_rises_and_is_there_after_reopening(tmp_path):
    mark = HighWater(tmp_path)
    assert mark.seq == 0
    for seq in (1, 5, 3, 9):
        mark.raise_to(seq)
        assert reopened(tmp_path) == mark.seq
    assert mark.seq == 9
    mark.close()
    assert stat.S_IMODE((tmp_path / MARK_NAME).stat().st_mode) == 0o600


@pytest.mark.parametrize("count", [1, 2, 3, 8])
def test_a_write_that_was_cut_off_leaves_the_mark_before(tmp_path, count):
    mark = HighWater(tmp_path)
    for seq in range(1, count + 1):
        mark.raise_to(seq)
    before = (tmp_path / MARK_NAME).read_bytes()
    mark.raise_to(count + 1)
    mark.close()
    after = (tmp_path / MARK_NAME).read_bytes()
    changed = [at for at, byte in enumerate(after) if before[at : at + 1] != bytes([byte])]
    for cut in range(changed[0] + 1, changed[-1] + 1):
        torn = after[:cut] + before[cut : len(after)]
        (tmp_path / MARK_NAME).write_bytes(torn)
        assert reopened(tmp_path) in {count, count + 1}
    (tmp_path / MARK_NAME).write_bytes(after)
    assert reopened(tmp_path) == count + 1


def test_a_file_that_is_only_damage_is_refused(tmp_path):
    (tmp_path / MARK_NAME).write_bytes(b"x" * 128)
    with pytest.raises(StoreError, match="damaged"):
        HighWater(tmp_path)


def test_a_copy_knows_that_it_is_one(tmp_path):
    home, copy = tmp_path / "home", tmp_path / "copy"
    home.mkdir()
    mark = HighWater(home)
    assert not mark.in_place  # nothing was ever written: nobody can tell
    mark.raise_to(7)
    mark.close()
    again = HighWater(home)
    assert again.in_place
    again.close()
    shutil.copytree(home, copy)
    restored = HighWater(copy)
    assert restored.seq == 7
    assert not restored.in_place
    restored.raise_to(8)
    restored.close()
    settled = HighWater(copy)
    assert settled.in_place
    settled.close()
