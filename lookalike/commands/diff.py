"""diff: what changed between two artifacts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from lookalike.commands.options import JSON, REPOSITORY, TARGET
from lookalike.commands.targets import either_path


def diff(
    a: Annotated[str, TARGET],
    b: Annotated[str, TARGET],
    repository: Annotated[Path | None, REPOSITORY] = None,
    as_json: Annotated[bool, JSON] = False,
) -> None:
    """What changed from artifact A to B: the manifest field by field, and how far the golden vectors moved."""
    from lookalike import console
    from lookalike.results.differences import difference_facts, print_difference
    from serving.difference import compare_artifacts

    paths = (either_path(a, repository), either_path(b, repository))
    difference = compare_artifacts(*paths)
    if as_json:
        console.print_json(difference_facts(difference, paths))
    else:
        print_difference(difference, (a, b))
