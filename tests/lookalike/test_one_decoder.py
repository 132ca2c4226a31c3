"""One decoder on every path: training, scoring of all tables, servers, NAME_decode and calibration say the same."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from artifact.images.image_batch import BadImagesError, load_batch
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import load_pixels
from export.calibration import read_calibration
from rows.images import ImageRef
from rows.tables import open_table
from serving.client.pictures import picture
from serving.client.scorer import Scorer
from serving.jobs.scoring import score_table
from tests.shared.damaged_pictures import damaged_pictures
from tests.shared.decode_model import run_decode_model
from tests.shared.job_tables import read_rows
from tests.shared.odd_pictures import odd_pictures
from tests.shared.pictures import pictures
from tests.shared.row_tables import write_members
from tests.shared.scored_images import PREPROCESSING, SIZE, publish_models
from tests.shared.serving_urls import serve
from tests.shared.tiny_artifact import linear_vectors
from trainer.data.image_files import ImageFiles
from trainer.data.images import read_images

MODEL = "triplet_branch"
Outcome = str | np.ndarray
"""The vector of a file, or the reason against it."""


def zoo() -> dict[str, bytes]:
    """Files of every sort: good, odd and damaged; of those damaged in ten places or nine ways of JPEG a few."""
    few = {
        name: data
        for name, (data, _) in damaged_pictures().items()
        if not any(word in name for word in ("4:4:4", "restarts", "optimised", "RGB", "10%", "20%", "60%", "80%"))
    }
    return pictures() | {name: data for name, (data, _) in odd_pictures().items()} | few


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """{name: file}, all under names that end in .jpg: what is in a file decides."""
    folder = tmp_path_factory.mktemp("zoo")
    paths = {}
    for number, (name, data) in enumerate(zoo().items()):
        paths[name] = folder / "all" / f"{number:04d}.jpg"
        paths[name].parent.mkdir(exist_ok=True)
        paths[name].write_bytes(data)
    return paths


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    return publish_models(folder / "repository", folder / "files", models=[MODEL])


@pytest.fixture(scope="module")
def expected(files: dict[str, Path]) -> dict[str, Outcome]:
    """What `load_pixels` says of each, and NumPy's vector of its pixels."""
    return {
        name: outcome(lambda path=path: load_pixels(path.read_bytes(), PREPROCESSING)) for name, path in files.items()
    }


def outcome(load: Callable[[], np.ndarray]) -> Outcome:
    """The vector of the pixels, or the reason against them."""
    try:
        return vector(load())
    except ImageError as error:
        return str(error)


def vector(pixels: np.ndarray) -> np.ndarray:
    return linear_vectors(pixels[None])[0]


def require_same(found: dict[str, Outcome], expected: dict[str, Outcome]) -> None:
    """Vectors to rounding; reasons as far as an answer of a server carries them."""
    assert found.keys() == expected.keys()
    for name, right in expected.items():
        got = found[name]
        if isinstance(right, str):
            assert isinstance(got, str), name
            assert got == right or got == right.encode("ascii", "backslashreplace").decode()[:200], name
        else:
            assert not isinstance(got, str), (name, got)
            np.testing.assert_allclose(got, right, atol=1e-5, err_msg=name)


def test_zoo_holds_good_and_bad_files(expected: dict[str, Outcome]) -> None:
    """Enough of both."""
    bad = sum(isinstance(result, str) for result in expected.values())
    assert bad > 150
    assert len(expected) - bad > 200


def test_training_reads_the_same(files: dict[str, Path], expected: dict[str, Outcome], tmp_path: Path) -> None:
    """Pixels and reasons."""
    names, labels = tuple(files), np.zeros(len(files), np.int64)
    refs = [ImageRef(path) for path in files.values()]
    images, bad = read_images(
        ImageFiles(tmp_path, names, labels, ("all",), refs),
        PREPROCESSING,
        max_cache_bytes=2**22,
        max_bad_images=len(files),
    )
    pixels = images.pixels(np.arange(len(images)))
    found: dict[str, Outcome] = {name: vector(row) for name, row in zip(images.files.names, pixels, strict=True)}
    found |= {image.name: image.reason for image in bad}
    require_same(found, expected)


def write_table(form: str, files: dict[str, Path], folder: Path) -> Any:
    """A table of the files in their order."""
    paths = list(files.values())
    path = folder / f"t.{form}"
    if form == "csv":
        path.write_text("image\n" + "".join(f"{file}\n" for file in paths))
    elif form == "jsonl":
        path.write_text("".join(json.dumps({"image": str(file)}) + "\n" for file in paths))
    elif form == "parquet":
        parquet.write_table(pa.table({"image": [{"bytes": file.read_bytes(), "path": None} for file in paths]}), path)
    elif form == "arrow":
        return pa.table({"image": [file.read_bytes() for file in paths]})
    elif form == "tar":
        write_members(path, {file.name: file.read_bytes() for file in paths})
    else:
        return paths[0].parent
    return path


@pytest.mark.parametrize("form", ["folder", "csv", "jsonl", "parquet", "arrow", "tar"])
def test_scoring_of_a_table_reads_the_same(
    form: str, files: dict[str, Path], expected: dict[str, Outcome], repository: Path, tmp_path: Path
) -> None:
    """In this process, from every sort of table."""
    with Scorer(MODEL, repository=repository, threads=1) as scorer:
        table = open_table(write_table(form, files, tmp_path))
        score_table(table, scorer, tmp_path / "output")
    scored, errors = read_rows(tmp_path / "output"), parquet.read_table(tmp_path / "output" / "errors.parquet")
    ids = {
        str(key): name
        for name, key in zip(files, [row for batch in table.batches(512) for row in batch.ids], strict=True)
    }
    found: dict[str, Outcome] = {
        ids[str(row["id"])]: np.array(row["embedding"], np.float32) for row in scored.to_pylist()
    }
    found |= {ids[str(row["id"])]: row["reason"] for row in errors.to_pylist()}
    require_same(found, expected)


@pytest.mark.parametrize("send", ["encoded", "pixels"])
def test_server_reads_the_same(
    send: str, files: dict[str, Path], expected: dict[str, Outcome], repository: Path
) -> None:
    """Decoded by the server, and by its client."""
    images = [path.read_bytes() for path in files.values()]
    with serve("embedded", repository) as url, Scorer(MODEL, url=url, send=send, batch_size=16) as scorer:
        answers = list(scorer.embed_iter(images, bad="yield"))
    found: dict[str, Outcome] = {
        name: str(answer) if isinstance(answer, ImageError) else answer
        for name, answer in zip(files, answers, strict=True)
    }
    require_same(found, expected | {"nothing": "empty (0 bytes)"})


def test_published_decoder_reads_the_same(
    files: dict[str, Path], expected: dict[str, Outcome], repository: Path, tmp_path: Path
) -> None:
    """NAME_decode of its own folder alone: the pixels of all that can be read, and one line for all that cannot."""
    images = {name: path.read_bytes() for name, path in files.items()}
    good = [data for name, data in images.items() if not isinstance(expected[name], str)]
    bad = [data for name, data in images.items() if isinstance(expected[name], str)]
    pixels, printed = run_decode_model(repository / f"{MODEL}_decode", 1, good, tmp_path, bad=bad)
    assert pixels.shape[1:] == (SIZE, SIZE, 3)
    require_same(
        {
            name: vector(row)
            for name, row in zip((n for n in images if not isinstance(expected[n], str)), pixels, strict=True)
        },
        {name: result for name, result in expected.items() if not isinstance(result, str)},
    )
    with pytest.raises(BadImagesError) as caught:
        load_batch({"image": bad}, PREPROCESSING)
    assert printed[1] == str(caught.value)


def test_calibration_reads_the_same(files: dict[str, Path], expected: dict[str, Outcome], tmp_path: Path) -> None:
    """The good ones to the pixel; a bad one is left out and told with its reason."""
    for name, path in files.items():
        if not isinstance(expected[name], str):
            (tmp_path / path.name).write_bytes(path.read_bytes())
    read = read_calibration(tmp_path, PREPROCESSING)
    good = [result for result in expected.values() if not isinstance(result, str)]
    assert read.found == len(good)
    np.testing.assert_allclose([vector(pixels) for pixels in read.pixels], good, atol=1e-5)
    for name in ("jpeg, 200 zeros at 50%", "HEIC file", "DNG file", "png, one bit of its data"):
        (tmp_path / "0000.jpg").write_bytes(files[name].read_bytes())
        events: list[dict[str, Any]] = []
        assert len(read_calibration(tmp_path, PREPROCESSING, report=events.append).pixels) == len(good) - 1
        assert str(expected[name])[:80] in str(events[-1]["message"])


def test_pillow_images_read_the_same(files: dict[str, Path], expected: dict[str, Outcome]) -> None:
    """Those that Pillow opens and that are no format of their own."""
    found: dict[str, Outcome] = {}
    for name, path in files.items():
        try:
            image = Image.open(io.BytesIO(path.read_bytes()))
        except Exception:  # Pillow's own refusal, before we hear of it
            continue
        if not name.endswith(" file"):
            found[name] = outcome(lambda image=image: load_pixels(picture(image).read(), PREPROCESSING))
    assert len(found) > 250
    for name, got in found.items():
        assert isinstance(got, str) == isinstance(expected[name], str), (name, got)
        if not isinstance(got, str):
            np.testing.assert_allclose(got, expected[name], atol=1e-5, err_msg=name)
