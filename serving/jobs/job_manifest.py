"""The manifest.json of a scoring job: its format, its two states, and how it is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from artifact.errors import OutputError
from rows.vectors.parts import MANIFEST, read_manifest
from serving.jobs.part_files import ANOTHER_FOLDER

FORMAT = "lookalike-scores/2"
RUNNING, COMPLETE = "running", "complete"


def read_job_manifest(path: Path) -> dict[str, Any]:
    """The manifest of the scoring job in a folder; raises OutputError where there is none."""
    content: dict[str, Any] = {}
    try:
        content = json.loads((path / MANIFEST).read_bytes())
        job, ours = content["job"], content["format"] == FORMAT and content["state"] in (RUNNING, COMPLETE)
        ours = ours and isinstance(job, dict)
    except (ValueError, KeyError, TypeError, OSError):
        ours = False
    if not ours:
        raise OutputError(
            "output folder", expected=f"a {MANIFEST} of {FORMAT}", got="another", where=path, mend=ANOTHER_FOLDER
        )
    return content


def num_rows_done(output: Path) -> int:
    """Rows that a job's folder has answered by its manifest, which is a few seconds behind; 0 where there is none."""
    return int(read_manifest(output).get("num_rows", 0))
