"""Adoption of a foreign ONNX network: pixels in front, a manifest behind, after running it; needs no torch.

The reference is the untouched network up to its vector, run by onnxruntime on one image at a time with numpy's
normalisation. Nothing is written before batches of 1, 2 and 7 of the adopted graph give its vectors, whatever is beside
them. No clock is read: the same file adopted twice gives the same bytes.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from artifact.arrays import Vectors
from artifact.atomic import write_atomically
from artifact.distances import DISTANCES
from artifact.errors import ArtifactError, UsageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.file import append_manifest, content_hash
from artifact.model.golden import golden_images, make_golden
from artifact.model.int8_scheme import LARGEST_WEIGHT_KEY, largest_int8_weight
from artifact.model.manifest import Content, Golden, Manifest, canonical_json
from artifact.modes import BRANCH
from artifact.repository.publishing import publish, require_model_name, to_model_name
from artifact.repository.reading import PublishedModel
from export.adoption.batch import AdoptedParity, with_dynamic_batch
from export.adoption.determinism import require_determined
from export.adoption.foreign import ForeignNetwork, classifier_input, read_foreign
from export.adoption.original import Original
from export.adoption.pooling import parse_pooling, pooled
from export.adoption.surgery import raise_opset
from export.adoption.weights import require_sound_weights
from serving.check import check_artifact
from serving.probe import BATCHES, probe_pixels

if TYPE_CHECKING:
    import onnx

TOLERANCES = {"fp32": 1e-4, "fp16": 1e-2, "int8": 5e-2}
"""Relative to the largest |value|, by precision: a rounding in front of a quantised layer moves a whole step."""
_SAME = 1e-5
_AGAIN = 3
"""Pictures that are run twice."""
_UNIT = 1e-3

Triple = tuple[float, float, float]


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


def adopt(
    path: Path,
    *,
    mean: Triple,
    std: Triple,
    size: tuple[int, int] | None = None,
    output: str | None = None,
    layout: str | None = None,
    bgr: bool = False,
    fit: str = "stretch",
    kind: str = "siamese",
    distance: str = "cosine",
    name: str | None = None,
    licence: str | None = None,
    pool: str | None = None,
    limit: int | None = None,
) -> Adopted:
    """Make a branch artifact of a foreign ONNX image network.

    Args:
        mean, std: what the network was trained with: red, green, blue, in units of [0, 1].
        size: height and width in pixels; None: those that the graph fixes.
        output: value or node of the graph to cut at; None: its only output.
        layout: `nchw` or `nhwc`; None: seen from the graph.
        bgr: the network wants blue first; mean and std are red, green, blue all the same.
        name: the model's name; None: from the file's name.
        licence: of the network's weights.
        pool: `avg`, `max` or `grid:KxK` where the value is a map [N, channels, h, w]; see pooling.py.
        limit: numbers of a vector, at most; None: DEFAULT_LIMIT of pooled ones, any of others.

    Raises:
        UsageError: an option that does not fit the network.
        ArtifactError: a network that cannot be adopted, with the reason.
        ParityError: no way to a dynamic batch keeps the network's vectors.
    """
    require_words(kind, distance)
    name = name or to_model_name(path.stem)
    require_model_name(name)
    pooling = None if pool is None else parse_pooling(pool)
    if limit is not None and limit < 1:
        raise UsageError("--limit", expected="1 or more numbers", got=str(limit))
    foreign = read_foreign(path, output=output, layout=layout)
    preprocessing = preprocessing_of(foreign, size, fit, mean, std)
    require_sound_weights(foreign.model, path)
    require_determined(foreign.model, path)
    original = Original(foreign, preprocessing, bgr=bgr, pooling=pooling, limit=limit)
    pixels = probe_pixels(np.random.default_rng(0), sum(BATCHES), preprocessing.height, preprocessing.width)
    vectors = original.run(pixels)
    require_a_function_of_images(original, pixels, vectors)
    golden = golden_images()
    golden_vectors = original.run(np.stack([load_pixels(image, preprocessing) for image in golden]))

    model = raise_opset(foreign)
    precision = precision_of(model)
    if pooling is not None and original.map_shape is not None:
        model = pooled(model, pooling, original.map_shape, foreign.output)
    tolerance = TOLERANCES[precision]
    data, batching, parity = with_dynamic_batch(
        original, model, pixels, vectors, precision=precision, tolerance=tolerance
    )
    manifest = manifest_of(
        original,
        name=name,
        kind=kind,
        distance=distance,
        licence=licence,
        precision=precision,
        largest_weight=largest_int8_weight(model) if precision == "int8" else None,
        opset=next(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        batching=batching,
        content=Content(sha256=content_hash(data), size=len(data)),
        golden=make_golden(golden, golden_vectors),
        vectors=np.concatenate([vectors, golden_vectors]),
    )
    return Adopted(data, manifest, parity, batching, classifier_input(foreign.model, foreign.output))


def require_words(kind: str, distance: str) -> None:
    """Raise UsageError for a kind or a distance that is none."""
    for word, known in ((kind, KINDS), (distance, DISTANCES)):
        if word not in known:
            raise UsageError(f"unknown word {word!r}", expected=f"one of {', '.join(known)}")


def manifest_of(
    original: Original,
    *,
    name: str,
    kind: str,
    distance: str,
    licence: str | None,
    precision: str,
    largest_weight: int | None,
    opset: int,
    batching: str,
    content: Content,
    golden: Golden,
    vectors: Vectors,
    mode: str = BRANCH,
    detections: int | None = None,
    more: Mapping[str, Any] | None = None,
) -> Manifest:
    """The manifest of an adopted network.

    Args:
        original: the network, for where it comes from; its space is that of its file, cut and preprocessing.
        largest_weight: of int8, else None.
        opset: of the adopted graph.
        golden: with the tolerance of float32, which becomes that of the precision.
        vectors: float32 [N, n], some of the network's: they show whether it normalises.
        detections: of a picture, where the network gives them.
        more: facts besides, which decide vectors.
    """
    foreign, path = original.foreign, original.foreign.path
    facts = {
        "sha256": foreign.sha256,
        "external": foreign.external,
        "output": foreign.output,
        "layout": foreign.image.layout,
        "channels": "BGR" if original.bgr else "RGB",
    }
    if original.pooling is not None:
        facts["pooling"] = str(original.pooling)
    facts |= more or {}
    preprocessing = original.preprocessing.to_dict()
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    tolerance = TOLERANCES[precision]
    if tolerance > golden.tolerance:
        golden = golden.model_copy(update={"tolerance": tolerance})
    return Manifest(
        name=name,
        kind=kind,
        mode=mode,
        streams=list(KINDS[kind].streams),
        embedding_dim=vectors.shape[1],
        distance=distance,
        normalized=bool(np.abs(norms - 1).max() <= _UNIT),
        margin=None,
        preprocessing=preprocessing,
        threshold=None,
        base={
            "name": path.stem,
            "source": "adopted",
            "weights": f"file {path.name}",
            "pretrained": None,
            "licence": licence,
        },
        training={"adopted_from": path.name, "producer": foreign.producer, "opset": foreign.opset, "batching": batching}
        | facts,
        precision=precision,
        quantization=None if largest_weight is None else {LARGEST_WEIGHT_KEY: largest_weight},
        opset=opset,
        space=hashlib.sha256(canonical_json({"adopted": facts, "preprocessing": preprocessing})).hexdigest(),
        content=content,
        golden=golden,
        detections=detections,
    )


def precision_of(model: onnx.ModelProto) -> str:
    """`int8` if anything is quantised, `fp16` if most weights are, else `fp32`."""
    from onnx import TensorProto

    if any(node.op_type.startswith(("QuantizeLinear", "QLinear", "DynamicQuantize")) for node in model.graph.node):
        return "int8"
    sizes = {TensorProto.FLOAT: 0, TensorProto.FLOAT16: 0}
    for tensor in model.graph.initializer:
        if tensor.data_type in sizes:
            sizes[tensor.data_type] += int(np.prod(tensor.dims))
    return "fp16" if sizes[TensorProto.FLOAT16] > sizes[TensorProto.FLOAT] else "fp32"


def preprocessing_of(
    foreign: ForeignNetwork, size: tuple[int, int] | None, fit: str, mean: Triple, std: Triple
) -> Preprocessing:
    fixed = (foreign.image.height, foreign.image.width)
    if size is None:
        if None in fixed:
            raise UsageError("the network takes images of any size", where=foreign.path, mend="give --size PX")
        size = (int(fixed[0] or 0), int(fixed[1] or 0))
    if any(there not in (None, wanted) for there, wanted in zip(fixed, size, strict=True)):
        expected = "x".join(str(each or "any") for each in fixed)
        raise UsageError(
            "--size (height x width)",
            expected=f"{expected}, which the graph fixes",
            got=f"{size[0]}x{size[1]}",
            where=foreign.path,
        )
    try:
        return Preprocessing(height=size[0], width=size[1], fit=fit, mean=mean, std=std)
    except ValueError as error:
        raise UsageError(str(error)) from None


def require_a_function_of_images(original: Original, pixels: Any, vectors: Vectors) -> None:
    """Raise ArtifactError for a network that gives other vectors each time, or the same for all pictures."""
    where = original.foreign.path
    again = pixels[:_AGAIN]
    if not np.array_equal(original.run(again), vectors[:_AGAIN]):
        raise ArtifactError(
            "the network gives another vector each time it runs", where=where, mend="export it in eval mode"
        )
    if float(np.ptp(vectors, axis=0).max()) <= _SAME * float(np.abs(vectors).max()):
        raise ArtifactError(
            f"output {original.output!r} is constant",
            expected="vectors that differ between images",
            got=f"the same one for {len(pixels)} different pictures",
            where=where,
            mend=f"check --mean and --std, or name another value with {original.foreign.option}",
        )
