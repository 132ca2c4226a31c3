"""The check of an artifact: bytes, structure, and golden images against golden vectors on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from artifact.distances import DISTANCES
from artifact.errors import ArtifactError, LookalikeError
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT, KINDS, distance_name, embedding_name
from artifact.model.golden import read_golden
from artifact.model.int8_scheme import older_scheme_note
from artifact.model.manifest import Manifest
from artifact.repository.layout import Problem, find_problems
from artifact.repository.reading import open_repository
from serving.engine import Engine


@dataclass(frozen=True)
class CheckResult:
    """A sound artifact: its manifest, how many golden images ran, and the largest |difference| of an output."""

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
    pixels, vectors = golden_examples(manifest, manifest.pixels, where=engine.path)
    feeds, expected = golden_rows(manifest, pixels, vectors)
    outputs = engine.run(feeds)
    with np.errstate(invalid="ignore"):  # infinite on both sides is no agreement: the NaN of it is refused
        worst = float(np.max([np.abs(outputs[name] - want).max() for name, want in expected.items()]))
    limit = manifest.golden.tolerance * max(1.0, max(float(np.abs(want).max()) for want in expected.values()))
    if not worst <= limit:  # also catches NaN, which np.max keeps and max() would drop
        raise ArtifactError(
            "golden images do not give their golden vectors",
            expected=f"max |difference| <= {limit:.2g}",
            got=f"{worst:.2g}",
            where=engine.path,
            mend=older_scheme_note(manifest)
            or "the file or this machine's onnxruntime is not sound: copy the file again, or compare elsewhere",
        )
    return CheckResult(manifest, len(vectors), worst)


def golden_examples(
    manifest: Manifest, preprocessing: Preprocessing, *, where: object
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """An artifact's golden images as pixels uint8 [N, H, W, 3], and their vectors float32 [N, embedding_dim]."""
    assert manifest.golden is not None
    try:
        images, vectors = read_golden(manifest.golden, manifest.embedding_dim)
        if not images:
            raise ValueError("no images")
        return np.stack([load_pixels(image, preprocessing) for image in images]), vectors
    except (ValueError, ImageError) as error:
        raise ArtifactError(
            "golden examples cannot be read", got=str(error), where=where, mend="export it again"
        ) from None


def golden_rows(
    manifest: Manifest, pixels: np.ndarray, vectors: np.ndarray
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Feeds and expected outputs of the golden images: stream s takes the rows rotated by s places."""
    if manifest.is_branch:
        return {BRANCH_INPUT: pixels}, {BRANCH_OUTPUT: vectors}
    kind = KINDS[manifest.kind]
    feeds = {stream: np.roll(pixels, -shift, axis=0) for shift, stream in enumerate(kind.streams)}
    rotated = {stream: np.roll(vectors, -shift, axis=0) for shift, stream in enumerate(kind.streams)}
    distance = DISTANCES[manifest.distance]
    expected = {embedding_name(stream): vector for stream, vector in rotated.items()}
    for a, b in kind.pairs:
        expected[distance_name((a, b))] = distance(rotated[a], rotated[b])[:, None]
    return feeds, expected
