"""Images that cannot be read, among others and alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from artifact.errors import InvalidRequestError
from artifact.kinds import KINDS, embedding_name
from serving.client.windows import ROWS_PER_WINDOW
from tests.shared.scored_images import (
    BAD,
    DIM,
    expected_vectors,
)
from tests.shared.serving_urls import Place

TOLERANCE = 1e-5


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
