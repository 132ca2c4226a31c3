"""Names of the models that are made of a run: from its folder, or as they were given."""

from __future__ import annotations

from pathlib import Path

from artifact.kinds import BRANCH, FULL, FULL_SUFFIX, MODES
from artifact.repository.publishing import require_model_name, to_model_name
from export.precision import FP32, precision_suffix


def default_name(run: Path, mode: str, precision: str = FP32) -> str:
    """A model name from a run folder's name; those of both modes differ in `_full` alone."""
    suffix = precision_suffix(precision)
    stem = to_model_name(run.resolve().name, room=len(suffix + FULL_SUFFIX))
    return stem + suffix + (FULL_SUFFIX if mode == FULL else "")


def deployed_names(run: Path, name: str | None) -> dict[str, str]:
    """{mode: model name} of what `deploy` publishes of a run folder; raises UsageError for one Triton would not take.

    Args:
        name: of the branch; None: the run folder's.
    """
    if name is None:
        names = {mode: default_name(run, mode) for mode in MODES}
    else:
        names = {BRANCH: name, FULL: name + FULL_SUFFIX}
    for each in names.values():
        require_model_name(each)
    return names
