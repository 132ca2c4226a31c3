"""Tables scored by an artifact of detections: a row for each object, in this process and through a server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, InvalidRequestError, UsageError
from artifact.images.image_error import ImageError
from rows.pictures.opened import open_pictures
from rows.regions import RegionOptions
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.async_scorer import AsyncScorer
from serving.client.detections import Detections
from serving.client.scorer import Scorer
from serving.embedded.server import Server
from serving.jobs.merging import merge_shards
from serving.jobs.scoring import default_rows_per_part, score_table
from serving.jobs.shards import Shard
from tests.shared.spot_detector import CELL, found_by_loops, several, spots
from tests.shared.spot_models import BAD, MODEL, NUM_PICTURES, publish_spots, write_pictures
from tests.shared.triton_server import TritonServer, unavailable

MOST = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models` and `pictures`."""
    folder = tmp_path_factory.mktemp("detections")
    publish_spots(folder)
    write_pictures(folder / "pictures")
    return folder


def score(folder: Path, output: Path, **options: Any) -> Any:
    place = options.pop("place", {"repository": folder / "models"})
    sent = options.pop("send", "auto")
    with Scorer(MODEL, **place, send=sent) as scorer:
        return score_table(open_table(folder / "pictures"), scorer, output, **options)


def expected_rows() -> list[tuple[str, str, int, np.ndarray, float, np.ndarray]]:
    """(id, image, number, box, score, vector) of every object, by plain loops."""
    return [
        (f"{number}.png#{place}", f"{number}.png", place, box, sure, colour)
        for number, pixels in enumerate(several(NUM_PICTURES))
        for place, (box, sure, colour) in enumerate(found_by_loops(pixels)[:MOST])
    ]


def require_rows(table: pa.Table) -> None:
    expected = expected_rows()
    assert table["id"].to_pylist() == [each[0] for each in expected]
    assert table["image"].to_pylist() == [each[1] for each in expected]
    assert table["object_id"].to_pylist() == [each[2] for each in expected]
    np.testing.assert_allclose(np.array(table["box"].to_pylist()), [each[3] for each in expected], atol=1e-6)
    np.testing.assert_allclose(table["score"].to_numpy(), [each[4] for each in expected], atol=1e-6)
    np.testing.assert_allclose(np.array(table["embedding"].to_pylist()), [each[5] for each in expected], atol=1e-5)


@pytest.mark.parametrize("place", ["here", "pixels to a server", "files to a server"])
def test_every_object_is_a_row_wherever_it_runs(place: str, folder: Path, tmp_path: Path) -> None:
    """In order; the image without objects and the one that cannot be read are counted, each as what it is."""
    if place == "here":
        result = score(folder, tmp_path / "vectors")
    else:
        with Server(folder / "models", grpc_port=0) as server:
            sent = place.split()[0].replace("files", "encoded")
            result = score(folder, tmp_path / "vectors", place={"url": server.url}, send=sent)
    table = parquet.read_table(tmp_path / "vectors" / "part-00000.parquet")
    require_rows(table)
    assert (result.num_rows, result.num_errors, result.num_without_detections) == (NUM_PICTURES + 1, 1, 1)
    assert result.num_scored == table.num_rows == len(expected_rows())
    errors = parquet.read_table(tmp_path / "vectors" / "errors.parquet").to_pylist()
    assert [each["id"] for each in errors] == [BAD]
    assert json.loads((tmp_path / "vectors" / "manifest.json").read_text())["num_rows"] == NUM_PICTURES + 1


def test_parts_of_few_rows_give_the_same_and_a_finished_job_counts_again(folder: Path, tmp_path: Path) -> None:
    """Two images a part; asked again, nothing is run."""
    first = score(folder, tmp_path / "vectors", rows_per_part=2)
    assert len(first.parts) == 5
    tables = [parquet.read_table(tmp_path / "vectors" / part).replace_schema_metadata() for part in first.parts]
    require_rows(pa.concat_tables(tables))
    again = score(folder, tmp_path / "vectors", rows_per_part=2)
    assert (again.num_images, again.num_without_detections) == (0, 1)


def test_shards_are_merged_with_all_counts(folder: Path, tmp_path: Path) -> None:
    """The rows of one job, and the image without objects is told."""
    shards = [tmp_path / str(number) for number in (1, 2)]
    for number, output in enumerate(shards, 1):
        score(folder, output, rows_per_part=3, shard=Shard(number, 2))
    merged = merge_shards(shards, tmp_path / "merged")
    parts = [parquet.read_table(tmp_path / "merged" / part).replace_schema_metadata() for part in merged.parts]
    require_rows(pa.concat_tables(parts))
    assert (merged.num_rows, merged.num_errors, merged.num_without_detections) == (NUM_PICTURES + 1, 1, 1)


@pytest.mark.parametrize(("most", "expected"), [(None, 8192), (1, 8192), (8, 8192), (100, 655), (10_000, 6)])
def test_a_part_has_no_more_rows_than_any_other(most: int | None, expected: int, folder: Path) -> None:
    """Memory holds a part, in which each image may have as many rows as the detector gives."""
    with Scorer(MODEL, repository=folder / "models") as scorer:
        assert default_rows_per_part(scorer.manifest.model_copy(update={"detections": most})) == expected


def test_arrays_hold_the_boxes_too(folder: Path, tmp_path: Path) -> None:
    """A row of four for each object, beside its vector."""
    result = score(folder, tmp_path / "vectors", output_format="npy")
    assert {"box.npy", "embedding.npy", "image.npy", "object_id.npy", "score.npy"} <= set(result.arrays)
    boxes = np.load(tmp_path / "vectors" / "box.npy")
    np.testing.assert_allclose(boxes, [each[3] for each in expected_rows()], atol=1e-6)


def test_pages_show_the_part_of_each_picture_that_a_row_is(folder: Path, tmp_path: Path) -> None:
    """Found by what the job says, with nothing asked: the cell of its spot, which is of one colour."""
    score(folder, tmp_path / "vectors")
    pictures = open_pictures(VectorTable.open(tmp_path / "vectors"))
    assert pictures is not None
    made = dict(pictures.thumbnails(48))
    assert not pictures.bad
    assert len(made) == len(expected_rows())
    for row, (_, _, _, _, _, colour) in enumerate(expected_rows()):
        assert made[row].pixels.shape == (CELL, CELL, 3)
        np.testing.assert_allclose(made[row].pixels.mean(axis=(0, 1)) / 255, colour, atol=1e-3)


def test_equal_pictures_give_their_own_rows(folder: Path, tmp_path: Path) -> None:
    """One run for two rows of one file, and rows for each."""
    with Scorer(MODEL, repository=folder / "models") as scorer:
        picture = str(folder / "pictures" / "2.png")
        table = tmp_path / "twice.csv"
        table.write_text(f"id,image,shop\n7,{picture},a\n8,{picture},b\n")
        score_table(open_table(table, copy=["shop"]), scorer, tmp_path / "vectors")
    rows = parquet.read_table(tmp_path / "vectors" / "part-00000.parquet").to_pylist()
    count = len(found_by_loops(several(NUM_PICTURES)[2]))
    assert [(row["id"], row["shop"]) for row in rows] == [
        (f"{number}#{place}", shop) for number, shop in ((7, "a"), (8, "b")) for place in range(count)
    ]


def test_vectors_of_objects_are_a_table_like_any_other(folder: Path, tmp_path: Path) -> None:
    """Opened by its only column of that name, with the lineage of the artifact."""
    score(folder, tmp_path / "vectors")
    table = VectorTable.open(tmp_path / "vectors")
    assert table.num_rows == len(expected_rows())
    assert table.lineage is not None
    assert table.lineage.mode == "detections"


def test_nothing_found_anywhere_is_an_empty_table(folder: Path, tmp_path: Path) -> None:
    """Pictures without spots: no row, no error."""
    from PIL import Image

    (tmp_path / "grey").mkdir()
    for number in range(3):
        Image.fromarray(spots(seed=number)).save(tmp_path / "grey" / f"{number}.png")
    with Scorer(MODEL, repository=folder / "models") as scorer:
        result = score_table(open_table(tmp_path / "grey"), scorer, tmp_path / "vectors")
    assert (result.num_scored, result.num_errors, result.num_without_detections) == (0, 0, 3)


def test_detect_gives_objects_and_embed_is_refused(folder: Path) -> None:
    """Lazily, in order; a bad image raises with its row, or stands in its place."""
    pixels = several(4)
    with Scorer(MODEL, repository=folder / "models") as scorer:
        for found, picture in zip(scorer.detect(list(pixels)), pixels, strict=True):
            want = found_by_loops(picture)
            assert found.boxes.shape == (len(want), 4)
            np.testing.assert_allclose(found.scores, [score for _, score, _ in want], atol=1e-6)
        with pytest.raises(InvalidRequestError, match="row 1"):
            list(scorer.detect([pixels[0], b"no image"]))
        kinds = [type(each).__name__ for each in scorer.detect([b"no image", pixels[1]], bad="yield")]
        assert kinds == [ImageError.__name__, "Detections"]
        for refused in (scorer.embed, scorer.embed_iter):
            with pytest.raises(UsageError, match="expected one vector an image, got an artifact of mode 'detections'"):
                refused([pixels[0]])
        with pytest.raises(UsageError, match="one vector an image"):
            scorer.score({"left": [pixels[0]], "right": [pixels[1]]})


def test_an_event_loop_is_given_the_same_objects(folder: Path) -> None:
    """Of a list and of an async iterable; bad images and other artifacts as the blocking form has them."""
    pixels = several(4)

    async def each() -> AsyncIterator[Any]:
        for picture in pixels:
            yield picture

    async def main() -> list[Any]:
        async with AsyncScorer(MODEL, repository=folder / "models") as scorer:
            several_at_once = [[found async for found in scorer.detect(given)] for given in (list(pixels), each())]
            with pytest.raises(InvalidRequestError, match="row 1"):
                [found async for found in scorer.detect([pixels[0], b"no image"])]
            kinds = [type(found) async for found in scorer.detect([b"no image", pixels[1]], bad="yield")]
            assert kinds == [ImageError, Detections]
            with pytest.raises(UsageError, match="expected one vector an image, got an artifact of mode 'detections'"):
                await scorer.embed([pixels[0]])
            with pytest.raises(UsageError, match="expected one vector an image, got an artifact of mode 'detections'"):
                [vector async for vector in scorer.embed_iter([pixels[0]])]
            return several_at_once

    with Scorer(MODEL, repository=folder / "models") as scorer:
        expected = list(scorer.detect(list(pixels)))
    for found in asyncio.run(main()):
        for one, want in zip(found, expected, strict=True):
            for name in ("boxes", "scores", "vectors"):
                np.testing.assert_array_equal(getattr(one, name), getattr(want, name))


def test_what_has_no_meaning_for_objects_is_refused(folder: Path, tmp_path: Path) -> None:
    """Thumbnails, a retry, several streams, a copied column of a taken name."""
    for options, words in (({"thumbnails_px": 32}, "thumbnails"), ({"retry_errors": True}, "retry_errors")):
        with pytest.raises(UsageError, match=words):
            score(folder, tmp_path / "vectors", **options)
    picture = folder / "pictures" / "1.png"
    table = tmp_path / "table.csv"
    table.write_text(f"left,right,score\n{picture},{picture},1\n")
    pairs = open_table(table, streams=("left", "right"), columns={"left": "left", "right": "right"})
    single = open_table(table, columns={"image": "left"}, copy=["score"])
    (tmp_path / "boxes.csv").write_text(f"image,x1,y1,x2,y2\n{picture},0,0,20,20\n")
    regions = open_table(tmp_path / "boxes.csv", regions=RegionOptions())
    with Scorer(MODEL, repository=folder / "models") as scorer:
        with pytest.raises(UsageError, match="one image a row"):
            score_table(pairs, scorer, tmp_path / "vectors")
        with pytest.raises(UsageError, match=r"--regions: expected whole pictures.* got a table of regions"):
            score_table(regions, scorer, tmp_path / "vectors")
        with pytest.raises(DataError, match='copied column "score"'):
            score_table(single, scorer, tmp_path / "vectors")


@pytest.mark.skipif(unavailable() is not None, reason=str(unavailable()))
def test_real_triton_gives_the_same_objects(folder: Path, tmp_path: Path) -> None:
    """NAME by pixels, and NAME_encoded by files."""
    with TritonServer(folder / "models") as triton:
        for sent in ("pixels", "encoded"):
            score(folder, tmp_path / sent, place={"url": triton.grpc_url}, send=sent)
            require_rows(parquet.read_table(tmp_path / sent / "part-00000.parquet"))
