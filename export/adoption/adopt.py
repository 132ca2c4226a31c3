"""Adoption of a foreign ONNX network: pixels in front, a manifest behind, after running it; needs no torch.

The reference is the untouched network up to its vector, run by onnxruntime on one image at a time with numpy's
normalisation. Nothing is written before batches of 1, 2 and 7 of the adopted graph give its vectors, whatever is beside
them. No clock is read: the same file adopted twice gives the same bytes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from artifact.arrays import Vectors
from artifact.distances import DISTANCES
from artifact.errors import ArtifactError, UsageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import KINDS
from artifact.model.golden import golden_images, make_golden
from artifact.repository.publishing import require_model_name, to_model_name
from export.adoption.adopted import Adopted
from export.adoption.adopted_manifest import TOLERANCES, manifest_of, precision_of
from export.adoption.batch import with_dynamic_batch
from export.adoption.determinism import require_determined
from export.adoption.foreign import ForeignNetwork, classifier_input, read_foreign
from export.adoption.original import Original
from export.adoption.pooling import parse_pooling, pooled
from export.adoption.surgery import raise_opset
from export.adoption.weights import require_sound_weights
from serving.probe import BATCHES, probe_pixels

_SAME = 1e-5
_AGAIN = 3
"""Pictures that are run twice."""

Triple = tuple[float, float, float]


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

    model = whole = raise_opset(foreign)
    precision = precision_of(model)
    if pooling is not None and original.map_shape is not None:
        whole = pooled(model, pooling, original.map_shape, foreign.output)
    tolerance = TOLERANCES[precision]
    data, batching, parity = with_dynamic_batch(
        original, whole, pixels, vectors, precision=precision, tolerance=tolerance
    )
    manifest = manifest_of(
        original,
        model,
        data,
        name=name,
        kind=kind,
        distance=distance,
        licence=licence,
        batching=batching,
        golden=make_golden(golden, golden_vectors),
        vectors=np.concatenate([vectors, golden_vectors]),
    )
    return Adopted(data, manifest, parity, batching, classifier_input(foreign.model, foreign.output))


def require_words(kind: str, distance: str) -> None:
    """Raise UsageError for a kind or a distance that is none."""
    for word, known in ((kind, KINDS), (distance, DISTANCES)):
        if word not in known:
            raise UsageError(f"unknown word {word!r}", expected=f"one of {', '.join(known)}")


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
