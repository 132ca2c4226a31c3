"""Jobs over tables of objects: a vector for each, of its own crop, and all that jobs can do besides."""

from __future__ import annotations

import asyncio
import io
import json
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.errors import DataError, OutputError, UsageError
from artifact.images.decoding import decode_image
from artifact.images.preprocessing import resize_pixels
from artifact.images.region import Region
from pages.gallery import pictures_of_ids
from rows.formats.reading import Reading
from rows.images import ImageRef
from rows.pictures.opened import open_pictures
from rows.regions import RegionOptions
from rows.tables import ImageTable, open_table
from rows.vectors.named_images import NamedImages
from rows.vectors.table import VectorTable
from serving.client import crops, reading
from serving.client.async_scorer import AsyncScorer
from serving.client.scorer import Scorer
from serving.jobs.merging import merge_shards
from serving.jobs.scoring import score_table
from serving.jobs.shards import Shard
from serving.jobs.tables import open_scored_table
from tests.shared.job_tables import files_of, read_manifest, read_rows, score
from tests.shared.object_tables import Scene, coco_facts, make_scenes, write_boxes, write_coco, write_yolo
from tests.shared.scored_images import DIM, PREPROCESSING
from tests.shared.tiny_artifact import linear_vectors

MODELS = ["triplet_branch", "triplet_full"]
MODEL = "triplet_branch"
HALF_GREY = (128, 128, 128)


@pytest.fixture
def scenes(tmp_path: Path) -> list[Scene]:
    return make_scenes(tmp_path, (2, 0, 3, 1, 4))


@pytest.fixture
def table(tmp_path: Path, scenes: list[Scene]) -> ImageTable:
    return objects(write_coco(tmp_path / "instances.json", coco_facts(scenes)))


def objects(place: Path, **options: Any) -> ImageTable:
    return open_table(place, regions=RegionOptions(**options))


def expected(scenes: list[Scene]) -> np.ndarray:
    """float32 [objects, DIM]: each crop by a plain slice, made small, through the weights by numpy."""
    pixels = [resize_pixels(np.ascontiguousarray(crop), PREPROCESSING) for scene in scenes for crop in scene.crops()]
    return linear_vectors(np.stack(pixels), dim=DIM)


@pytest.mark.parametrize("send", ["pixels", "encoded"])
def test_vectors_are_those_of_the_crops(
    where: dict[str, Any], table: ImageTable, scenes: list[Scene], tmp_path: Path, send: str
) -> None:
    """In this process and by a server, as pixels and as files of the crops: the same, in order."""
    if send == "encoded" and "repository" in where:
        pytest.skip("nothing is sent in this process")
    with Scorer(MODEL, **where, batch_size=3, send=send) as scorer:
        score_table(table, scorer, tmp_path / "out")
    rows = read_rows(tmp_path / "out")
    assert rows.column_names == ["id", "object_id", "label", "box", "embedding"]
    vectors = VectorTable.open(tmp_path / "out")
    np.testing.assert_allclose(np.array(vectors.matrix), expected(scenes), rtol=1e-5, atol=1e-5)
    assert vectors.ids[:3] == ["000.png#0", "000.png#1", "002.png#0"]


def test_every_form_of_table_gives_the_same_vectors(repository: Path, scenes: list[Scene], tmp_path: Path) -> None:
    """COCO, YOLO and columns of boxes; and the images themselves without regions, each once."""
    tables = {
        "coco": write_coco(tmp_path / "instances.json", coco_facts(scenes)),
        "yolo": write_yolo(tmp_path, scenes),
        "csv": write_boxes(tmp_path / "t.csv", scenes),
    }
    for name, place in tables.items():
        score(objects(place), repository, tmp_path / f"out-{name}")
        found = np.array(VectorTable.open(tmp_path / f"out-{name}").matrix)
        np.testing.assert_allclose(found, expected(scenes), rtol=1e-5, atol=1e-5)
    result = score(open_table(tables["coco"]), repository, tmp_path / "whole")
    assert (result.num_rows, result.num_images) == (5, 5)


def test_crop_is_filled_with_the_colour_of_the_model(repository: Path, tmp_path: Path) -> None:
    """That of its own padding, which is its mean; the graph makes zeros of it."""
    scenes = make_scenes(tmp_path, (1,))
    facts = coco_facts(scenes)
    facts["annotations"][0]["segmentation"] = [[0, 0, 10, 0, 10, 60, 0, 60]]
    facts["annotations"][0]["bbox"] = [5, 5, 10, 10]
    file = write_coco(tmp_path / "instances.json", facts)
    with Scorer(MODEL, repository=repository) as scorer:
        opened, _ = open_scored_table(str(file), scorer.manifest, model=MODEL, regions=RegionOptions())
        score_table(opened, scorer, tmp_path / "out")
    crop = scenes[0].pixels[5:15, 5:15].copy()
    crop[:, 5:] = HALF_GREY
    pixels = resize_pixels(crop, PREPROCESSING)[None]
    np.testing.assert_allclose(
        np.array(VectorTable.open(tmp_path / "out").matrix), linear_vectors(pixels, dim=DIM), rtol=1e-5, atol=1e-5
    )
    assert read_manifest(tmp_path / "out")["job"]["regions"] == {"colour": list(HALF_GREY)}


def test_picture_of_several_objects_is_read_and_decoded_once(
    repository: Path, table: ImageTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of one batch."""
    read: Counter[str] = Counter()
    decodings: list[int] = []
    fetched, decoded = reading.Reader._fetched, crops.decoded

    def counted(self: Any, picture: ImageRef) -> Any:
        read[str(picture.path)] += 1
        return fetched(self, picture)

    def counting(*arguments: Any) -> Any:
        decodings.append(1)
        return decoded(*arguments)

    monkeypatch.setattr(reading.Reader, "_fetched", counted)
    monkeypatch.setattr(crops, "decoded", counting)
    with Scorer(MODEL, repository=repository, batch_size=32, threads=1) as scorer:
        score_table(table, scorer, tmp_path / "out")
    assert len(read) == 4
    # ten objects of four pictures, spread over the few batches that keep the threads of this process full
    assert sum(read.values()) == len(decodings) < 8


def test_boxes_are_an_array_too(repository: Path, table: ImageTable, tmp_path: Path) -> None:
    """As float64 [rows, 4], as the parts have them."""
    result = score(table, repository, tmp_path / "out", rows_per_part=3, output_format="npy")
    assert "box.npy" in result.arrays
    boxes = np.load(tmp_path / "out" / "box.npy")
    assert boxes.dtype == np.float64
    assert boxes.tolist() == read_rows(tmp_path / "out")["box"].to_pylist()


def test_same_box_of_the_same_picture_runs_once(repository: Path, tmp_path: Path) -> None:
    """And another box of it again; the vectors are the rows' own."""
    scenes = make_scenes(tmp_path, (2,))
    scenes[0].objects *= 3
    result = score(objects(write_boxes(tmp_path / "t.csv", scenes)), repository, tmp_path / "out")
    assert (result.num_rows, result.num_images) == (6, 2)
    np.testing.assert_allclose(
        np.array(VectorTable.open(tmp_path / "out").matrix), expected(scenes), rtol=1e-5, atol=1e-5
    )


def test_bad_boxes_are_bad_rows_with_reasons(repository: Path, tmp_path: Path) -> None:
    """Outside, empty, not a number, of another picture, of no picture, of a broken one; the others have vectors."""
    scenes = make_scenes(tmp_path, (2, 1, 2, 2, 1))
    facts = coco_facts(scenes)
    facts["annotations"][0]["bbox"] = [500, 5, 10, 10]
    facts["annotations"][2]["bbox"] = [5, 5, 0, 10]
    facts["annotations"][3]["bbox"] = [5, None, 7, 10]
    facts["images"][3] |= {"width": 640, "height": 480}
    facts["annotations"][7]["image_id"] = 12345
    (tmp_path / "images" / scenes[2].name).write_bytes(b"this is no image")
    result = score(
        objects(write_coco(tmp_path / "instances.json", facts)), repository, tmp_path / "out", rows_per_part=3
    )
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet").to_pylist()
    assert (result.num_rows, result.num_errors) == (8, 7)
    reasons = {row["id"]: row["reason"] for row in errors}
    assert list(reasons) == [
        "000.png#0",
        "001.png#0",
        "002.png#0",
        "002.png#1",
        "003.png#0",
        "003.png#1",
        "image_id 12345#0",
    ]
    assert reasons["000.png#0"].startswith("a box outside the picture of ")
    assert reasons["001.png#0"] == "a box without an area: from 5, 5 to 5, 15 px"
    assert reasons["002.png#1"].startswith("not an image in any of ")
    assert reasons["003.png#0"].startswith("a box of a picture of 640x480, and this one is ")
    assert reasons["image_id 12345#0"] == "no image: its image_id 12345 is not among the images of instances.json"
    np.testing.assert_allclose(
        np.array(VectorTable.open(tmp_path / "out").matrix), expected(scenes[:1])[1:], rtol=1e-5, atol=1e-5
    )


def test_bad_rows_are_tried_again_when_the_table_is_mended(repository: Path, tmp_path: Path) -> None:
    """A picture that was missing comes; the others are not run again."""
    scenes = make_scenes(tmp_path, (2, 1))
    file = write_coco(tmp_path / "instances.json", coco_facts(scenes))
    (tmp_path / "images" / scenes[0].name).rename(tmp_path / "away.png")
    assert score(objects(file), repository, tmp_path / "out").num_errors == 2
    (tmp_path / "away.png").rename(tmp_path / "images" / scenes[0].name)
    result = score(objects(file), repository, tmp_path / "out", retry_errors=True)
    assert (result.num_errors, result.num_mended, result.num_images) == (0, 2, 2)
    np.testing.assert_allclose(
        np.array(VectorTable.open(tmp_path / "out").matrix), expected(scenes), rtol=1e-5, atol=1e-5
    )


def test_job_goes_on_where_it_stopped_and_is_no_other(repository: Path, table: ImageTable, tmp_path: Path) -> None:
    """A part that is missing is made again, to the byte; with another padding it is another job, and says so."""
    output = tmp_path / "out"
    score(table, repository, output, rows_per_part=3)
    before = files_of(output)
    (output / sorted(name for name in before if name.startswith("part-"))[1]).unlink()
    manifest = read_manifest(output)
    manifest |= {"state": "running", "parts": []}
    (output / "manifest.json").write_text(json.dumps(manifest))
    result = score(objects(tmp_path / "instances.json"), repository, output, rows_per_part=3)
    assert result.resumed_at == 7
    parts = {name: data for name, data in files_of(output).items() if name.startswith("part-")}
    assert parts == {name: data for name, data in before.items() if name.startswith("part-")}
    with pytest.raises(OutputError, match=r"expected regions \(padding 0.1\), got regions \(as by default\)"):
        score(objects(tmp_path / "instances.json", padding=0.1), repository, output, rows_per_part=3)
    with pytest.raises(OutputError, match=r"whole images, got .* regions \(as by default\)"):
        score(open_table(tmp_path / "instances.json"), repository, output, rows_per_part=3)


@pytest.mark.parametrize("regions", [None, RegionOptions()])
def test_job_is_of_the_folder_of_its_images(
    repository: Path,
    scenes: list[Scene],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    regions: RegionOptions | None,
) -> None:
    """The same names in another folder are another job; the same folder is the same from any working directory."""
    file = write_coco(tmp_path / "instances.json", coco_facts(scenes))
    (tmp_path / "copies").mkdir()
    for scene in scenes:
        Image.fromarray(255 - scene.pixels).save(tmp_path / "copies" / scene.name)
    score(open_table(file, regions=regions), repository, tmp_path / "out")
    monkeypatch.chdir(tmp_path)
    here = Reading(images="images")
    assert score(open_table("instances.json", regions=regions), repository, tmp_path / "out").resumed_at > 0
    assert score(open_table("instances.json", reading=here, regions=regions), repository, tmp_path / "out").resumed_at
    copies = open_table("instances.json", reading=Reading(images="copies"), regions=regions)
    with pytest.raises(OutputError, match=r"expected images in .*/copies, got images in the folder beside the table"):
        score(copies, repository, tmp_path / "out")


def test_shards_are_those_of_one_job_and_know_their_pictures(
    repository: Path, table: ImageTable, tmp_path: Path
) -> None:
    """Merged they are the whole job, and its crops are found."""
    for number in (1, 2):
        score(table, repository, tmp_path / f"s{number}", rows_per_part=3, shard=Shard(number=number, count=2))
    merge_shards([tmp_path / "s1", tmp_path / "s2"], tmp_path / "merged")
    score(table, repository, tmp_path / "one", rows_per_part=3)
    assert read_rows(tmp_path / "merged").equals(read_rows(tmp_path / "one"))
    assert read_manifest(tmp_path / "merged")["read_as"] == {"regions": {}}


@pytest.mark.parametrize("thumbnails_px", [None, 16])
def test_pictures_of_the_rows_are_the_crops(
    repository: Path, table: ImageTable, scenes: list[Scene], tmp_path: Path, thumbnails_px: int | None
) -> None:
    """Read again from the table that the job names, or from the thumbnails that it wrote; and their hashes agree."""
    score(table, repository, tmp_path / "out", thumbnails_px=thumbnails_px)
    vectors = VectorTable.open(tmp_path / "out")
    pictures = open_pictures(vectors)
    assert pictures is not None
    slices = [crop for scene in scenes for crop in scene.crops()]
    made = dict(pictures.thumbnails(16))
    assert pictures.bad == []
    for row, crop in enumerate(slices):
        assert (made[row].height, made[row].width) == crop.shape[:2]
        assert made[row].sha256 == (ImageRef.of_pixels(np.ascontiguousarray(crop)).digest or b"").hex()
        assert np.array_equal(decode_image(pictures.read(row)), crop)
    assert pictures.hashes() == [made[row].sha256 for row in range(len(slices))]
    data, notes = pictures_of_ids(vectors.ids[:3], vectors.images, side_px=64)
    assert (sorted(data), list(notes)) == (sorted(vectors.ids[:3]), [])


def test_named_images_keep_how_they_were_read(repository: Path, table: ImageTable, tmp_path: Path) -> None:
    """As an index stores them; of a table of whole images nothing is added."""
    score(table, repository, tmp_path / "out")
    named = VectorTable.open(tmp_path / "out").images
    assert named is not None
    assert named.read_as == {"regions": {}}
    assert NamedImages.from_value(json.loads(json.dumps(named.to_value()))) == named
    score(open_table(tmp_path / "images"), repository, tmp_path / "whole")
    assert "read_as" not in read_manifest(tmp_path / "whole")
    assert "regions" not in read_manifest(tmp_path / "whole")["job"]


def test_table_of_objects_travels_to_other_processes(table: ImageTable) -> None:
    """As workers on a cluster get it."""
    again = pickle.loads(pickle.dumps(table))
    assert again.fingerprint == table.fingerprint
    for one, other in zip(table.batches(4), again.batches(4), strict=True):
        assert one.copied.equals(other.copied)
        assert one.images == other.images


def test_regions_are_images_for_scorers_too(where: dict[str, Any], scenes: list[Scene]) -> None:
    """Blocking and on an event loop; of files, bytes and pixels."""
    scene, (_, (x, y, width, height)) = scenes[0], scenes[0].objects[0]
    region = Region(box=(x, y, x + width, y + height))
    file = io.BytesIO()
    Image.fromarray(scene.pixels).save(file, "PNG")
    refs = [replace(ref, region=region) for ref in (ImageRef(data=file.getvalue()), ImageRef.of_pixels(scene.pixels))]
    with Scorer(MODEL, **where) as scorer:
        found = scorer.embed(refs)

    async def embedded() -> np.ndarray:
        async with AsyncScorer(MODEL, **where) as scorer:
            return np.array(await scorer.embed(refs))

    np.testing.assert_allclose(found, expected(scenes[:1])[[0, 0]], rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(asyncio.run(embedded()), found, rtol=1e-6)


def test_models_of_several_streams_have_no_regions(repository: Path, tmp_path: Path, scenes: list[Scene]) -> None:
    """One line."""
    write_coco(tmp_path / "instances.json", coco_facts(scenes))
    with (
        Scorer("triplet_full", repository=repository) as scorer,
        pytest.raises((UsageError, DataError), match="regions: expected one image a row, got 3 streams"),
    ):
        open_scored_table(
            str(tmp_path / "instances.json"), scorer.manifest, model="triplet_full", regions=RegionOptions()
        )
