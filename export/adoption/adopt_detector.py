"""Adoption of a foreign detector: boxes, scores and a vector of each detection, after running it; needs no torch.

The reference is the untouched detector, one picture at a time, its detections put in order, cut and pooled by numpy
(detected.py). Decisions a reader would question:
- Synthetic pictures have no objects, so a detector may find nothing in them, and nothing would be proved. Then a folder
  of pictures with objects has to be named: adoption is tried on them, and two are kept in the artifact as golden
  examples, which only who names them can allow.
- The fit is `stretch`: boxes are shares of the original picture, and of one that was cropped or padded the graph cannot
  know which part it sees.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from artifact.arrays import Vectors
from artifact.errors import ArtifactError, ParityError, UsageError
from artifact.images.image_error import ImageError
from artifact.images.preprocessing import Preprocessing, load_pixels
from artifact.kinds import BRANCH_INPUT, BRANCH_OUTPUT
from artifact.model.golden import golden_images, make_golden
from artifact.modes import BOXES, DETECTIONS, SCORES
from artifact.repository.publishing import require_model_name, to_model_name
from export.adoption.adopt import Triple, preprocessing_of, require_words
from export.adoption.adopted import Adopted
from export.adoption.adopted_manifest import TOLERANCES, manifest_of, precision_of
from export.adoption.batch import with_dynamic_batch
from export.adoption.detected import (
    DEFAULT_DETECTIONS,
    DetectorOutputs,
    DetectorShapes,
    detections_of,
    require_unit,
    shapes_of,
)
from export.adoption.detections import as_outputs, unpacked, with_detections
from export.adoption.determinism import require_determined
from export.adoption.foreign import ForeignNetwork, read_foreign
from export.adoption.original import Original, load_session
from export.adoption.pooling import MEAN
from export.adoption.reasons import first_line
from export.adoption.surgery import raise_opset
from export.adoption.weights import require_sound_weights
from serving.probe import BATCHES, probe_pixels

NUM_KEPT = 2
"""Examples that become golden."""
_PROBES = 3
"""Synthetic pictures among those that are tried, where examples are given."""
_AGAIN = 3
"""Pictures that are run twice."""


class OriginalDetector(Original):
    """The untouched detector, as a function of uint8 images to packed detections; see detected.py."""

    def __init__(
        self, foreign: ForeignNetwork, preprocessing: Preprocessing, *, bgr: bool, asked: DetectorOutputs
    ) -> None:
        super().__init__(foreign, preprocessing, bgr=bgr)
        self.asked = asked
        self.shapes: DetectorShapes
        self.most = 0

    def learn(self, pixels: npt.NDArray[np.uint8]) -> None:
        """See how its values are laid out, on some pictures; raises UsageError, ArtifactError."""
        asked, path = self.asked, self.foreign.path
        runs = [self._values(image[None]) for image in pixels]
        self.shapes = shapes_of(runs, asked, batch=self.foreign.image.batch or 1, where=path)
        require_unit(runs, asked, where=path)
        # what the graph fixes: as many in every run may be chance, and more than these would be lost
        shape = next(each.shape for each in self._session.get_outputs() if each.name == asked.boxes)
        fixed = shape[-2] if len(shape) > 1 else None  # of a value whose rank nobody knows it is empty
        most = asked.limit or DEFAULT_DETECTIONS
        self.most = min(most, fixed) if isinstance(fixed, int) else most

    def is_found(self, pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
        """[N]: whether there is a detection on each of some pictures."""
        boxes = as_outputs(self.run(pixels), self.shapes.width, self.most)[BOXES]
        is_found: npt.NDArray[np.bool_] = ~np.isnan(boxes).any(axis=2).all(axis=1)
        return is_found

    def _vector(self, pixels: npt.NDArray[np.uint8]) -> Vectors:
        spec = self.preprocessing
        raw = self._values(pixels)
        found = detections_of(raw, self.asked, self.shapes, self.most, (spec.height, spec.width))
        if not np.isfinite(found).all():
            raise ArtifactError(
                f"output {self.asked.features!r} is not finite in a box",
                where=self.foreign.path,
                mend="check --mean and --std; if they are right, the network is not",
            )
        return found.reshape(1, -1)


def adopt_detector(
    path: Path,
    outputs: DetectorOutputs,
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
    examples: Sequence[Path] = (),
) -> Adopted:
    """Make an artifact of detections of a foreign ONNX detector.

    Args:
        outputs: which values are boxes, scores and features, and what they mean.
        mean, std, size, layout, bgr, kind, distance, name, licence: as for `adopt`.
        examples: pictures with objects; the first two on which something is found become golden examples.

    Raises:
        UsageError: an option that does not fit the detector, or nothing is detected on any picture.
        DataError: an example that cannot be read. ArtifactError: a network that cannot be adopted, with the reason.
        ParityError: no way to a dynamic batch keeps the detections.
    """
    require_words(kind, distance)
    name = name or to_model_name(path.stem)
    require_model_name(name)
    others = {"--boxes": outputs.boxes, "--scores": outputs.scores}
    foreign = read_foreign(path, output=outputs.features, option="--features", layout=layout, others=others)
    outputs = _as_values(outputs, foreign)
    spec = preprocessing_of(foreign, size, "stretch", mean, std)
    require_sound_weights(foreign.model, path)
    require_determined(foreign.model, path)
    original = OriginalDetector(foreign, spec, bgr=bgr, asked=outputs)
    shown = [_example(each, spec) for each in examples]
    pixels = probe_pixels(np.random.default_rng(0), sum(BATCHES), spec.height, spec.width)
    original.learn(np.stack([*shown, *(pixels[:_PROBES] if shown else pixels)]))
    if shown:  # those with objects prove something: they come first
        is_found = original.is_found(np.stack(shown))
        shown = [shown[place] for place in np.argsort(~is_found, kind="stable").tolist()]
    pixels = _with_examples(pixels, shown)
    packed = original.run(pixels)
    golden = [*golden_images(), *(_png(each) for each in shown[:NUM_KEPT])]
    packed_golden = original.run(np.stack([load_pixels(image, spec) for image in golden]))
    _require_detections(original, pixels, packed, packed_golden, has_examples=bool(examples))

    model = raise_opset(foreign)
    precision, shapes, most = precision_of(model), original.shapes, original.most
    whole = with_detections(model, outputs, shapes, most, (spec.height, spec.width))
    data, batching, parity = with_dynamic_batch(
        original,
        whole,
        pixels,
        packed,
        precision=precision,
        tolerance=TOLERANCES[precision],
        is_single=not shapes.is_batched,
    )
    data = _unpacked(data, original, pixels, packed, TOLERANCES[precision])
    expected = _as_found(as_outputs(packed_golden, shapes.width, most))
    found = as_outputs(np.concatenate([packed, packed_golden]), shapes.width, most)
    manifest = manifest_of(
        original,
        model,
        data,
        name=name,
        kind=kind,
        distance=distance,
        licence=licence,
        batching=batching,
        golden=make_golden(golden, expected[BRANCH_OUTPUT], expected[BOXES], expected[SCORES]),
        vectors=found[BRANCH_OUTPUT][~np.isnan(found[BOXES]).any(axis=2)],
        mode=DETECTIONS,
        detections=most,
        more={"detections": _facts(original)},
    )
    return Adopted(data, manifest, parity, batching, None)


def _as_values(outputs: DetectorOutputs, foreign: ForeignNetwork) -> DetectorOutputs:
    """The same with names of values, where nodes were named: the outputs of the part, in the order they were asked."""
    names = [output.name for output in foreign.model.graph.output]
    if len(names) != 3:
        raise UsageError("--boxes, --scores and --features", expected="three values", got=", ".join(names))
    return replace(outputs, features=names[0], boxes=names[1], scores=names[2])


def _facts(original: OriginalDetector) -> dict[str, Any]:
    asked, shapes = original.asked, original.shapes
    facts: dict[str, Any] = {"boxes": asked.boxes, "scores": asked.scores, "unit": asked.unit}
    facts |= {"format": asked.box_format, "most": original.most}
    if shapes.is_map:
        alignment = shapes.alignment
        facts |= {"pooling": str(asked.pooling or MEAN), "sides": list(alignment.sides), "samples": alignment.samples}
    return facts


def _with_examples(probes: npt.NDArray[np.uint8], shown: Sequence[npt.NDArray[np.uint8]]) -> npt.NDArray[np.uint8]:
    """Synthetic pictures, and in the place of most of them the examples in turn, where there are any."""
    pixels = probes.copy()
    for place in range(len(probes) - _PROBES if shown else 0):
        pixels[place] = shown[place % len(shown)]
    return pixels


def _example(path: Path, spec: Preprocessing) -> npt.NDArray[np.uint8]:
    try:
        return load_pixels(path.read_bytes(), spec)
    except (ImageError, OSError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UsageError("--examples", expected="pictures", got=reason, where=path) from None


def _as_found(outputs: dict[str, Vectors]) -> dict[str, Vectors]:
    """As many rows as the picture with the most detections has; what stands behind follows from the mode."""
    most = int((~np.isnan(outputs[BOXES]).any(axis=2)).sum(axis=1).max())
    return {name: values[:, :most] for name, values in outputs.items()}


def _png(pixels: npt.NDArray[np.uint8]) -> bytes:
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _require_detections(
    original: OriginalDetector,
    pixels: npt.NDArray[np.uint8],
    packed: Vectors,
    packed_golden: Vectors,
    *,
    has_examples: bool,
) -> None:
    where = original.foreign.path
    if not np.array_equal(original.run(pixels[:_AGAIN]), packed[:_AGAIN]):
        raise ArtifactError("the detector gives something else each time it runs", where=where)
    scored = [as_outputs(each, original.shapes.width, original.most)[BOXES] for each in (packed, packed_golden)]
    counts = [int((~np.isnan(boxes).any(axis=2)).sum()) for boxes in scored]
    if not all(counts):
        raise UsageError(
            "nothing is detected on " + ("the examples" if has_examples else "the synthetic pictures of adoption"),
            expected="detections, for else nothing would be proved",
            where=where,
            mend="check --mean, --std and --boxes, or name other pictures"
            if has_examples
            else "name pictures with objects: --examples DIR; two of them are kept in the artifact",
        )


def _unpacked(
    data: bytes, original: OriginalDetector, pixels: npt.NDArray[np.uint8], packed: Vectors, tolerance: float
) -> bytes:
    """The graph with its outputs apart, each held to the reference on all batches, by its own largest value."""
    import onnx

    width, most = original.shapes.width, original.most
    model = unpacked(onnx.load_model_from_string(data), width, most)
    onnx.checker.check_model(model)
    apart: bytes = model.SerializeToString(deterministic=True)
    session, names = load_session(apart, original.foreign), (BRANCH_OUTPUT, BOXES, SCORES)
    start = 0
    for batch in BATCHES:
        rows = slice(start, start + batch)
        start += batch
        try:
            got = session.run(list(names), {BRANCH_INPUT: pixels[rows]})
        except Exception as error:  # onnxruntime's exceptions share no public base class
            raise ParityError(f"a batch of {batch} does not run", got=first_line(error)) from None
        want = as_outputs(packed[rows], width, most)
        for name, values in zip(names, got, strict=True):
            limit = tolerance * max(1e-6, float(np.abs(np.nan_to_num(want[name])).max()))
            same_gaps = values.shape == want[name].shape and np.array_equal(np.isnan(values), np.isnan(want[name]))
            off = float(np.abs(np.nan_to_num(values) - np.nan_to_num(want[name])).max()) if same_gaps else np.inf
            if not off <= limit:
                raise ParityError(
                    f"{name} of detections in a batch of {batch}",
                    expected=f"max |difference| <= {limit:.2g}",
                    got=f"{off:.2g}",
                    where=original.foreign.path,
                )
    return apart
