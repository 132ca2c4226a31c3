"""Files of decoded pixels, and the content hashes of files: never a wrong row, whatever is torn."""

from pathlib import Path

import numpy as np
import pytest

from trainer.pixels.file_hashes import FileHashes, file_facts
from trainer.pixels.segment import PixelSegment


def test_file_hashes_trust_only_files_left_alone(tmp_path: Path) -> None:
    """A file changed in the last two seconds is not remembered; a damaged list is an empty one."""
    path, listed = tmp_path / "a.png", tmp_path / "list.npz"
    path.write_bytes(b"x")
    hashes = FileHashes(listed)
    hashes.record(str(path), file_facts(str(path)), b"h" * 32)
    hashes.save()
    assert FileHashes(listed).digests() == []
    size, _, _, inode = file_facts(str(path))
    hashes.record(str(path), (size, 1, 2, inode), b"h" * 32)
    hashes.record(str(tmp_path / "n\xe4m\udcff"), (1, 1, 1, 2**64 - 1), b"i" * 32)
    hashes.save()
    assert FileHashes(listed).digests() == [b"h" * 32, b"i" * 32]
    assert FileHashes(listed).find(str(path))[1] is None
    for damage in (listed.read_bytes()[:-40], b"", b"PK\x03\x04 nonsense"):
        listed.write_bytes(damage)
        assert FileHashes(listed).digests() == []


def test_segment_trusts_a_row_only_with_its_hash(tmp_path: Path) -> None:
    """Pixels without a hash, half a hash, and hashes without pixels are not there."""
    rows = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    segment = PixelSegment.create(tmp_path, (16, 16, 3))
    segment.append([b"a" * 32], rows[:1])
    segment.append([b"b" * 32, b"c" * 32], rows[1:])
    pixels, index = segment.path.with_suffix(".pixels"), segment.path.with_suffix(".index")
    whole_pixels, whole_index = pixels.read_bytes(), index.read_bytes()
    cases = [
        (whole_pixels, whole_index, 3),
        (whole_pixels + b"\7" * 500, whole_index, 3),
        (whole_pixels, whole_index + b"d" * 31, 3),
        (whole_pixels, whole_index + b"d" * 64, 3),
        (whole_pixels[:-1], whole_index, 2),
        (b"", whole_index, 0),
        (whole_pixels, b"", 0),
    ]
    for torn_pixels, torn_index, count in cases:
        pixels.write_bytes(torn_pixels)
        index.write_bytes(torn_index)
        opened = PixelSegment(segment.path, (16, 16, 3))
        assert opened.digests == segment.digests[:count]
        np.testing.assert_array_equal(opened.pixels, rows[:count])


def test_segment_outlives_its_removal(tmp_path: Path) -> None:
    """Rows may be read by others as they come; a removed file can be read by who has it, not written."""
    rows = np.random.default_rng(1).integers(0, 256, (2, 16, 16, 3), np.uint8)
    first = PixelSegment.create(tmp_path, (16, 16, 3))
    first.append([b"a" * 32], rows[:1])
    second = PixelSegment(first.path, (16, 16, 3))
    np.testing.assert_array_equal(second.pixels, rows[:1])
    first.append([b"b" * 32], rows[1:])
    assert second.digests == [b"a" * 32]
    np.testing.assert_array_equal(first.pixels, rows)
    for suffix in (".index", ".pixels"):
        first.path.with_suffix(suffix).unlink()
    np.testing.assert_array_equal(second.pixels, rows[:1])
    np.testing.assert_array_equal(first.pixels, rows)
    with pytest.raises(FileNotFoundError):
        first.append([b"c" * 32], rows[:1])
