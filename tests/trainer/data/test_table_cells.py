"""Tables to train on whose cells are as people have them: built paths, base64, types that change, tars out of order."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path
from typing import Any

import pytest

from artifact.errors import DataError
from tests.shared.row_tables import write_members
from tests.shared.table_writers import prepare_table, refusal, write_csv, write_pngs

LABELS = [f"c{number % 3}" for number in range(18)]


def contents(images: Path, **options: Any) -> dict[str, str]:
    """Content hash -> class of all images, held out or not."""
    prepared, _ = prepare_table(images, **options)
    found = {}
    for part in (prepared.train, prepared.held_out):
        if part is not None:
            labels = [part.files.classes[label] for label in part.labels]
            found |= dict(zip(part.hashes, labels, strict=True))
    return found


def test_tables_of_every_kind_of_cell_are_the_same_images(tmp_path: Path) -> None:
    """The paths of a plain table against built ones, images in the cells, and an archive that was packed as it came."""
    names = write_pngs(tmp_path, len(LABELS))
    data = [(tmp_path / name).read_bytes() for name in names]
    expected = contents(write_csv(tmp_path / "t.csv", {"image": names, "label": LABELS}))
    assert len(expected) == len(LABELS)
    ids = {"id": list(range(len(LABELS))), "label": LABELS}
    built = write_csv(tmp_path / "ids.csv", ids)
    assert contents(built, columns={"image": "images/{id:02}.png", "label": "label"}) == expected
    written = [base64.b64encode(each).decode() for each in data]
    assert contents(write_csv(tmp_path / "bare.csv", {"image": written, "label": LABELS})) == expected
    meta = [place if place % 2 else {"a": 1} for place in range(len(LABELS))]
    cells = zip(written, LABELS, meta, strict=True)
    rows = [{"image": f"data:image/png;base64,{text}", "label": label, "meta": each} for text, label, each in cells]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert contents(tmp_path / "t.jsonl") == expected
    members = {f"./{place:02d}.png": each for place, each in enumerate(data)}
    members |= {f"./{place:02d}.cls": label.encode() for place, label in enumerate(LABELS)}
    shuffled = random.Random(3).sample(sorted(members), len(members))
    assert contents(write_members(tmp_path / "t.tar", {name: members[name] for name in shuffled})) == expected


def test_labels_that_change_their_type_are_text(tmp_path: Path) -> None:
    """Numbers for a thousand rows and then a name: classes by what stands in the cell."""
    names = write_pngs(tmp_path, 6)
    rows = [{"image": names[row % 3], "label": row % 3} for row in range(1002)]
    rows += [{"image": name, "label": "A17"} for name in names[3:]]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert set(contents(tmp_path / "t.jsonl").values()) == {"0", "1", "2", "A17"}


@pytest.mark.parametrize("content", ['image,label\na.png,x\n"b.png,y\n', "image,label\na.png,x\nb.png,y,z\n"])
def test_damaged_tables_are_one_line(content: str, tmp_path: Path) -> None:
    """As for scoring."""
    (tmp_path / "t.csv").write_text(content)
    assert refusal(DataError, tmp_path / "t.csv").startswith("line 3: expected ")
