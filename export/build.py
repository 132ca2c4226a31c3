"""Run to artifact file, and to published models. Nothing is written before parity holds; same run, same bytes."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from artifact.golden import golden_images, make_golden
from artifact.kinds import BRANCH, FULL, KINDS, MODES
from artifact.manifest import Content, Manifest, canonical_json
from artifact.model_file import append_manifest, content_hash
from artifact.preprocessing import load_pixels
from artifact.publishing import publish, require_model_name
from artifact.repository import PublishedModel
from export.graph import OPSET, export_graph
from export.parity import Parity, check_parity
from serving.check import check_artifact
from trainer.run import Run

PRECISION = "fp32"


@dataclass(frozen=True)
class Built:
    """An artifact in memory that has passed parity."""

    model: bytes
    manifest: Manifest
    parity: Parity

    def write(self, path: Path) -> Manifest:
        """Write the file whole or not at all, and check what was written as a user of it would."""
        sealed = append_manifest(path, self.model, self.manifest)
        check_artifact(path)
        return sealed


def build(run: Run, mode: str, *, name: str | None = None) -> Built:
    """Export a run in one mode and prove parity.

    Args:
        mode: `branch` or `full`.
        name: the artifact's name; default: the run folder's name, with `_full` behind it for a full artifact.

    Raises:
        UsageError: a name that Triton would not take.
        ArtifactError: the network cannot be exported.
        ParityError: the graph does not give the network's vectors.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {MODES}, got {mode!r}")
    name = name or default_name(run.path, mode)
    require_model_name(name)
    branch = run.branch.eval()
    kind, distance, preprocessing = run.kind, run.distance, run.preprocessing
    graph = export_graph(
        branch, kind=kind, mode=mode, distance=distance, embedding_dim=run.embedding_dim, preprocessing=preprocessing
    )
    model = graph.SerializeToString(deterministic=True)
    parity = check_parity(branch, model, kind=kind, mode=mode, distance=distance, preprocessing=preprocessing)
    images = golden_images()
    pixels = np.stack([load_pixels(image, preprocessing) for image in images])
    with torch.no_grad():
        vectors = branch(torch.from_numpy(pixels)).numpy()
    manifest = Manifest(
        name=name,
        kind=kind,
        mode=mode,
        streams=list(KINDS[kind].streams),
        embedding_dim=run.embedding_dim,
        distance=distance,
        normalized=run.normalized,
        margin=run.margin,
        loss=run.config.loss,
        preprocessing=preprocessing.to_dict(),
        threshold=run.threshold,
        base=run.base,
        training={key: value for key, value in run.facts.items() if key not in ("base", "threshold")},
        precision=PRECISION,
        opset=OPSET,
        space=space_of(run),
        content=Content(sha256=content_hash(model), size=len(model)),
        golden=make_golden(images, vectors),
    )
    return Built(model, manifest, parity)


def publish_built(built: Built, repository: Path) -> PublishedModel:
    """Publish an artifact that was built as the next version of its name."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        file = Path(folder) / "model.onnx"
        built.write(file)
        return publish(file, repository)


def deploy(run: Run, repository: Path, *, name: str | None = None) -> list[tuple[Built, PublishedModel]]:
    """Publish a run in both modes, NAME and NAME_full; neither unless both pass parity."""
    names = (name, f"{name}_full") if name else (None, None)
    built = [build(run, mode, name=each) for mode, each in zip((BRANCH, FULL), names, strict=True)]
    return [(each, publish_built(each, repository)) for each in built]


def default_name(run: Path, mode: str) -> str:
    """A model name from a run folder's name: what Triton would not take becomes `_`."""
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", run.resolve().name).lstrip("_.-") or "model"
    return stem if mode == BRANCH else f"{stem}_full"


def space_of(run: Run) -> str:
    """Hash of everything that decides a vector: weights, precision, preprocessing, normalisation."""
    facts = {
        "checkpoint": run.checkpoint_sha256,
        "precision": PRECISION,
        "preprocessing": run.preprocessing.to_dict(),
        "normalized": run.normalized,
    }
    return hashlib.sha256(canonical_json(facts)).hexdigest()
