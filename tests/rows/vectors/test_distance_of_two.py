"""The distance of two tables: either lineage's, and a name vouches for a table that has none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from artifact.errors import SpaceError, UsageError
from rows.vectors.lineage import Lineage, distance_of_two

LINEAGE = Lineage(artifact="hats", version=1, digest="d", space="s", distance="cosine", normalized=True)


@pytest.mark.parametrize("sides", [(LINEAGE, LINEAGE), (LINEAGE, None), (None, LINEAGE)])
def test_the_lineage_of_either_says_it(sides: tuple[Lineage | None, Lineage | None]) -> None:
    """Named as it is, which vouches for the other; any other name is refused, nonsense too."""
    assert distance_of_two(*sides, "cosine") == "cosine"
    where = "a" if sides[0] else "b"
    with pytest.raises(UsageError, match=f"expected cosine, as hats was trained, got euclidean \\({where}\\)"):
        distance_of_two(*sides, "euclidean", names=("a", "b"))
    with pytest.raises(UsageError, match="got 'far'"):
        distance_of_two(*sides, "far")


def test_without_a_name_both_have_one_lineage() -> None:
    """Or none at all, and then a name is asked for."""
    assert distance_of_two(LINEAGE, replace(LINEAGE, version=2), None) == "cosine"
    for sides in ((LINEAGE, None), (None, LINEAGE), (LINEAGE, replace(LINEAGE, space="other"))):
        with pytest.raises(SpaceError, match="two spaces"):
            distance_of_two(*sides, None)
    with pytest.raises(UsageError, match="expected a name, for vectors without lineage, got none \\(a\\)"):
        distance_of_two(None, None, None, names=("a", "b"))
    assert distance_of_two(None, None, "euclidean") == "euclidean"


def test_nobody_vouches_for_two_spaces() -> None:
    """Two lineages say more than the user does."""
    with pytest.raises(SpaceError, match="two spaces"):
        distance_of_two(LINEAGE, replace(LINEAGE, space="other"), "cosine")
