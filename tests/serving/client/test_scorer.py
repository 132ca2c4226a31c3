"""Numpy's vectors from the Scorer for every kind and mode, by every way; each distinct image runs once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from artifact.errors import UsageError
from artifact.images.preprocessing import load_pixels
from artifact.kinds import KINDS, distance_name, embedding_name
from rows.images import ImageRef
from rows.vectors.lineage import Lineage
from serving.client.connections.local import LocalConnection
from serving.client.options import ScorerOptions
from serving.client.scorer import Scorer
from tests.shared.scored_images import (
    BAD,
    DIM,
    MODELS,
    PREPROCESSING,
    SIZE,
    expected_vectors,
    publish_models,
)
from tests.shared.serving_urls import Place
from tests.shared.tiny_artifact import THRESHOLD, linear_vectors

TOLERANCE = 1e-5


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("model", MODELS)
def test_embed_gives_the_vectors_of_numpy_in_order(place: Place, images: list[Path], model: str, send: str) -> None:
    """Several batches, the last one not full; slots of a full artifact hold any image."""
    with place.scorer(model, send=send, batch_size=8) as scorer:
        vectors = scorer.embed(images)
    assert vectors.dtype == np.float32
    np.testing.assert_allclose(vectors, expected_vectors(images), atol=TOLERANCE)


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("model", MODELS)
def test_score_gives_vectors_distances_and_same(place: Place, images: list[Path], model: str, send: str) -> None:
    """Streams that share images in other rows, against distances written out in numpy."""
    kind = KINDS[model.split("_")[0]]
    streams = {name: [images[(row * (place + 3)) % 17] for row in range(23)] for place, name in enumerate(kind.streams)}
    with place.scorer(model, send=send, batch_size=8) as scorer:
        scored = scorer.score(streams)
        threshold = scorer.manifest.threshold["value"] if scorer.manifest.threshold else None
    vectors = {name: expected_vectors(rows) for name, rows in streams.items()}
    assert list(scored) == [*map(embedding_name, kind.streams), *map(distance_name, kind.pairs), "same"]
    for name, rows in vectors.items():
        np.testing.assert_allclose(scored[embedding_name(name)], rows, atol=TOLERANCE)
    for a, b in kind.pairs:
        difference = vectors[a].astype(np.float64) - vectors[b]
        distances = [sum(value * value for value in row) ** 0.5 for row in difference]
        np.testing.assert_allclose(scored[distance_name((a, b))], distances, atol=TOLERANCE)
    assert threshold is not None
    assert scored["same"].tolist() == (scored[distance_name(kind.pairs[0])] <= threshold).tolist()
    assert 0 < scored["same"].sum() < 23  # both answers occur


@pytest.mark.parametrize("kind", KINDS)
def test_distances_equal_those_of_the_full_graph(tmp_path: Path, images: list[Path], kind: str) -> None:
    """What the Scorer computes from packed vectors is what the artifact's own distance outputs say."""
    repository = publish_models(tmp_path / "repository", tmp_path, models=[f"{kind}_full"])
    streams = {name: images[place : place + 9] for place, name in enumerate(KINDS[kind].streams)}
    pixels = {
        name: np.stack([load_pixels(path.read_bytes(), PREPROCESSING) for path in rows])
        for name, rows in streams.items()
    }
    graph = LocalConnection(f"{kind}_full", ScorerOptions(repository=repository)).run_pixels(pixels)
    with Scorer(f"{kind}_full", repository=repository) as scorer:
        scored = scorer.score(streams)
    for name, values in graph.items():
        np.testing.assert_allclose(scored[name], values.reshape(scored[name].shape), atol=TOLERANCE, err_msg=name)


@pytest.mark.parametrize("model", MODELS)
def test_pixels_and_encoded_give_the_same_bits_for_one_batch(place: Place, images: list[Path], model: str) -> None:
    """The server decodes with the function that the client decodes with."""
    answers = []
    for send in ("pixels", "encoded"):
        with place.scorer(model, send=send) as scorer:
            answers.append(scorer.embed(images[:12]))
    np.testing.assert_array_equal(*answers)


def test_what_is_found_while_running_leaves_the_vectors_right(place: Place, images: list[Path]) -> None:
    """Pixels and encoded files by turns, batches of a growing size; then one of the two."""
    with place.scorer("triplet_branch") as scorer:
        for _ in range(40):
            np.testing.assert_allclose(scorer.embed(images), expected_vectors(images), atol=TOLERANCE)
            if scorer.sending is not None:
                break
        assert scorer.sending in ("pixels", "encoded")


def test_embed_takes_paths_bytes_pil_images_arrays_and_refs(place: Place, images: list[Path]) -> None:
    """Every form of one image gives one vector."""
    path = images[3]
    forms = [path, str(path), path.read_bytes(), Image.open(path), np.asarray(Image.open(path)), ImageRef(path=path)]
    for send in ("pixels", "encoded"):
        with place.scorer("triplet_branch", send=send) as scorer:
            vectors = scorer.embed(iter(forms))
        np.testing.assert_allclose(vectors, expected_vectors([path] * len(forms)), atol=TOLERANCE)


@pytest.mark.parametrize("mode", ["RGBA", "L", "LA", "P", "1", "CMYK", "I;16"])
def test_a_pil_image_gives_the_vector_of_its_file(tmp_path: Path, mode: str) -> None:
    """Alpha, palette, 16 bits and EXIF orientation as the decoder has them."""
    repository = publish_models(tmp_path / "repository", tmp_path, models=["siamese_branch"])
    drawn = np.random.default_rng(1).integers(0, 256, (11, 17, 4), np.uint8)
    image = Image.fromarray(drawn)
    image = Image.fromarray(drawn[:, :, 0].astype(np.uint16) * 257) if mode == "I;16" else image.convert(mode)
    file = io.BytesIO()
    image.save(file, "TIFF" if mode == "CMYK" else "PNG")
    turned = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(drawn[:, :, :3]).save(turned, "PNG", exif=exif)
    with Scorer("siamese_branch", repository=repository) as scorer:
        vectors = scorer.embed([file.getvalue(), image, turned.getvalue(), Image.open(turned)])
    np.testing.assert_allclose(vectors[1], vectors[0], atol=TOLERANCE)
    np.testing.assert_allclose(vectors[3], vectors[2], atol=TOLERANCE)
    upright = np.asarray(ImageOps.exif_transpose(Image.open(turned)))
    pixels = load_pixels(_png(upright), PREPROCESSING)[None]
    np.testing.assert_allclose(vectors[2], linear_vectors(pixels, dim=DIM)[0], atol=TOLERANCE)


@pytest.mark.parametrize(("model", "num_runs"), [("triplet_branch", 5), ("triplet_full", 2), ("quartet_full", 2)])
def test_each_distinct_image_of_a_window_runs_once(
    tmp_path: Path, images: list[Path], model: str, num_runs: int
) -> None:
    """300 rows over 5 images: the engine sees ceil(5 / streams) rows, equal bytes are one image."""
    repository = publish_models(tmp_path / "repository", tmp_path, models=[model])
    seen: list[int] = []

    class Counted(LocalConnection):
        def run_pixels(self, feeds: Any) -> Any:
            seen.append(len(next(iter(feeds.values()))))
            return super().run_pixels(feeds)

    kind = KINDS[model.split("_")[0]]
    data = [path.read_bytes() for path in images[:5]]
    streams = {
        name: [bytes(bytearray(data[(row + place) % 5])) for row in range(300)]
        for place, name in enumerate(kind.streams)
    }
    with Scorer(model, connection=Counted(model, ScorerOptions(repository=repository))) as scorer:
        scored = scorer.score(streams)
    assert sum(seen) == num_runs
    for place, name in enumerate(kind.streams):
        rows = [images[(row + place) % 5] for row in range(300)]
        np.testing.assert_allclose(scored[embedding_name(name)], expected_vectors(rows), atol=TOLERANCE)


@pytest.mark.parametrize("model", ["triplet_branch", "triplet_full"])
def test_large_files_are_sent_in_several_requests(
    place: Place, images: list[Path], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """A batch whose files are too many bytes for one message, bad ones among them."""
    monkeypatch.setattr("serving.client.batches.runner.MAX_REQUEST_BYTES", 3000)
    with place.scorer(model, send="encoded") as scorer:
        (scored,) = scorer.stream([{"image": [*images[:9], BAD * 500, *images[9:]]}])
    assert sum(path.stat().st_size for path in images) > 10 * 3000
    assert [row for row, _, _ in scored.bad] == [9]
    np.testing.assert_allclose(scored.columns["embedding"], expected_vectors(images), atol=TOLERANCE)


def test_lineage_version_and_digest_are_those_of_the_artifact(place: Place) -> None:
    """The same facts from the file and from the server's config."""
    file = LocalConnection("quartet_full", ScorerOptions(repository=place.repository)).manifest
    with place.scorer("quartet_full") as scorer:
        assert (scorer.version, scorer.digest) == (1, file.digest)
        assert scorer.lineage == Lineage(
            artifact="quartet_full",
            version=1,
            digest=file.digest,
            space=file.space,
            distance="euclidean",
            normalized=False,
            kind="quartet",
            mode="full",
            threshold=THRESHOLD["value"],
        )
        assert scorer.manifest.model_dump(exclude={"golden"}) == file.model_dump(exclude={"golden"})


def test_stream_takes_windows_only_as_far_ahead_as_batches_are_in_flight(place: Place, images: list[Path]) -> None:
    """An endless table is answered window by window."""
    taken = 0

    def endless() -> Iterator[dict[str, list[Path]]]:
        nonlocal taken
        while True:
            taken += 1
            yield {"image": [images[taken % 41]]}

    with place.scorer("siamese_branch") as scorer:
        answers = scorer.stream(endless())
        for number in range(1, 40):
            np.testing.assert_allclose(
                next(answers).columns["embedding"], expected_vectors([images[number % 41]]), atol=TOLERANCE
            )
            assert taken <= number + 2 * scorer.in_flight
        answers.close()


def test_streams_and_images_that_do_not_fit_are_refused(place: Place, images: list[Path]) -> None:
    """Other streams than the kind's, other lengths, and things that are no images."""
    with place.scorer("triplet_branch") as scorer:
        with pytest.raises(UsageError) as error:
            scorer.score({"left": images, "right": images})
        assert str(error.value) == (
            "streams: expected anchor, positive, negative (or image alone), got left, right "
            "(model 'triplet_branch' of kind triplet)"
        )
        with pytest.raises(UsageError) as error:
            scorer.score({"anchor": images[:2], "positive": images[:2], "negative": images[:3]})
        assert str(error.value) == "streams: expected as many images in each, got anchor 2, positive 2, negative 3"
        with pytest.raises(UsageError) as error:
            scorer.embed(str(images[0]))
        assert str(error.value) == "images: expected a list or another iterable of them, got one; put it in a list"
        with pytest.raises(UsageError) as error:
            scorer.embed([np.zeros((SIZE, SIZE), np.uint8)])
        assert str(error.value) == (
            "image: expected a path, encoded bytes, a PIL image or a uint8 array [h, w, 3], got uint8 [8, 8] (row 0); "
            "give PIL.Image.fromarray(image), or three equal channels"
        )
    with pytest.raises(UsageError, match=r"^the scorer is closed; make another$"):
        scorer.embed(images)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
