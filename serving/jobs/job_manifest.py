"""The manifest.json of a scoring job: its format, its two states, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from artifact.errors import OutputError
from rows.vectors.parts import MANIFEST, job_facts
from serving.jobs.part_files import ANOTHER_FOLDER

FORMAT = "lookalike-scores/2"
RUNNING, COMPLETE = "running", "complete"


def read_job_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the scoring job in a folder; raises OutputError where there is none."""
    content = job_facts(path)
    is_ours = content.get("format") == FORMAT and content.get("state") in (RUNNING, COMPLETE)
    if not is_ours or not isinstance(content.get("job"), dict):
        raise OutputError(
            "output folder", expected=f"a {MANIFEST} of {FORMAT}", got="another", where=path, mend=ANOTHER_FOLDER
        )
    return content


def num_rows_done(output: Path) -> int:
    """Rows that a job's folder has answered by its manifest, which is a few seconds behind; 0 where there is none."""
    return int(job_facts(output).get("num_rows", 0))
