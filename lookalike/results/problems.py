"""A repository's check as it is printed: its problems, or that it is sound."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from artifact.errors import RepositoryError
from lookalike import console
from serving.check import RepositoryCheck


def print_repository_check(result: RepositoryCheck, repository: Path, *, as_json: bool) -> None:
    """Print every problem with what to do about it; raises RepositoryError where there are any."""
    if as_json:
        problems = [asdict(problem) | {"where": str(problem.where)} for problem in result.problems]
        notes = [{"where": str(where), "what": what} for where, what in result.notes.items()]
        facts = {"ok": not problems, "artifacts": result.num_artifacts, "problems": problems}
        console.print_json(facts | ({"notes": notes} if notes else {}))
    else:
        for problem in result.problems:
            console.out.print(("stops Triton: " if problem.stops_triton else "") + str(problem), markup=False)
        for where, what in result.notes.items():
            console.out.print(f"note: {what} ({where})", markup=False)
    if result.problems:
        num_stops = sum(problem.stops_triton for problem in result.problems)
        raise RepositoryError(
            f"the repository has {len(result.problems)} problem{'s' * (len(result.problems) > 1)}",
            got=f"{num_stops} that would stop Triton" if num_stops else None,
            where=repository,
            mend="each is listed with what to do",
        )
    if not as_json:
        console.print_facts("sound", {"repository": str(repository), "artifacts": result.num_artifacts})
