"""Adoption of a foreign network's map as a region artifact: a vector for each box in a picture; needs no torch.

Decision a reader would question: the fit is `stretch`, for boxes are shares of the original picture, and of one that
was cropped or padded the graph cannot know which part it sees.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from artifact.errors import UsageError
from artifact.modes import MODES, REGIONS
from artifact.repository.publishing import require_model_name, to_model_name
from export.adoption.adopt import Triple, preprocessing_of, require_a_function_of_images, require_words
from export.adoption.adopted import Adopted
from export.adoption.adopted_manifest import TOLERANCES, manifest_of, precision_of
from export.adoption.batch import with_dynamic_batch
from export.adoption.boxed_map import OriginalMap, with_boxes
from export.adoption.determinism import require_determined
from export.adoption.foreign import read_foreign
from export.adoption.surgery import raise_opset
from export.adoption.weights import require_sound_weights
from export.regions import REGION_POOLINGS
from serving.probe import BATCHES, probe_pixels


def adopt_regions(
    path: Path,
    value: str,
    *,
    mean: Triple,
    std: Triple,
    size: tuple[int, int] | None = None,
    layout: str | None = None,
    bgr: bool = False,
    kind: str = "siamese",
    distance: str = "cosine",
    name: str | None = None,
    licence: str | None = None,
    pool: str | None = None,
) -> Adopted:
    """Make a region artifact of a foreign ONNX image network.

    Args:
        value: value or node of the graph that is a map [N, C, h, w], channels first whatever the pixels' layout.
        mean, std, size, layout, bgr, kind, distance, licence: as for `adopt`.
        name: the model's name; None: the file's name with `_regions` behind it.
        pool: of the cells of a box, `avg` or `max`; None: `avg`.

    Raises:
        UsageError: an option that does not fit the network; a value that is no map.
        ArtifactError: a network that cannot be adopted, with the reason.
        ParityError: no way to a dynamic batch keeps the map, or boxes in it.
    """
    require_words(kind, distance)
    pooling = pool or "avg"
    if pooling not in REGION_POOLINGS:
        raise UsageError("--pool with --regions", expected=f"one of {', '.join(REGION_POOLINGS)}", got=repr(pool))
    suffix = MODES[REGIONS].suffix
    name = name or to_model_name(path.stem, room=len(suffix)) + suffix
    require_model_name(name)
    foreign = read_foreign(path, output=value, option="--regions", layout=layout)
    spec = preprocessing_of(foreign, size, "stretch", mean, std)
    require_sound_weights(foreign.model, path)
    require_determined(foreign.model, path)
    original = OriginalMap(foreign, spec, bgr=bgr)
    pixels = probe_pixels(np.random.default_rng(0), sum(BATCHES), spec.height, spec.width)
    maps = original.run(pixels)
    require_a_function_of_images(original, pixels, maps)
    model = raise_opset(foreign)
    precision = precision_of(model)
    tolerance = TOLERANCES[precision]
    flat, batching, _ = with_dynamic_batch(original, model, pixels, maps, precision=precision, tolerance=tolerance)
    boxed = with_boxes(original, flat, pixels, pooling, tolerance=tolerance)
    manifest = manifest_of(
        original,
        model,
        boxed.data,
        name=name,
        kind=kind,
        distance=distance,
        licence=licence,
        batching=batching,
        golden=boxed.golden,
        vectors=boxed.vectors,
        mode=REGIONS,
        more={REGIONS: boxed.facts},
    )
    return Adopted(boxed.data, manifest, boxed.parity, batching, None)
