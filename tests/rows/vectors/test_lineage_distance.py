"""The distance of a table: its lineage's, or the one named where it has none."""

from dataclasses import replace

import pytest

from artifact.distances import DISTANCES
from artifact.errors import UsageError
from rows.vectors.lineage import Lineage, table_distance

LINEAGE = Lineage(artifact="hats", version=1, digest="d", space="s", distance="cosine", normalized=True)


@pytest.mark.parametrize("distance", DISTANCES)
def test_distance_is_that_of_the_lineage_or_the_one_named(distance: str) -> None:
    """Named or not, where both agree."""
    of_table = replace(LINEAGE, distance=distance)
    assert table_distance(of_table, None, where="t") == distance
    assert table_distance(of_table, distance, where="t") == distance
    assert table_distance(None, distance, where="t") == distance


@pytest.mark.parametrize(
    ("lineage", "distance", "text"),
    [
        (
            None,
            None,
            "distance: expected a name, for vectors without lineage, got none (t); "
            "name one of euclidean, squared_euclidean, cosine with --distance (in Python, distance=...)",
        ),
        (LINEAGE, "euclidean", "distance: expected cosine, as hats was trained, got euclidean (t)"),
        (None, "l1", "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'"),
        (LINEAGE, "l1", "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'"),
        (
            replace(LINEAGE, distance="l1"),
            None,
            "distance: expected one of euclidean, squared_euclidean, cosine, got 'l1'",
        ),
    ],
)
def test_no_other_distance_is_taken(lineage: Lineage | None, distance: str | None, text: str) -> None:
    """None, an unknown one, or one that the artifact was not trained with."""
    with pytest.raises(UsageError) as caught:
        table_distance(lineage, distance, where="t")
    assert str(caught.value) == text
