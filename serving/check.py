"""The check of an artifact: bytes, structure, and golden examples against their vectors on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from artifact.arrays import Vectors
from artifact.errors import ArtifactError, LookalikeError
from artifact.model.int8_scheme import older_scheme_note
from artifact.model.manifest import Manifest
from artifact.modes import BOXES, DETECTIONS
from artifact.repository.layout import Problem, find_problems
from artifact.repository.reading import open_repository
from serving.engine import Engine
from serving.golden_examples import golden_examples, golden_feeds


@dataclass(frozen=True)
class CheckResult:
    """A sound artifact: its manifest, how many golden examples ran, and the largest |difference| of an output."""

    manifest: Manifest
    num_golden: int
    golden_max_abs: float

    @property
    def note(self) -> str | None:
        """What should be exported again although it is sound, and why; or None."""
        return older_scheme_note(self.manifest)


@dataclass(frozen=True)
class RepositoryCheck:
    """The findings of a check of a whole repository.

    Attributes:
        num_artifacts: versions that were checked.
        problems: everything wrong, with advice; empty for a repository that Triton takes and that is as published.
        notes: what is sound and should be exported again, by artifact file.
    """

    num_artifacts: int
    problems: list[Problem]
    notes: dict[Path, str]


def check_artifact(path: str | Path, *, golden: bool = True, device: str = "cpu") -> CheckResult:
    """Verify everything an artifact says about itself; raises ArtifactError with the first thing that is not so."""
    return check_engine(Engine(Path(path), device=device), golden=golden)


def check_repository(root: Path, *, golden: bool = True, device: str = "cpu") -> RepositoryCheck:
    """Check a repository as Triton would take it, and every version of every model of ours as `check_artifact` does.

    Raises:
        RepositoryError: no such repository.
    """
    problems = find_problems(root)
    known = {problem.where for problem in problems}
    notes: dict[Path, str] = {}
    num_artifacts = 0
    repository = open_repository(root)
    for name in repository.names():
        try:
            model = repository.model(name)
        except LookalikeError:
            continue  # among the problems already
        for version in model.manifests:
            num_artifacts += 1
            path = model.artifact(version)
            if path in known:
                continue
            try:
                note = check_artifact(path, golden=golden, device=device).note
            except LookalikeError as error:
                stops = version in model.served
                problems.append(Problem(path, error.what, error.mend or "publish it again", stops))
            else:
                notes |= {path: note} if note else {}
    return RepositoryCheck(num_artifacts, problems, notes)


def check_engine(engine: Engine, *, golden: bool = True) -> CheckResult:
    """`check_artifact` for a session that is already loaded (and so verified)."""
    manifest = engine.manifest
    if not golden or manifest.golden is None:
        return CheckResult(manifest, 0, 0.0)
    examples = golden_examples(manifest, manifest.pixels if manifest.image_inputs else None, where=engine.path)
    feeds, expected = golden_feeds(manifest, examples)
    outputs = engine.run(feeds)
    if manifest.mode == DETECTIONS:  # NaN is the box of none: there on both sides, or on neither
        outputs, expected = _boxes_of_none_as(-1.0, outputs), _boxes_of_none_as(-1.0, expected)
    with np.errstate(invalid="ignore"):  # infinite on both sides is no agreement: the NaN of it is refused
        off = {name: float(np.abs(outputs[name] - want).max()) for name, want in expected.items()}
    limits = _limits(manifest.mode, expected, manifest.golden.tolerance)
    worst, limit = max(((off[name], limits[name]) for name in expected), key=_excess)
    if not worst <= limit:  # also catches NaN
        raise ArtifactError(
            f"golden {'images' if manifest.image_inputs else 'rows'} do not give their golden vectors",
            expected=f"max |difference| <= {limit:.2g}",
            got=f"{worst:.2g}",
            where=engine.path,
            mend=older_scheme_note(manifest)
            or "the file or this machine's onnxruntime is not sound: copy the file again, or compare elsewhere",
        )
    return CheckResult(manifest, len(examples), max(off.values()))


def _limits(mode: str, expected: Mapping[str, Vectors], tolerance: float) -> dict[str, float]:
    """Of each output, the largest |difference|: by the largest number of all, for distances are off as vectors are.

    Of detections by each output's own: a box beside long vectors may not be off by as much as they are.
    """
    largest = {name: max(1.0, float(np.abs(want).max())) for name, want in expected.items()}
    shared = max(largest.values())
    return {name: tolerance * (own if mode == DETECTIONS else shared) for name, own in largest.items()}


def _excess(found: tuple[float, float]) -> float:
    """What a difference is of its limit; NaN is beyond any."""
    off, limit = found
    return np.inf if np.isnan(off) else off / limit


def _boxes_of_none_as(value: float, outputs: Mapping[str, Vectors]) -> dict[str, Vectors]:
    return {**outputs, BOXES: np.where(np.isnan(outputs[BOXES]), np.float32(value), outputs[BOXES])}
