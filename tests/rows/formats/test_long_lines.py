"""Lines of text tables that hold an image: as long as the limit of images asks for."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from artifact.errors import DataError
from rows.formats import text_lines
from rows.formats.text_lines import longest_line
from rows.tables import open_table

IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(4000)
TEXT = base64.b64encode(IMAGE).decode()
TABLES = {
    "t.csv": f"id,image\n1,{TEXT}\n2,{TEXT}\n",
    "t.tsv": f"id\timage\n1\t{TEXT}\n2\t{TEXT}\n",
    "t.jsonl": "".join(json.dumps({"id": row, "image": TEXT}) + "\n" for row in (1, 2)),
    "t.txt": f"{TEXT}\n{TEXT}\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_line_fits_an_image_of_the_limit(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Opened before the limit is known, refused under a small one by its option, whole under a larger one."""
    monkeypatch.setattr(text_lines, "LONGEST_LINE", 1000)
    (tmp_path / name).write_text(TABLES[name])
    for place in (tmp_path / name, [tmp_path / name, tmp_path / name]):
        table = open_table(place)
        assert [ref.read() for batch in table.batches(9) for ref in batch.images["image"]][:2] == [IMAGE, IMAGE]
        table.allow_images(2000)
        with pytest.raises(DataError, match=r"expected at most 3000 letters.*\.\w+\); .*raise.* with --max-image-mb$"):
            list(table.batches(9))
        table.allow_images(len(IMAGE))
        assert [ref.read() for batch in table.batches(9) for ref in batch.images["image"]][:2] == [IMAGE, IMAGE]


def test_lines_are_as_long_as_base64_of_the_limit() -> None:
    """Line breaks within it, quotes and other cells have room too; a small limit shortens no text."""
    for num_bytes in (64 * 2**20, 200 * 2**20, 2**30):
        assert longest_line(num_bytes) > 1.1 * len(TEXT) / len(IMAGE) * num_bytes
    assert longest_line(1) == 96 * 2**20
