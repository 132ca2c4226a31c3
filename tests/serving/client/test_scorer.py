"""The Scorer gives numpy's vectors for every kind and mode, by every way, and runs each distinct image once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from artifact.errors import InvalidRequestError, UsageError
from artifact.kinds import KINDS, distance_name, embedding_name
from artifact.preprocessing import load_pixels
from rows.images import ImageRef
from rows.vectors.lineage import Lineage
from serving.client.connections.local import LocalConnection
from serving.client.scorer import Scorer
from serving.client.windows import ROWS_PER_WINDOW
from tests.shared.scored_images import (
    BAD,
    DIM,
    MODELS,
    PREPROCESSING,
    SIZE,
    expected_vectors,
    publish_models,
    write_images,
)
from tests.shared.serving_urls import SERVERS, serve
from tests.shared.tiny_artifact import linear_vectors

TOLERANCE = 1e-5


class Place:
    """Where the models of a repository are scored: in this process or on a server."""

    def __init__(self, repository: Path, url: str | None) -> None:
        self.repository, self.url = repository, url

    def scorer(self, model: str, **options: object) -> Scorer:
        if self.url is None:
            return Scorer(model, repository=self.repository, **options)  # type: ignore[arg-type]
        return Scorer(model, url=self.url, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module", params=["local", *SERVERS])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("place")
    repository = publish_models(folder / "repository", folder / "files")
    if request.param == "local":
        yield Place(repository, None)
        return
    with serve(request.param, repository) as url:
        yield Place(repository, url)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_images(tmp_path_factory.mktemp("images"), 41)


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
    graph = LocalConnection(repository, f"{kind}_full").run_pixels(pixels)
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
    tmp_path: Path, images: list[Path], monkeypatch: pytest.MonkeyPatch, model: str, num_runs: int
) -> None:
    """300 rows over 5 images: the engine sees ceil(5 / streams) rows, equal bytes are one image."""
    repository = publish_models(tmp_path / "repository", tmp_path, models=[model])
    seen: list[int] = []
    run = LocalConnection.run_pixels

    def counted(self: LocalConnection, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        seen.append(len(next(iter(feeds.values()))))
        return run(self, feeds)

    monkeypatch.setattr(LocalConnection, "run_pixels", counted)
    kind = KINDS[model.split("_")[0]]
    data = [path.read_bytes() for path in images[:5]]
    streams = {
        name: [bytes(bytearray(data[(row + place) % 5])) for row in range(300)]
        for place, name in enumerate(kind.streams)
    }
    with Scorer(model, repository=repository) as scorer:
        scored = scorer.score(streams)
    assert sum(seen) == num_runs
    for place, name in enumerate(kind.streams):
        rows = [images[(row + place) % 5] for row in range(300)]
        np.testing.assert_allclose(scored[embedding_name(name)], expected_vectors(rows), atol=TOLERANCE)


@pytest.mark.parametrize("send", ["pixels", "encoded"])
@pytest.mark.parametrize("model", ["triplet_branch", "triplet_full", "quartet_full"])
def test_bad_images_are_named_and_the_rest_of_their_batch_is_right(
    place: Place, images: list[Path], tmp_path: Path, model: str, send: str
) -> None:
    """Broken, empty and missing images among good ones: their rows drop out, with the reason; the others stay."""
    missing = tmp_path / "missing.png"
    rows = [images[0], BAD, images[1], b"", missing, images[2], images[0], BAD]
    kind = KINDS[model.split("_")[0]]
    streams = {name: [images[5]] * len(rows) for name in kind.streams} | {kind.streams[1]: rows}
    with place.scorer(model, send=send) as scorer:
        (single,) = scorer.stream([{"image": rows}])
        (multi,) = scorer.stream([streams])
    reasons = {row: reason for row, _, reason in single.bad}
    assert sorted(reasons) == [1, 3, 4, 7]
    assert reasons[1] == reasons[7]
    assert reasons[1].startswith("not an image in any of JPEG, PNG")
    assert reasons[3] == "empty (0 bytes)"
    assert reasons[4] == f"no such file: {missing}"
    assert single.rows.tolist() == multi.rows.tolist() == [0, 2, 5, 6]
    assert [(row, name) for row, name, _ in multi.bad] == [(row, kind.streams[1]) for row in (1, 3, 4, 7)]
    expected = expected_vectors([images[0], images[1], images[2], images[0]])
    np.testing.assert_allclose(single.columns["embedding"], expected, atol=TOLERANCE)
    np.testing.assert_allclose(multi.columns[embedding_name(kind.streams[1])], expected, atol=TOLERANCE)


@pytest.mark.parametrize("model", ["triplet_branch", "triplet_full"])
def test_large_files_are_sent_in_several_requests(
    place: Place, images: list[Path], monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    """A batch whose files are too many bytes for one message, bad ones among them."""
    monkeypatch.setattr("serving.client.batch_runner.MAX_REQUEST_BYTES", 3000)
    with place.scorer(model, send="encoded") as scorer:
        (scored,) = scorer.stream([{"image": [*images[:9], BAD * 500, *images[9:]]}])
    assert sum(path.stat().st_size for path in images) > 10 * 3000
    assert [row for row, _, _ in scored.bad] == [9]
    np.testing.assert_allclose(scored.columns["embedding"], expected_vectors(images), atol=TOLERANCE)


def test_embed_raises_naming_every_bad_image(place: Place, images: list[Path]) -> None:
    """Rows are numbered through, beyond the first window."""
    rows: list[object] = [images[0]] * (ROWS_PER_WINDOW + 2)
    rows[1] = rows[-1] = b""
    with place.scorer("siamese_branch") as scorer, pytest.raises(InvalidRequestError) as error:
        scorer.embed(rows)  # type: ignore[arg-type]
    assert str(error.value) == (
        f"cannot read 2 of {len(rows)} images: [row 1, image] empty (0 bytes); "
        f"[row {len(rows) - 1}, image] empty (0 bytes)"
    )


def test_all_images_bad_or_none_at_all_gives_empty_columns(place: Place) -> None:
    """Types and widths stay."""
    with place.scorer("triplet_full", send="encoded") as scorer:
        (scored,) = scorer.stream([dict.fromkeys(("anchor", "positive", "negative"), [BAD] * 70)])
        assert len(scored.bad) == 210
        assert scored.columns["embedding_anchor"].shape == (0, DIM)
        assert scorer.embed([]).shape == (0, DIM)
        empty = scorer.score({"anchor": [], "positive": [], "negative": []})
    assert {name: (values.dtype.name, values.shape) for name, values in empty.items()} == {
        **{f"embedding_{name}": ("float32", (0, DIM)) for name in ("anchor", "positive", "negative")},
        "distance_anchor_positive": ("float32", (0,)),
        "distance_anchor_negative": ("float32", (0,)),
        "same": ("bool", (0,)),
    }


def test_lineage_version_and_digest_are_those_of_the_artifact(place: Place) -> None:
    """The same facts from the file and from the server's config."""
    file = LocalConnection(place.repository, "quartet_full").manifest
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


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"send": "files"}, "send 'files': expected one of auto, pixels, encoded"),
        ({"batch_size": 0}, "batch_size: expected at least 1, got 0"),
        ({"threads": 0}, "threads: expected at least 1, got 0"),
        ({"version": 0}, "version: expected at least 1, got 0"),
        ({"timeout_s": 0}, "timeout_s: expected more than 0 seconds, got 0"),
        ({"url": "localhost:1"}, "where to score: expected either a url or a repository, got both"),
        ({"repository": None}, "where to score: expected either a url or a repository, got none"),
    ],
)
def test_options_that_make_no_sense_are_refused(tmp_path: Path, options: dict[str, object], message: str) -> None:
    """One line each."""
    with pytest.raises(UsageError) as error:
        Scorer("any", **{"repository": tmp_path, **options})  # type: ignore[arg-type]
    assert str(error.value) == message


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
            "image: expected a path, encoded bytes, a PIL image or a uint8 array [h, w, 3], got uint8 [8, 8]"
        )
    with pytest.raises(UsageError, match=r"^the scorer is closed; make another$"):
        scorer.embed(images)


def _png(pixels: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
