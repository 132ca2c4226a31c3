"""Tables to train on: every format and both shapes, what is refused and in which words, and how tuples are held out."""

import csv
import hashlib
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from artifact.errors import DataError, UsageError
from artifact.preprocessing import load_pixels
from rows.formats import opening as formats
from trainer.config.config import make_config
from trainer.data.held_out import can_validate
from trainer.data.tuple_split import split_tuples
from trainer.data.tuple_table import TupleRows
from trainer.loop.fit import fit
from trainer.loop.preparation import Prepared, prepare, read_split
from trainer.networks.base_networks import make_preprocessing
from trainer.sampling.batches import make_batches

Columns = Mapping[str, Sequence[Any]]


def _png(seed: int) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (16, 18, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "PNG")
    return buffer.getvalue()


def _files(folder: Path, count: int, *, first: int = 0) -> list[str]:
    """Images folder/images/NN.png; their names relative to the folder."""
    (folder / "images").mkdir(parents=True, exist_ok=True)
    names = [f"images/{number:02d}.png" for number in range(first, first + count)]
    for number, name in enumerate(names, start=first):
        (folder / name).write_bytes(_png(number))
    return names


def _write_csv(path: Path, columns: Columns) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
    return path


def _write_jsonl(path: Path, columns: Columns) -> Path:
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def _write_parquet(path: Path, columns: Columns) -> Path:
    pq.write_table(pa.table(dict(columns)), path, row_group_size=5)
    return path


def _embedded(values: Sequence[Any], folder: Path) -> list[Any]:
    return [(folder / value).read_bytes() if isinstance(value, str) and "/" in value else value for value in values]


def _write_bytes(path: Path, columns: Columns) -> Path:
    """The same images, inside the table."""
    return _write_parquet(path, {name: _embedded(values, path.parent) for name, values in columns.items()})


def _write_structs(path: Path, columns: Columns) -> Path:
    """The same images as {bytes, path}, half of them as paths alone."""

    def cell(row: int, value: Any) -> Any:
        if not (isinstance(value, str) and "/" in value):
            return value
        return {"bytes": (path.parent / value).read_bytes() if row % 2 else None, "path": value}

    return _write_parquet(path, {name: [cell(*pair) for pair in enumerate(cells)] for name, cells in columns.items()})


def _write_parts(path: Path, columns: Columns) -> Path:
    """A folder of two Parquet files, with absolute paths."""
    path.mkdir()
    table = pa.table(
        {
            name: [str(path.parent / value) if isinstance(value, str) and "/" in value else value for value in values]
            for name, values in columns.items()
        }
    )
    pq.write_table(table.slice(0, 7), path / "a.parquet")
    pq.write_table(table.slice(7), path / "b.parquet")
    return path


FORMATS: dict[str, Callable[[Path, Columns], Path]] = {
    "t.csv": _write_csv,
    "t.tsv": _write_csv,
    "t.jsonl": _write_jsonl,
    "t.parquet": _write_parquet,
    "bytes.parquet": _write_bytes,
    "structs.parquet": _write_structs,
    "parts": _write_parts,
}


def _prepare(images: Path, kind: str = "triplet", **options: Any) -> tuple[Prepared, list[str]]:
    events: list[dict[str, Any]] = []
    config = make_config({"images": images, "kind": kind, "size": 16, "dim": 4} | options)
    prepared = prepare(config, report=events.append)
    return prepared, [event["message"] for event in events if event["event"] == "warning"]


def _refusal(error: type[Exception], *arguments: Any, **options: Any) -> str:
    with pytest.raises(error) as caught:
        _prepare(*arguments, **options)
    return str(caught.value)


def _contents(prepared: Prepared, columns: Columns, folder: Path) -> None:
    """Train and held-out tuples are those of the table, image by image, pixel by pixel."""
    sides = [(prepared.train, prepared.tuples), (prepared.held_out, prepared.held_out_tuples)]
    preprocessing = make_preprocessing(prepared.config, prepared.base)
    found = {}
    for images, tuples in sides:
        if images is None or tuples is None:
            continue
        assert len(set(images.hashes)) == len(images) == len(np.unique(tuples.images))
        pixels = images.pixels(np.arange(len(images)))
        for row, members in zip(tuples.rows.tolist(), tuples.images.tolist(), strict=True):
            found[row] = [pixels[member] for member in members]
    wanted = list(zip(*columns.values(), strict=True))
    assert sorted(found) == list(range(len(wanted)))
    for row, names in enumerate(wanted):
        for pixel, name in zip(found[row], names, strict=True):
            np.testing.assert_array_equal(pixel, load_pixels((folder / name).read_bytes(), preprocessing))


@pytest.mark.parametrize("name", FORMATS)
def test_table_of_classes_is_as_good_as_a_folder(tmp_path: Path, name: str) -> None:
    """Same split, same data hash, same classes as the images in class folders; numbers sort as numbers."""
    names = _files(tmp_path, 30)
    labels = [(2, 10, 1)[row % 3] for row in range(30)]
    table = FORMATS[name](tmp_path / name, {"image": names, "label": labels, "id": list(range(30))})
    for row, label in enumerate(labels):
        path = tmp_path / "folder" / str(label) / f"{row}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((tmp_path / names[row]).read_bytes())
    of_table, warnings = _prepare(table)
    of_folder, _ = _prepare(tmp_path / "folder")
    assert warnings == []
    is_text = name in ("t.csv", "t.tsv")
    assert of_table.train.files.classes == (("1", "10", "2") if is_text else ("1", "2", "10"))
    assert of_table.data_sha256 == of_folder.data_sha256
    assert of_table.held_out is not None
    assert of_folder.held_out is not None
    assert sorted(of_table.held_out.hashes) == sorted(of_folder.held_out.hashes)
    assert can_validate(of_table.held_out)
    assert of_table.config.sampling.strategy == "balanced"
    classes = of_table.train.files.classes
    for digest, label in zip(of_table.train.hashes, of_table.train.labels, strict=True):
        row = next(row for row, name in enumerate(names) if hashlib.sha256(_png(row)).hexdigest() == digest)
        assert classes[label] == str(labels[row])


@pytest.mark.parametrize("kind", ["siamese", "triplet", "quartet"])
@pytest.mark.parametrize("name", FORMATS)
def test_table_of_tuples_gives_its_tuples(tmp_path: Path, name: str, kind: str) -> None:
    """Rows as they stand, every image once, held-out ones apart, batches of all of them in every epoch."""
    streams = {"siamese": 2, "triplet": 3, "quartet": 4}[kind]
    names = _files(tmp_path, 12 * streams)
    columns: dict[str, Sequence[Any]] = {
        stream: [names[(row * streams + position)] for row in range(12)]
        for position, stream in enumerate(
            ("left", "right") if kind == "siamese" else ("anchor", "positive", "negative", "negative2")[:streams]
        )
    }
    targets = {"different": [row % 3 == 0 for row in range(12)]} if kind == "siamese" else {}
    if name in ("t.csv", "t.tsv"):
        targets = {key: [int(value) for value in values] for key, values in targets.items()}
    table = FORMATS[name](tmp_path / name, columns | targets)
    prepared, warnings = _prepare(table, kind, validation="images:0.25")
    assert warnings == []
    assert prepared.tuples is not None
    assert prepared.held_out_tuples is not None
    assert (len(prepared.tuples), len(prepared.held_out_tuples)) == (9, 3)
    assert (prepared.num_images, prepared.num_classes) == (12 * streams, 0)
    assert not can_validate(prepared.held_out)
    _contents(prepared, columns, tmp_path)
    if kind == "siamese":
        for tuples in (prepared.tuples, prepared.held_out_tuples):
            assert tuples.different is not None
            assert tuples.different.tolist() == [row % 3 == 0 for row in tuples.rows]
    assert prepared.config.sampling.strategy == "tuples"
    config = prepared.config.model_copy(
        update={"sampling": prepared.config.sampling.model_copy(update={"tuples_per_batch": 4})}
    )
    batches = make_batches(config, prepared.train, prepared.tuples)
    assert batches.per_epoch == 3
    for epoch in range(2):
        dealt = [batch.rows[batch.tuples] for batch in batches.epoch(epoch) if batch.tuples is not None]
        assert sorted(np.concatenate(dealt).tolist()) == sorted(prepared.tuples.images.tolist())
        assert np.array_equal(
            np.concatenate(list(dealt[1:])),
            np.concatenate(
                [batch.rows[batch.tuples] for batch in batches.epoch(epoch, first=1) if batch.tuples is not None]
            ),
        )


def test_columns_are_named_by_role(tmp_path: Path) -> None:
    """Other names, and `same` turned round; a copy of a file counts as the same image."""
    names = _files(tmp_path, 6)
    (tmp_path / "copy.png").write_bytes((tmp_path / names[0]).read_bytes())
    columns = {"a": [*names[:3], "copy.png"], "b": [*names[3:], names[4]], "equal": ["yes", "No", "TRUE", "0"]}
    table = _write_csv(tmp_path / "t.csv", columns)
    prepared, _ = _prepare(table, "siamese", columns={"left": "a", "right": "b", "same": "equal"})
    both = [prepared.tuples, prepared.held_out_tuples]
    assert prepared.num_images == 6
    different = {
        int(row): bool(flag)
        for tuples in both
        if tuples is not None and tuples.different is not None
        for row, flag in zip(tuples.rows, tuples.different, strict=True)
    }
    assert different == {0: False, 1: True, 2: False, 3: True}


def test_columns_that_make_no_sense_are_refused_in_one_line(tmp_path: Path) -> None:
    """A role that is none, a column that is not there, two shapes, no shape, an ambiguous target."""
    names = _files(tmp_path, 4)
    both = {"image": names, "label": "aabb", "left": names, "right": names[::-1]}
    table = _write_csv(tmp_path / "t.csv", both | {"different": "0101"})
    plain = _write_csv(tmp_path / "plain.csv", {"photo": names, "kind": "aabb"})
    pairs = _write_csv(tmp_path / "pairs.csv", {"left": names, "right": names[::-1], "label": "0101"})
    (tmp_path / "folder" / "cat").mkdir(parents=True)
    roles = "image, label, left, right, different, same"
    cases: list[tuple[type[Exception], Path, dict[str, str], str]] = [
        (
            UsageError,
            table,
            {"anchor": "left"},
            f'role "anchor" of a column: expected one of {roles}, got anchor=left (--columns); write --columns'
            " ROLE=COLUMN",
        ),
        (
            UsageError,
            table,
            {"left": "left", "right": "left"},
            'column "left": expected one role, got left and right (--columns)',
        ),
        (
            UsageError,
            table,
            {"image": "image", "left": "left"},
            "columns of a table: expected image and label, or left, right and different (or same), got image and left"
            " (--columns)",
        ),
        (
            UsageError,
            table,
            {"same": "label", "different": "different"},
            "target of pairs: expected different or same, got both (--columns)",
        ),
        (
            UsageError,
            tmp_path / "folder",
            {"image": "photo"},
            "columns of an image folder: expected none, its folders are the classes, got image=photo (--columns)",
        ),
        (
            DataError,
            table,
            {"label": "labels"},
            'column "labels": expected one of image, label, left, right, different, got no such column (t.csv); name the'
            " right one with --columns label=...",
        ),
        (
            DataError,
            table,
            {},
            "table of images: expected image and label, or left, right and different (or same), got both: image, label,"
            " left, right, different (t.csv); say which with --columns image=image or --columns left=left",
        ),
        (
            DataError,
            plain,
            {},
            "table for a siamese model: expected columns image and label, or left, right and different (or same), got"
            " photo, kind (plain.csv); name them with --columns ROLE=COLUMN",
        ),
        (
            DataError,
            pairs,
            {},
            "target of siamese pairs: expected a column different (1 = different) or same (1 = same), got label, which"
            " some read as 1 = same and others as 1 = different (pairs.csv); say which: name it with --columns"
            " different=COLUMN or same=COLUMN",
        ),
        (
            DataError,
            _write_csv(tmp_path / "none.csv", {"left": names, "right": names}),
            {},
            "target of siamese pairs: expected a column different (1 = different) or same (1 = same), got none among left,"
            " right (none.csv); name it with --columns different=COLUMN or same=COLUMN",
        ),
        (
            DataError,
            _write_csv(tmp_path / "maybe.csv", {"left": names, "right": names[::-1], "same": ["1", "0", "x", ""]}),
            {},
            "column \"same\", row 2: expected 1 (same) or 0, got 'x' (maybe.csv)",
        ),
        (
            DataError,
            _write_parquet(tmp_path / "wrong.parquet", {"image": [1, 2], "label": ["a", "b"]}),
            {},
            'image column "image": expected string paths, binary, {bytes, path} or uint8 [h, w, 3], got int64 '
            "(wrong.parquet); name the right column with --columns image=...",
        ),
        (
            DataError,
            _write_parquet(tmp_path / "float.parquet", {"image": names, "label": [0.5, 1, 2, 3]}),
            {},
            'label column "label": expected strings or whole numbers, got double (float.parquet); name the right column'
            " with --columns label=...",
        ),
        (
            DataError,
            _write_csv(tmp_path / "holes.csv", {"image": names, "label": ["a", "", "b", ""]}),
            {},
            'label column "label": expected a class in every row, got none in rows 1, 3 (holes.csv); fill it, or remove'
            " the rows",
        ),
    ]
    for error, path, columns, message in cases:
        assert _refusal(error, path, "siamese", columns=columns) == message
    # a column that is named says which of two shapes is meant
    assert _prepare(table, "siamese", columns={"image": "image"})[0].tuples is None
    assert _prepare(table, "siamese", columns={"left": "left"})[0].tuples is not None


def test_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """Other files, and tables that are not there."""
    suffixes = " ".join(formats.FORMATS)
    (tmp_path / "notes.md").write_text("a table")
    for name, got in (("notes.md", "another file"), ("gone.csv", "nothing there")):
        assert _refusal(DataError, tmp_path / name) == (
            f"images: expected a folder with one folder of images per class, or a table ({suffixes}), got {got}"
            f" ({tmp_path / name})"
        )
    assert _refusal(DataError, tmp_path / "gone") == (
        f"image folder: expected a folder with one folder of images per class, got nothing there ({tmp_path / 'gone'})"
    )


@pytest.mark.parametrize("name", ["t.csv", "bytes.parquet"])
def test_bad_images_take_their_tuples_with_them(tmp_path: Path, name: str) -> None:
    """An unreadable image, a missing one and an empty cell: counted, named, and skipped up to the limit."""
    names = _files(tmp_path, 30)
    (tmp_path / names[4]).write_bytes(b"no image")
    columns: dict[str, list[Any]] = {
        stream: names[10 * position : 10 * position + 10]
        for position, stream in enumerate(("anchor", "positive", "negative"))
    }
    columns["anchor"][7] = names[4]  # in two tuples
    columns["negative"][2] = None
    table = FORMATS[name](tmp_path / name, columns)
    bad = names[4] if name == "t.csv" else "row 4, anchor"
    reason = "not an image in any of JPEG, PNG, WEBP, GIF, BMP, TIFF, PPM (starts with b'no image')"
    listed = f"row 2, negative: no image: the cell is empty; {bad}: {reason}"
    assert _refusal(DataError, table) == (
        f"2 of 29 images cannot be used: expected every file readable, got {listed} ({table}); mend or remove them, or"
        " skip them with --set max_bad_images=2"
    )
    prepared, warnings = _prepare(table, max_bad_images=2)
    assert warnings == [f"2 images were skipped, and 3 of 10 tuples with them: {listed}"]
    assert prepared.tuples is not None
    assert prepared.held_out_tuples is not None
    assert sorted([*prepared.tuples.rows, *prepared.held_out_tuples.rows]) == [0, 1, 3, 5, 6, 8, 9]


def test_tuples_that_contradict_themselves_are_refused_with_their_row(tmp_path: Path) -> None:
    """An image twice in a row, by name or as a copy under another name."""
    names = _files(tmp_path, 9)
    (tmp_path / "images" / "copy.png").write_bytes((tmp_path / names[1]).read_bytes())
    columns = {"anchor": names[:3], "positive": [names[3], "images/copy.png", names[5]], "negative": names[6:]}
    table = _write_csv(tmp_path / "t.csv", columns)
    assert _refusal(DataError, table) == (
        f"anchor and positive of a tuple: expected different images, got the same in row 1: {names[1]} ({table});"
        " remove the row"
    )
    pairs = {"left": names[:4], "right": [*names[:2], *names[6:8]], "different": "1011"}
    table = _write_csv(tmp_path / "pairs.csv", pairs)
    assert _refusal(DataError, table, "siamese") == (
        f"left and right of a tuple: expected different images, got the same in rows 0, 1: {names[0]} ({table});"
        " remove the rows"
    )


def test_settings_of_classes_are_refused_for_tuples_before_images_are_read(tmp_path: Path) -> None:
    """Strategy, held-out classes, turned classes; none of the images exists."""
    names = [f"gone{number}.png" for number in range(6)]
    columns = {"anchor": names[:2], "positive": names[2:4], "negative": names[4:]}
    table = _write_csv(tmp_path / "t.csv", columns)
    cases: list[tuple[dict[str, Any], str]] = [
        (
            {"sampling": {"strategy": "rounds"}},
            "sampling strategy for a table of tuples: expected tuples, got rounds (--set sampling.strategy=...)",
        ),
        (
            {"validation": "classes:0.2"},
            "validation of a table of tuples: expected images:SHARE, or another table or folder, got classes:0.2"
            " (--validation)",
        ),
        (
            {"augment": {"turns": True}},
            "augment.turns: expected images with classes, for it makes more of them, got a table of tuples"
            " (--set augment.turns=...)",
        ),
    ]
    for options, message in cases:
        assert _refusal(UsageError, table, **options) == message


def _triplets(folder: Path, rows: Sequence[Sequence[int]], name: str = "t.csv") -> Path:
    columns = {
        stream: [f"images/{row[position]:02d}.png" for row in rows]
        for position, stream in enumerate(("anchor", "positive", "negative"))
    }
    return _write_csv(folder / name, columns)


def test_held_out_tuples_share_no_image_where_that_can_be(tmp_path: Path) -> None:
    """Chains of shared images stay together, whatever the seed; one piece is split by row, and it is said."""
    _files(tmp_path, 40)
    chains = [(9 * g + a, 9 * g + b, 9 * g + c) for g in range(4) for a, b, c in ((0, 1, 2), (2, 3, 4), (5, 6, 0))]
    table = _triplets(tmp_path, chains)
    sides = set()
    for seed in range(6):
        prepared, warnings = _prepare(table, validation="images:0.3", seed=seed)
        assert warnings == []
        assert prepared.held_out is not None
        assert prepared.held_out_tuples is not None
        assert set(prepared.train.hashes).isdisjoint(prepared.held_out.hashes)
        assert len({row // 3 for row in prepared.held_out_tuples.rows.tolist()}) == 1
        assert len(prepared.held_out_tuples) == 3
        sides.add(tuple(prepared.held_out_tuples.rows))
    assert len(sides) > 1
    star = _triplets(tmp_path, [(0, number, number + 15) for number in range(1, 16)], "star.csv")
    prepared, warnings = _prepare(star, validation="images:0.2")
    assert warnings == [
        "the tuples hang together by the images that they share, so images of held-out tuples are trained on in others,"
        " and the held-out figures are too good; name a table of other images with --validation"
    ]
    assert prepared.held_out_tuples is not None
    assert len(prepared.held_out_tuples) == 3


def test_split_of_tuples_depends_on_content_and_not_on_order(tmp_path: Path) -> None:
    """The rows of a table in another order are held out all the same."""
    _files(tmp_path, 60)
    rows = [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(20)]
    order = np.random.default_rng(0).permutation(20)
    held = []
    for name, chosen in (("a.csv", range(20)), ("b.csv", order)):
        prepared, _ = _prepare(_triplets(tmp_path, [rows[row] for row in chosen], name), validation="images:0.2")
        assert prepared.held_out is not None
        held.append(set(prepared.held_out.hashes))
    assert held[0] == held[1]
    assert len(held[0]) == 12


def test_single_tuple_is_trained_on(tmp_path: Path) -> None:
    """Nothing can be held out of it."""
    _files(tmp_path, 3)
    prepared, warnings = _prepare(_triplets(tmp_path, [(0, 1, 2)]))
    assert warnings == ["nothing was held out, so there are no held-out metrics: there is one tuple only"]
    assert prepared.held_out is None
    assert prepared.held_out_tuples is None
    assert prepared.tuples is not None


def test_validation_is_a_folder_or_a_table_of_its_own(tmp_path: Path) -> None:
    """Retrieval on classes, or order of tuples; what is trained on is left out of either."""
    _files(tmp_path, 30)
    table = _triplets(tmp_path, [(0, 1, 2), (3, 4, 5)])
    other = _triplets(tmp_path, [(6, 7, 8), (9, 10, 0), (11, 12, 13)], "other.csv")
    prepared, warnings = _prepare(table, validation=str(other))
    assert warnings == ["1 held-out tuples have images that are trained on and were left out"]
    assert prepared.held_out is not None
    assert prepared.held_out_tuples is not None
    assert prepared.held_out_tuples.rows.tolist() == [0, 2]
    assert len(prepared.held_out) == 6
    assert _refusal(DataError, table, validation=str(table)) == (
        f"validation table: expected tuples of images that are not trained on, got none ({table}); name another table,"
        " or use --validation images:0.1"
    )
    for number in range(6):
        path = tmp_path / "classes" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png(number + 4))
    prepared, warnings = _prepare(table, validation=str(tmp_path / "classes"), columns={"anchor": "anchor"})
    assert warnings == ["2 held-out images are copies of training images and were left out"]
    assert prepared.held_out_tuples is None
    assert prepared.held_out is not None
    assert prepared.held_out.files.names == ("a/2.png", "a/4.png", "b/3.png", "b/5.png")
    assert can_validate(prepared.held_out)


def test_data_hash_of_tuples_is_of_the_tuples_too(tmp_path: Path) -> None:
    """The same images in other tuples are other data; another name for the same is not."""
    names = _files(tmp_path, 6)
    one = _prepare(_triplets(tmp_path, [(0, 1, 2), (3, 4, 5)], "a.csv"))[0].data_sha256
    other = _prepare(_triplets(tmp_path, [(0, 1, 5), (3, 4, 2)], "b.csv"))[0].data_sha256
    embedded = _write_bytes(
        tmp_path / "c.parquet",
        {"anchor": [names[0], names[3]], "positive": [names[1], names[4]], "negative": [names[2], names[5]]},
    )
    assert one != other
    assert one == _prepare(embedded)[0].data_sha256


def test_component_split_matches_a_plain_search() -> None:
    """Against connected components found by growing sets, on random tables."""
    random = np.random.default_rng(3)
    for _ in range(20):
        num_images = int(random.integers(30, 90))
        tuples = np.stack([random.permutation(num_images)[:3] for _ in range(15)])
        hashes = tuple(f"{image:064x}" for image in range(num_images))

        rows = TupleRows(images=tuples, rows=np.arange(15))
        train, held, apart = split_tuples(rows, hashes, 0.3, seed=1)
        assert sorted([*train, *held]) == list(range(15))
        groups: list[set[int]] = []
        for row in tuples.tolist():
            joined = set(row).union(*(group for group in groups if group & set(row)))
            groups = [group for group in groups if not group & set(row)] + [joined]
        sizes = [sum(bool(group & set(row)) for row in tuples.tolist()) for group in groups]
        if apart:
            assert not set(tuples[train].ravel().tolist()) & set(tuples[held].ravel().tolist())
            assert 2 <= len(held) <= 4
        else:
            assert max(sizes) > 2


@pytest.mark.parametrize("name", ["t.csv", "bytes.parquet"])
def test_size_of_a_table_follows_its_images(tmp_path: Path, name: str) -> None:
    """Conv4 takes images at their own size, 16 px here, whether the table names or holds them."""
    names = _files(tmp_path, 12)
    table = FORMATS[name](tmp_path / name, {"image": names, "label": ["a", "b"] * 6})
    assert _prepare(table, size=None)[0].config.size == 16


def test_split_of_a_run_is_read_again_from_its_table(tmp_path: Path) -> None:
    """Same sides as in training, without turned classes; changed data are refused."""
    names = _files(tmp_path, 24)
    classes = _write_csv(tmp_path / "classes.csv", {"image": names, "label": ["a", "b"] * 12})
    tuples = _triplets(tmp_path, [(3 * row, 3 * row + 1, 3 * row + 2) for row in range(8)])
    for number, (table, options) in enumerate(((classes, {"augment": {"turns": True}}), (tuples, {}))):
        run = fit(
            make_config({"images": table, "kind": "triplet", "size": 16, "dim": 2, "epochs": 1} | options),
            tmp_path / f"run{number}",
        )
        prepared, _ = _prepare(table)
        train, held_out = read_split(run, report=lambda event: None)
        assert prepared.held_out is not None
        assert held_out is not None
        assert (train.hashes, held_out.hashes) == (prepared.train.hashes, prepared.held_out.hashes)
        assert train.turns is None
    (tmp_path / names[0]).write_bytes(_png(99))
    with pytest.raises(DataError) as caught:
        read_split(run, report=lambda event: None)
    assert str(caught.value) == f"images of the run: expected as they were in training, got changed ({tuples})"


def test_classes_can_be_validated_on_tuples(tmp_path: Path) -> None:
    """Trained on a folder, judged by a table of tuples; those that show a training image are left out."""
    _files(tmp_path, 12)
    for number in range(20, 28):
        path = tmp_path / "classes" / "ab"[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_png(number if number < 27 else 11))
    table = _triplets(tmp_path, [(0, 1, 2), (3, 4, 5), (6, 7, 11)])
    prepared, warnings = _prepare(tmp_path / "classes", validation=str(table))
    assert warnings == ["1 held-out tuples have images that are trained on and were left out"]
    assert prepared.tuples is None
    assert (len(prepared.train), prepared.num_classes) == (8, 2)
    assert prepared.held_out_tuples is not None
    assert prepared.held_out_tuples.images.tolist() == [[0, 1, 2], [3, 4, 5]]


def test_lonely_class_of_a_table_is_refused(tmp_path: Path) -> None:
    """By name, with what can be done to a table."""
    names = _files(tmp_path, 5)
    table = _write_csv(tmp_path / "t.csv", {"path": names, "label": "aabbc"})
    assert _refusal(DataError, table) == (
        "images of a class: expected at least 2 in every class (a positive needs another image), got 1 in c"
        f" ({table}); add rows of these classes, or remove them"
    )
