"""Files of objects with anything in them: rows, good ones or bad, or one line; never anything else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from artifact.errors import LookalikeError
from artifact.images.decoding import decode_image
from artifact.images.image_error import ImageError
from rows.images import ImageRef
from rows.regions import RegionOptions
from rows.tables import open_table

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 60) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.sampled_from(["id", "size", "counts"]), inner),
    max_leaves=6,
)
NUMBERS = st.lists(st.integers(-5, 60) | st.floats(-5, 60), min_size=4, max_size=8)


def _object(**parts: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Mostly as it should be, and any part of it missing or anything at all."""
    return st.fixed_dictionaries({}, optional={name: part | part | ANYTHING for name, part in parts.items()})


COCO = _object(
    images=st.lists(
        _object(id=st.integers(0, 2), file_name=st.just("a.png"), width=st.just(40), height=st.just(30)), max_size=3
    ),
    annotations=st.lists(
        _object(
            id=st.integers(0, 9),
            image_id=st.integers(0, 3),
            category_id=st.integers(0, 3),
            bbox=NUMBERS,
            area=st.integers(0, 9),
            segmentation=st.lists(NUMBERS, max_size=2)
            | st.fixed_dictionaries({"size": st.just([30, 40]), "counts": st.text("0123ABZaoP", max_size=9) | NUMBERS}),
        ),
        max_size=4,
    ),
    categories=st.lists(_object(id=st.integers(0, 3), name=st.text(max_size=3)), max_size=2),
)
SETTINGS = settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _read_all(place: Path) -> None:
    """Every row's picture or its reason, or one line for all of them."""
    for regions in (RegionOptions(padding=0.1, edge="fill"), None):
        reasons: list[str] = []
        try:
            table = open_table(place, regions=regions)
            for batch in table.batches(2):
                assert len(batch.ids) == len(batch.images["image"]) == batch.copied.num_rows
                reasons += filter(None, map(_reason, batch.images["image"]))
        except LookalikeError as error:
            reasons.append(str(error))
        assert all(reason and "\n" not in reason for reason in reasons)


def _reason(ref: ImageRef) -> str | None:
    try:
        assert decode_image(ref.read()).size > 0
    except ImageError as error:
        return str(error)
    return None


@given(content=COCO | ANYTHING)
@SETTINGS
def test_any_coco_file_ends_in_rows_or_one_line(tmp_path: Path, content: Any) -> None:
    """Of parts that are missing, of another type, or without sense."""
    Image.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "a.png")
    (tmp_path / "x.json").write_text(json.dumps(content), encoding="utf-8")
    _read_all(tmp_path / "x.json")


@given(content=COCO, cut=st.integers(0, 400), byte=st.binary(max_size=2))
@SETTINGS
def test_any_damage_to_a_coco_file_ends_in_rows_or_one_line(
    tmp_path: Path, content: Any, cut: int, byte: bytes
) -> None:
    """Bytes in the place of others, and a file cut short."""
    Image.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "a.png")
    data = json.dumps(content).encode()
    (tmp_path / "x.json").write_bytes(data[:cut] + byte + data[cut + 3 :])
    _read_all(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(data[:cut])
    _read_all(tmp_path / "x.json")


@given(
    lines=st.binary(max_size=40)
    | st.lists(st.lists(st.floats() | st.integers(-1, 2) | st.text(max_size=3), max_size=9), max_size=4),
    names=ANYTHING,
)
@SETTINGS
def test_any_labels_of_yolo_end_in_rows_or_one_line(tmp_path: Path, lines: Any, names: Any) -> None:
    """Bytes, numbers, texts; and settings of any kind."""
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir(exist_ok=True)
    Image.new("RGB", (40, 30), (9, 99, 199)).save(tmp_path / "images" / "a.png")
    text = lines if isinstance(lines, bytes) else "\n".join(" ".join(map(str, line)) for line in lines).encode()
    (tmp_path / "labels" / "a.txt").write_bytes(text)
    (tmp_path / "data.yaml").write_text(json.dumps({"names": names, "train": "images"}), encoding="utf-8")
    _read_all(tmp_path)
