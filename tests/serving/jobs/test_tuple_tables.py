"""Tables of pairs, triplets and quartets, from a CSV file to the parts, in this process and over gRPC."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from artifact.errors import DataError, UsageError
from artifact.kinds import KINDS, distance_name, embedding_name
from rows.tables import open_table
from rows.vectors.table import VectorTable
from serving.client.scorer import Scorer
from serving.jobs.scoring import JobResult, score_table
from tests.shared.scored_images import BAD, MODELS, expected_vectors

TOLERANCE = 1e-5
NUM_IMAGES, NUM_ROWS, ROWS_PER_PART = 13, 60, 25


def write_csv(file: Path, columns: dict[str, list[str]]) -> Path:
    """A table without an id: rows are called by their number."""
    rows = [",".join(cells) for cells in zip(*columns.values(), strict=True)]
    file.write_text("\n".join([",".join(columns), *rows]) + "\n")
    return file


def job(scorer: Scorer, table: Path, output: Path, columns: dict[str, str] | None = None) -> JobResult:
    rows = open_table(table, streams=scorer.streams, columns=columns)
    return score_table(rows, scorer, output, rows_per_part=ROWS_PER_PART)


def read_parts(output: Path) -> pa.Table:
    return pa.concat_tables([parquet.read_table(path) for path in sorted(output.glob("part-*.parquet"))])


@pytest.mark.parametrize("model", MODELS)
def test_a_csv_with_mapped_columns_gives_vectors_distances_and_same(
    where: dict[str, object], images: list[Path], tmp_path: Path, model: str
) -> None:
    """Few images in many rows: each runs once in a part; a bad image or an empty cell takes its row alone."""
    kind = KINDS[model.split("_")[0]]
    chosen = {
        name: [(row * (2 * place + 3) + place) % 11 for row in range(NUM_ROWS)]
        for place, name in enumerate(kind.streams)
    }
    cells = {name: [f"../images/{images[i].name}" for i in rows] for name, rows in chosen.items()}
    first, second = kind.streams[:2]
    table = images[0].parent.parent / model / "tuples.csv"
    table.parent.mkdir(exist_ok=True)
    (table.parent / "broken.png").write_bytes(BAD)
    cells[first][3] = cells[second][40] = "broken.png"
    cells[second][3] = cells[second][50] = ""
    write_csv(table, {f"{name} file": rows for name, rows in cells.items()})
    with Scorer(model, batch_size=8, **where) as scorer:  # type: ignore[arg-type]
        result = job(scorer, table, tmp_path / "out", {name: f"{name} file" for name in kind.streams})

    assert (result.num_rows, result.num_scored, result.num_errors) == (NUM_ROWS, NUM_ROWS - 3, 3)
    of_parts = [range(start, min(NUM_ROWS, start + ROWS_PER_PART)) for start in range(0, NUM_ROWS, ROWS_PER_PART)]
    assert len(of_parts) == 3
    assert result.num_images == sum(
        len({cells[name][row] for name in kind.streams for row in rows} - {"", "broken.png"}) for rows in of_parts
    )
    scored, kept = read_parts(tmp_path / "out"), [row for row in range(NUM_ROWS) if row not in (3, 40, 50)]
    assert scored["id"].to_pylist() == kept
    vectors = {name: expected_vectors([images[rows[row]] for row in kept]) for name, rows in chosen.items()}
    for name in kind.streams:
        opened = VectorTable.open(tmp_path / "out", embedding_name(name))
        np.testing.assert_allclose(opened.matrix, vectors[name], atol=TOLERANCE)
    for a, b in kind.pairs:
        apart = np.linalg.norm(vectors[a] - vectors[b], axis=1)
        np.testing.assert_allclose(scored[distance_name((a, b))].to_numpy(), apart, atol=TOLERANCE)
    assert scored.schema.field("same").type == pa.bool_()
    near = np.linalg.norm(vectors[first] - vectors[second], axis=1) <= 1.0
    assert scored["same"].to_pylist() == near.tolist()
    assert 0 < near.sum() < len(kept)
    errors = parquet.read_table(tmp_path / "out" / "errors.parquet")
    assert [(bad["id"], bad["stream"], bad["reason"].split(" in any")[0]) for bad in errors.to_pylist()] == sorted(
        [
            (3, first, "not an image"),
            (3, second, "no image: the cell is empty"),
            (40, second, "not an image"),
            (50, second, "no image: the cell is empty"),
        ]
    )


@pytest.mark.parametrize("model", ["siamese_branch", "siamese_full"])
def test_spellings_of_a_name_are_one_image_and_links_are_others(
    repository: Path, images: list[Path], tmp_path: Path, model: str
) -> None:
    """`./a.png`, `a.png` and the whole path run once; a link runs again, to the same vector."""
    folder = tmp_path / "table"
    folder.mkdir()
    (folder / "a.png").write_bytes(images[0].read_bytes())
    (folder / "link.png").symlink_to("a.png")
    names = ["a.png", "./a.png", f"{folder}/a.png", ".//a.png", "link.png"]
    table = write_csv(folder / "pairs.csv", {"left": names, "right": ["a.png"] * len(names)})
    with Scorer(model, repository=repository) as scorer:
        result = job(scorer, table, tmp_path / "out")
    assert (result.num_scored, result.num_images) == (5, 2)
    np.testing.assert_allclose(read_parts(tmp_path / "out")["distance_left_right"].to_numpy(), np.zeros(5), atol=1e-6)


def test_images_that_the_table_holds_are_known_by_their_content(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """Equal bytes in two streams run once, also as {bytes, path} with other paths."""
    data = [path.read_bytes() for path in images[:4]]
    anchors = [{"bytes": data[row % 4], "path": f"copy-{row}.png"} for row in range(NUM_ROWS)]
    columns = {"anchor": anchors, "positive": data * (NUM_ROWS // 4), "negative": data[::-1] * (NUM_ROWS // 4)}
    parquet.write_table(pa.table(columns), tmp_path / "triplets.parquet")
    with Scorer("triplet_full", repository=repository) as scorer:
        result = job(scorer, tmp_path / "triplets.parquet", tmp_path / "out")
    assert (result.num_scored, result.num_images) == (NUM_ROWS, 3 * 4)  # in each of three parts
    vectors = VectorTable.open(tmp_path / "out", "embedding_negative").matrix
    np.testing.assert_allclose(vectors, expected_vectors(images[3::-1] * (NUM_ROWS // 4)), atol=TOLERANCE)


def test_streams_that_are_not_mapped_are_columns_of_their_own_name(
    repository: Path, images: list[Path], tmp_path: Path
) -> None:
    """One that is neither is named in one line, with what to write."""
    names = [str(path) for path in images[:6]]
    table = write_csv(tmp_path / "t.csv", {"a": names, "positive": names[::-1], "negatives": names})
    with Scorer("triplet_branch", repository=repository) as scorer:
        with pytest.raises(DataError) as error:
            job(scorer, table, tmp_path / "out", {"anchor": "a"})
        assert str(error.value) == (
            'image column "negative": expected one of a, positive, negatives, got no such column, '
            'the nearest is "negatives" (t.csv); name the right column with --columns negative=...'
        )
        job(scorer, table, tmp_path / "out", {"anchor": "a", "negative": "negatives"})
    vectors = VectorTable.open(tmp_path / "out", "embedding_positive").matrix
    np.testing.assert_allclose(vectors, expected_vectors(images[5::-1]), atol=TOLERANCE)


def test_a_column_is_one_stream_alone(repository: Path, images: list[Path], tmp_path: Path) -> None:
    """A tuple of one image twice says nothing: a slip of the keyboard, and not a wish."""
    table = write_csv(tmp_path / "t.csv", {"a": [str(images[0])], "b": [str(images[1])]})
    with Scorer("siamese_branch", repository=repository) as scorer, pytest.raises(UsageError) as error:
        job(scorer, table, tmp_path / "out", {"left": "a", "right": "a"})
    assert str(error.value) == 'column "a": expected one stream, got left and right'
