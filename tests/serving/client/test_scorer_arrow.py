"""Arrow in and out of the Scorer, arrays of NumPy, and the lazy iterator of vectors."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from artifact.errors import InvalidRequestError, UsageError
from artifact.images.image_error import ImageError
from rows.vectors.lineage import Lineage
from serving.client.chunks import chunks
from serving.client.scorer import Scorer
from tests.shared.scored_images import BAD, DIM, expected_vectors
from tests.shared.tiny_artifact import linear_vectors

TOLERANCE = 1e-5
MODELS = ["triplet_branch", "siamese_full"]


def test_embed_takes_columns_of_paths_bytes_and_structs(where: dict[str, Any], images: list[Path]) -> None:
    """An Array, a ChunkedArray, and what Hugging Face writes; the vectors as a column of fixed-size lists."""
    paths = [str(path) for path in images]
    data = [path.read_bytes() for path in images]
    structs = [
        {"bytes": each, "path": None} if row % 2 else {"bytes": None, "path": paths[row]}
        for row, each in enumerate(data)
    ]
    columns = [
        pa.array(paths),
        pa.chunked_array([pa.array(data[:7]), pa.array(data[7:], pa.binary())]),
        pa.array(structs, pa.struct({"bytes": pa.large_binary(), "path": pa.string()})),
    ]
    with Scorer("triplet_branch", **where) as scorer:
        for column in columns:
            vectors = scorer.embed(column, as_arrow=True)
            assert vectors.type == pa.list_(pa.float32(), DIM)
            matrix = vectors.flatten().to_numpy().reshape(-1, DIM)
            np.testing.assert_allclose(matrix, expected_vectors(images), atol=TOLERANCE)
        assert scorer.embed(pa.array([], pa.string()), as_arrow=True).type == pa.list_(pa.float32(), DIM)


def test_embed_takes_tensors_and_arrays_of_pixels(where: dict[str, Any]) -> None:
    """uint8 [N, h, w, 3] as a NumPy array and as Arrow's fixed-shape tensors."""
    pixels = np.random.default_rng(0).integers(0, 256, (19, 8, 8, 3), np.uint8)
    expected = linear_vectors(pixels, dim=DIM)
    with Scorer("triplet_branch", **where) as scorer:
        for form in (pixels, pa.FixedShapeTensorArray.from_numpy_ndarray(pixels)):
            np.testing.assert_allclose(scorer.embed(form), expected, atol=TOLERANCE)


def test_score_takes_and_gives_tables(where: dict[str, Any], images: list[Path]) -> None:
    """The columns of the arrays, and the lineage in the schema's metadata."""
    left, right = [str(path) for path in images[:20]], [str(path) for path in images[20:40]]
    with Scorer("siamese_full", **where) as scorer:
        table = scorer.score(pa.table({"left": left, "right": right}), as_arrow=True)
        arrays = scorer.score({"left": left, "right": pa.array(right)})
        lineage = scorer.lineage
    assert table.column_names == list(arrays)
    assert Lineage.from_metadata(table.schema.metadata) == lineage
    for name, rows in (("left", images[:20]), ("right", images[20:40])):
        column = table[f"embedding_{name}"].combine_chunks()
        matrix = column.flatten().to_numpy().reshape(-1, DIM)
        np.testing.assert_allclose(matrix, expected_vectors(rows), atol=TOLERANCE)
    np.testing.assert_allclose(table["distance_left_right"], arrays["distance_left_right"], atol=TOLERANCE)
    assert table["same"].to_pylist() == arrays["same"].tolist()


def test_columns_that_hold_no_images_are_refused(repository: Path) -> None:
    """One line that says what a column may be."""
    with Scorer("triplet_branch", repository=repository) as scorer:
        for act in (scorer.embed, lambda column: list(scorer.embed_iter(column))):
            with pytest.raises(UsageError) as error:
                act(pa.array([1, 2]))
            assert str(error.value) == (
                "images: expected a column of string paths, binary, {bytes, path} or uint8 [h, w, 3], got int64"
            )
        with pytest.raises(InvalidRequestError, match=r"^cannot read 1 of 1 images: \[row 0, image\] no image: the"):
            scorer.embed(pa.array([None], pa.string()))


def test_embed_iter_is_lazy_and_in_order(where: dict[str, Any], images: list[Path]) -> None:
    """Endless images: only so many are taken ahead; leaving early ends it."""
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield images[taken % 41]

    with Scorer("triplet_branch", **where, batch_size=4) as scorer:
        vectors = scorer.embed_iter(endless())
        assert taken == 0
        for number in range(1, 200):
            np.testing.assert_allclose(next(vectors), expected_vectors([images[number % 41]])[0], atol=TOLERANCE)
            assert taken <= number + 2 * scorer.in_flight * 4 + scorer.core.small_rows()


@pytest.mark.parametrize("images", [[b"%d" % row for row in range(20)], pa.array([b"%d" % row for row in range(20)])])
def test_chunks_take_the_size_of_the_moment(images: Any) -> None:
    """A batch size that is found on the way; every image once, in order."""
    sizes = iter((3, 5, 1, 40, 40))
    found = list(chunks(images, lambda: next(sizes)))
    assert [len(chunk) for chunk in found] == [3, 5, 1, 11]
    assert [int(getattr(image, "data", image)) for chunk in found for image in chunk] == list(range(20))


def test_embed_iter_raises_at_a_bad_image_or_yields_it(where: dict[str, Any], images: list[Path]) -> None:
    """Named by its row over all of them; the vectors before it have come by then."""
    rows: list[Any] = [*images, BAD, *images]
    with Scorer("triplet_branch", **where, batch_size=2) as scorer:
        vectors = scorer.embed_iter(iter(rows))
        first = [next(vectors) for _ in images]
        with pytest.raises(InvalidRequestError, match=r"^cannot read image 41: got not an image in any of JPEG, PNG"):
            next(vectors)
        every = list(scorer.embed_iter(rows, bad="yield"))
        with pytest.raises(UsageError, match=r"^bad 'skip': expected one of raise, yield$"):
            scorer.embed_iter(rows, bad="skip")  # type: ignore[call-overload]
    assert isinstance(every[41], ImageError)
    np.testing.assert_allclose(np.stack(first), expected_vectors(images), atol=TOLERANCE)
    good = [vector for row, vector in enumerate(every) if row != 41]
    np.testing.assert_allclose(np.stack(good), expected_vectors([*images, *images]), atol=TOLERANCE)


def test_one_scorer_may_be_used_from_several_threads(where: dict[str, Any], images: list[Path]) -> None:
    """Each call gets its own vectors."""
    wrong: list[int] = []
    pictures = [np.asarray(Image.open(path)) for path in images]

    def use(at: int) -> None:
        if not np.allclose(scorer.embed(pictures[at : at + 9]), expected[at : at + 9], atol=TOLERANCE):
            wrong.append(at)

    with Scorer("triplet_branch", **where, batch_size=4) as scorer:
        expected = scorer.embed(pictures)
        threads = [threading.Thread(target=use, args=(at,)) for at in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not wrong
