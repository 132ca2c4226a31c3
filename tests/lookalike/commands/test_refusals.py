"""The commands on vectors, `cluster`, `index` and `search`: what makes no sense, and how it is said."""

from __future__ import annotations

import pytest

from tests.shared.command_line import Cli
from tests.shared.scored_folder import MODEL


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("cluster", "v", "-k", "10", "--output", "c"), 2, "k: expected 1 to 9, the number of vectors, got 10"),
        (
            ("index", "v", "--output", "j", "--kind", "tree"),
            2,
            "kind: expected one of auto, flat, ivf, int8, rabitq, got 'tree'",
        ),
        (("index", "v", "--output", "j", "--recall", "2"), 2, "recall: expected a share in (0, 1], got 2.0"),
        (("search", "i", "images"), 2, "an image needs a model"),
        (
            ("search", "i", "v", "--gallery", "g", "--images", "nowhere"),
            1,
            "expected a file or a folder, got nothing there (nowhere)",
        ),
        (
            ("search", "i", "v", "--gallery", "g", "--images", "v/part-00000.parquet", "--image-column", "lable"),
            1,
            "(part-00000.parquet); name the right column with --image-column",
        ),
        (
            ("search", "i", "v", "--gallery", "g", "--image-column", "photo"),
            2,
            "column of images: expected --images TABLE",
        ),
        (
            ("search", "i", "models/tiny/config.pbtxt", *MODEL),
            1,
            "expected an image that has a vector, got not an image in any of",
        ),
        (("search", "i", "v", "--gallery", "images"), 1, "expected a plain file or nothing yet, got a folder (images)"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(
    scored_cli: Cli, arguments: tuple[str, ...], code: int, words: str
) -> None:
    """The exit code, and what to mend."""
    got, out, err = scored_cli(*arguments)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
