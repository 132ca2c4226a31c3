"""Artifacts of a run: built in memory, written, published; nothing before parity holds, and same run, same bytes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from artifact.errors import UsageError
from artifact.events import Report
from artifact.images.preprocessing import load_pixels
from artifact.kinds import ATTRIBUTES
from artifact.model.file import append_manifest
from artifact.model.golden import (
    golden_attribute_rows,
    golden_images,
    make_golden,
    make_golden_rows,
    with_golden_rows,
)
from artifact.model.manifest import Manifest
from artifact.model.parts import Golden, Prefix
from artifact.modes import FULL, MODES, OF_ATTRIBUTES, REGIONS, TOWERS
from artifact.repository.publishing import publish, require_model_name, require_publishable
from artifact.repository.reading import PublishedModel
from export.deployment import default_name, deployed_names, served_limits
from export.gates import Verdict
from export.graph import export_branch, export_tower
from export.join import join_streams, join_towers
from export.parity import EmbedTensors, Parity, check_parity
from export.precision import FP32, INT8, PRECISIONS, scaled_tolerance
from export.reduce import REDUCTIONS, Int8Settings, embedder
from export.region_build import RegionGraph, build_regions, region_space
from export.run_manifest import manifest_of, space_of
from rows.tables import ImageTable
from serving.check import check_artifact
from trainer.run.saved_run import Run


@dataclass(frozen=True)
class Built:
    """An artifact in memory that has passed parity."""

    model: bytes
    manifest: Manifest
    parity: Parity
    verdict: Verdict | None = None

    def write(self, path: Path) -> Manifest:
        """Write the file whole or not at all, and check what was written as a user of it would."""
        sealed = append_manifest(path, self.model, self.manifest)
        check_artifact(path)
        return sealed


def build(
    run: Run,
    mode: str,
    *,
    name: str | None = None,
    precision: str = FP32,
    int8: Int8Settings | None = None,
    report: Report = lambda event: None,
    exported: onnx.ModelProto | None = None,
    size: tuple[int, int] | None = None,
    fit: ImageTable | None = None,
) -> Built:
    """Export a run in one mode and precision, and prove parity.

    Args:
        mode: `branch`, `full` or `regions`, or of a run with two towers `attributes`; its `full` is the mode `towers`.
        name: the artifact's name; default: the run folder's name, with `_fp16` or `_int8` behind it for another
            precision than fp32, and `_full` or `_regions` for such an artifact.
        precision: `fp32`, `fp16` or `int8`.
        int8: images and limits for int8; default: the run's own images.
        report: called with events of reading images, and of objects that are left out of a fit.
        exported: the run's fp32 branch graph, where it was exported already; it is left alone.
        size, fit: of a region artifact: height and width of its pictures, and objects that its last layer is fitted to;
            see build_regions.

    Raises:
        UsageError: a name that Triton would not take, an unknown precision, a mode or a precision that the run's towers
            do not have.
        ArtifactError: the network cannot be exported, or has nothing to reduce.
        DataError: images for int8 that are missing, too few or unreadable.
        ParityError: the graph does not give the network's vectors, or int8 is too far from them.
    """
    if mode not in MODES:
        raise ValueError(f"mode: expected one of {', '.join(MODES)}, got {mode!r}")
    if precision not in PRECISIONS:
        raise UsageError("precision", expected=f"one of {', '.join(PRECISIONS)}", got=repr(precision))
    mode = mode_of(run, mode, precision)
    name = name or default_name(run.path, mode, precision, has_towers=run.attributes is not None)
    require_model_name(name)
    if mode == REGIONS:
        graph_of_regions = build_regions(run, size=size, precision=precision, fit=fit, report=report)
        return _build_regions(run, name, precision, graph_of_regions)
    network = run.branch.eval()
    if mode in OF_ATTRIBUTES:
        return _build_towers(run, mode, name, exported)
    graph = exported or export_branch(network, preprocessing=run.preprocessing)
    branch: EmbedTensors = network
    reduced = None
    if precision != FP32:
        reduced = REDUCTIONS[precision](run, graph, int8 or Int8Settings(), report=report)
        graph, branch = reduced.graph, _as_network(reduced.graph)
    if mode == FULL:
        graph = join_streams(graph, kind=run.kind, distance=run.distance, embedding_dim=run.embedding_dim)
    model = graph.SerializeToString(deterministic=True)
    parity = check_parity(
        branch if precision == INT8 else network,  # int8 was held against the network by its gates
        model,
        kind=run.kind,
        mode=mode,
        distance=run.distance,
        preprocessing=run.preprocessing,
        precision=precision,
    )
    manifest = manifest_of(
        run,
        model,
        name=name,
        mode=mode,
        precision=precision,
        threshold=reduced.threshold if reduced else run.threshold,
        quantization=reduced.quantization if reduced else None,
        space=space_of(run, precision, reduced.graph if reduced else None),
        golden=_golden(run, branch, precision),
        prefixes=[Prefix(**each) for each in (reduced.prefixes if reduced else run.prefixes)],
    )
    return Built(model, manifest, parity, reduced.verdict if reduced else None)


def mode_of(run: Run, mode: str, precision: str = FP32) -> str:
    """The mode of an artifact that is asked for as `mode`: `full` of two towers is `towers`.

    Raises:
        UsageError: attributes of a run that has none, or of a precision that their tower does not have.
    """
    if run.attributes is None:
        if mode in OF_ATTRIBUTES:
            mend = "train a table with --attributes a,b,c"
            expected = "a run with an attribute tower"
            raise UsageError("--as attributes", expected=expected, got="images alone", where=run.path, mend=mend)
        return mode
    mode = TOWERS if mode == FULL else mode
    if mode in OF_ATTRIBUTES and precision != FP32:
        what, mend = "precision of an attribute tower", "the branch alone takes another, in a space of its own"
        raise UsageError(what, expected=FP32, got=precision, where="--precision", mend=mend)
    return mode


def _build_towers(run: Run, mode: str, name: str, exported: onnx.ModelProto | None) -> Built:
    """The artifact of the attribute tower, or of both towers."""
    attributes = run.attributes
    assert attributes is not None
    network = run.branch.eval()
    tower: nn.Module = network.towers[ATTRIBUTES]
    graph = export_tower(tower, num_columns=attributes.width)
    if mode == TOWERS:
        image = exported or export_branch(network, preprocessing=run.preprocessing)
        graph = join_towers(image, graph, distance=run.distance)
    model = graph.SerializeToString(deterministic=True)
    parity = check_parity(
        network,
        model,
        kind=run.kind,
        mode=mode,
        distance=run.distance,
        preprocessing=run.preprocessing,
        tower=tower,
        num_columns=attributes.width,
    )
    rows = golden_attribute_rows(attributes)
    with torch.no_grad():
        vectors = tower(torch.from_numpy(rows)).numpy()
    facts: dict[str, Any] = {"golden": make_golden_rows(rows, vectors), "preprocessing": {}}
    if mode == TOWERS:
        facts = {"golden": with_golden_rows(_golden(run, network, FP32), rows, vectors)}
    return Built(model, manifest_of(run, model, name=name, mode=mode, **facts), parity)


def _build_regions(run: Run, name: str, precision: str, graph: RegionGraph) -> Built:
    """The region artifact: metrics and thresholds of the run are of whole pictures, so it has none but `training`'s."""
    unmeasured = {"metrics": None, "rests_on": None, "threshold": None, "why_no_threshold": _NOT_OF_BOXES}
    manifest = manifest_of(
        run,
        graph.model,
        name=name,
        mode=REGIONS,
        precision=precision,
        preprocessing=graph.preprocessing.to_dict(),
        threshold=None,
        space=region_space(space_of(run, precision), graph),
        golden=graph.golden,
        prefixes=[Prefix(**(each | unmeasured)) for each in run.prefixes],
    )
    training = manifest.training | {"why_no_threshold": _NOT_OF_BOXES, REGIONS: graph.facts}
    return Built(graph.model, manifest.model_copy(update={"training": training}), graph.parity)


_NOT_OF_BOXES = "it was measured on whole pictures, and these are vectors of boxes"


def _as_network(graph: onnx.ModelProto) -> EmbedTensors:
    """A branch graph as a function of torch's tensors."""
    embed = embedder(graph)
    return lambda pixels: torch.from_numpy(embed(pixels.numpy()))


def _golden(run: Run, branch: EmbedTensors, precision: str) -> Golden:
    """Golden images with the vectors of this very branch; with a tolerance of the vectors' own size if not fp32."""
    images = golden_images()
    pixels = np.stack([load_pixels(image, run.preprocessing) for image in images])
    with torch.no_grad():
        vectors = branch(torch.from_numpy(pixels)).numpy()
    golden, exactness = make_golden(images, vectors), PRECISIONS[precision]
    largest = float(np.abs(vectors).max())
    tolerance = scaled_tolerance(exactness.golden, largest, is_exact=exactness.is_exact)
    return golden.model_copy(update={"tolerance": tolerance})


def publish_built(
    built: Built, repository: Path, *, max_megapixels: float | None = None, max_image_mb: float | None = None
) -> PublishedModel:
    """Publish an artifact that was built as the next version of its name; the limits of images are `publish`'s."""
    with tempfile.TemporaryDirectory(prefix="lookalike-") as folder:
        file = Path(folder) / "model.onnx"
        built.write(file)
        return publish(file, repository, max_megapixels=max_megapixels, max_image_mb=max_image_mb)


def deploy(run: Run, repository: Path, *, name: str | None = None) -> list[tuple[Built, PublishedModel]]:
    """Publish a run in all its modes, NAME and NAME_full, and with two towers NAME_attributes; none unless all pass
    parity and may be published: versions of two runs side by side would be of two spaces.

    Raises:
        UsageError: a name that Triton would not take, before anything is exported; else as `build` and `publish`.
    """
    names = deployed_names(run.path, name, has_towers=run.attributes is not None)
    graph = export_branch(run.branch, preprocessing=run.preprocessing)
    built = [build(run, mode, name=each, exported=graph) for mode, each in names.items()]
    for each in built:
        require_publishable(repository, each.manifest.name, each.manifest.signature)
    return [(each, publish_built(each, repository, **served_limits(run.config))) for each in built]
