"""An adopted network in memory, to be written or published."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from artifact.atomic import write_atomically
from artifact.model.file import append_manifest
from artifact.model.manifest import Manifest
from artifact.repository.publishing import publish
from artifact.repository.reading import PublishedModel
from export.adoption.batch import AdoptedParity
from serving.check import check_artifact


@dataclass(frozen=True)
class Adopted:
    """An adopted network in memory that has passed parity.

    Attributes:
        batching: how its batch became dynamic: `declared`, `rewritten` or `one by one`; see batch.py.
        dense_input: the value before the last dense layer, if the vector comes from one: a better cut of a classifier.
    """

    model: bytes
    manifest: Manifest
    parity: AdoptedParity
    batching: str
    dense_input: str | None

    def write(self, path: Path) -> Manifest:
        """Check the artifact as a user of it would, then write it whole or not at all."""
        with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
            sealed = self._write_checked(Path(folder) / "model.onnx")
            write_atomically(path, (Path(folder) / "model.onnx").read_bytes())
        return sealed

    def publish(
        self, repository: Path, *, max_megapixels: float | None = None, max_image_mb: float | None = None
    ) -> PublishedModel:
        """Publish it as the next version of its name; the limits of images are `publish`'s."""
        with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
            self._write_checked(Path(folder) / "model.onnx")
            file = Path(folder) / "model.onnx"
            return publish(file, repository, max_megapixels=max_megapixels, max_image_mb=max_image_mb)

    def _write_checked(self, path: Path) -> Manifest:
        sealed = append_manifest(path, self.model, self.manifest)
        check_artifact(path)
        return sealed
